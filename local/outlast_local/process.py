"""One child process of a local stack: started, waited for, killed and ended by its pid."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO

from outlast_local.errors import NotReady, ProcessDied
from outlast_local.private_files import open_private_log
from outlast_local.signals import put_off

_POLL_S = 0.02


class Process:
    """A server in the background, or without a log on the terminal, from which it may read."""

    def __init__(
        self, name: str, command: Sequence[str], env: Mapping[str, str], log: Path | None, cwd: Path
    ) -> None:
        self.name = name
        self._command = list(command)
        self._env = dict(env)
        self._cwd = cwd
        self.log = log
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process's id."""
        if self._child is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._child.pid

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._child is not None and self._child.poll() is None

    @property
    def exit_status(self) -> int | None:
        """What the process ended with, if it has."""
        return self._child.poll() if self._child else None

    def start(self) -> None:
        """Start the process, out of reach of the terminal's Ctrl-C: its owner ends it."""
        if self.running:
            raise RuntimeError(f"{self.name} runs already")
        # A signal in between would leave a process whose id nobody knows.
        with put_off():
            if self.log is None:
                self._child = self._spawn(None)
                return
            self.log.parent.mkdir(parents=True, exist_ok=True)
            with open_private_log(self.log) as output:
                self._child = self._spawn(output)

    def rotate_log(self) -> None:
        """Put the log of an earlier start aside, in the place of the one before."""
        if self.log and self.log.exists():
            aside = self.log.replace(self.log.with_suffix(".log.1"))
            aside.chmod(0o600)

    def wait_until(self, ready: Callable[[], bool], timeout_s: float) -> None:
        """Wait until the process serves.

        Raises:
            ProcessDied: It ended instead.
            NotReady: It takes too long.
        """
        deadline = time.monotonic() + timeout_s
        while not ready():
            if not self.running:
                raise ProcessDied(f"{self.name} died.\n{self.log_end()}")
            if time.monotonic() > deadline:
                raise NotReady(f"{self.name} is not ready.\n{self.log_end()}")
            time.sleep(_POLL_S)

    def kill(self) -> None:
        """End the process as a crash would: SIGKILL."""
        self.signal(signal.SIGKILL)
        self._wait(10)

    def terminate(self, timeout_s: float = 10) -> float:
        """Ask the process to end, and insist after a while. Returns how long it took."""
        began = time.monotonic()
        self.signal(signal.SIGTERM)
        try:
            self._wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
        return time.monotonic() - began

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if the process is there."""
        if self._child and self._child.poll() is None:
            os.kill(self._child.pid, number)

    def log_lines(self) -> list[str]:
        """Return the log, over all of the process's lives."""
        if self.log is None or not self.log.exists():
            return []
        return self.log.read_text(errors="replace").splitlines()

    def log_end(self, lines: int = 30) -> str:
        """Return the last lines of the log."""
        return "\n".join(self.log_lines()[-lines:])

    def _spawn(self, output: IO[bytes] | None) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._command,
            env=self._env,
            cwd=self._cwd,
            stdin=subprocess.DEVNULL if output else None,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )

    def _wait(self, timeout_s: float) -> None:
        if self._child:
            self._child.wait(timeout_s)


def end_all(processes: Iterable[Process], grace_s: float) -> None:
    """End processes at once: in good order, by force after a while or at a signal."""
    with put_off() as signals:
        running = [process for process in processes if process.running]
        for process in running:
            process.signal(signal.SIGTERM)
        deadline = time.monotonic() + grace_s
        while any(process.running for process in running):
            if signals or time.monotonic() > deadline:
                break
            time.sleep(_POLL_S)
        for process in running:
            process.signal(signal.SIGKILL)
        for process in running:
            process.kill()

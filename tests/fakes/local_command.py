"""A command of this machine (`outlast up`, the demo) at a terminal of its own."""

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from fakes.repository import ROOT
from fakes.waiting import DEADLINE_S, wait_until

DEMO = [str(ROOT / "dev" / "demo.py")]
ONE_PROCESS = ["-m", "outlast_local.one_process"]
WORKER = ["-m", "outlast_worker"]
MOMENTS_S = 9
"""Less than a process is given to end by itself (10 s), before it is killed."""


def outlast(*arguments: str) -> list[str]:
    """Return the arguments of Python that run a command of `outlast`."""
    return ["-m", "outlast_cli", *arguments]


class LocalCommand:
    """The command, what it says, and all that it leaves behind."""

    def __init__(self, arguments: list[str], environment: dict[str, str], folder: Path) -> None:
        self.environment = environment
        self._terminal, inner = pty.openpty()
        self._said = ""
        self.process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=folder,
            env=environment,
            stdin=inner,
            stdout=inner,
            stderr=inner,
            process_group=0,
        )
        os.close(inner)
        os.set_blocking(self._terminal, False)

    def press_ctrl_c(self) -> None:
        """Do what the terminal would: signal all of the foreground's processes."""
        os.killpg(self.process.pid, signal.SIGINT)

    def type(self, line: str) -> None:
        os.write(self._terminal, f"{line}\n".encode())

    def said(self) -> str:
        try:
            while read := os.read(self._terminal, 65536):
                self._said += read.decode(errors="replace").replace("\r\n", "\n")
        except OSError:  # nothing more for now, or closed by the command's end
            pass
        return self._said

    def wait_to_say(self, text: str, times: int = 1) -> None:
        wait_until(lambda: self.said().count(text) >= times, f"{text!r} in {self.said()!r}")

    def wait_to_end(self) -> float:
        """Return how long that took."""
        began = time.monotonic()

        def ended() -> bool:
            self.said()  # or it would wait for somebody to read
            return self.process.poll() is not None

        wait_until(ended, "the end", 2 * DEADLINE_S)  # a whole stack begins meanwhile
        return time.monotonic() - began

    def left(self) -> list[psutil.Process]:
        """Return what runs with this test's environment."""
        found: list[psutil.Process] = []
        for process in psutil.process_iter():
            try:
                mark = process.environ().get("TMPDIR")
            except psutil.Error:
                continue
            if mark == self.environment["TMPDIR"] and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        return found

    def close(self) -> None:
        for process in self.left():
            process.kill()
        self.process.wait(10)
        os.close(self._terminal)

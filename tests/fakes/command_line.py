"""The command line as a process: with pipes, or at a terminal where somebody types."""

import os
import pty
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Self

from fakes.script import WAIT_S

_COMMAND = (sys.executable, "-m", "outlast_cli")
CTRL_C, CTRL_D = "\x03", "\x04"


def environment(url: str) -> dict[str, str]:
    """Return what a process of the command line needs, and no settings of the caller."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONUNBUFFERED": "1",
        "TERM": "xterm",
        "COLUMNS": "200",
        "LOGNAME": "ann",
        "OUTLAST_URL": url,
    }


def run_command(
    url: str,
    arguments: Sequence[str],
    said: str = "",
    settings: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, with pipes."""
    return subprocess.run(
        [*_COMMAND, *arguments],
        env={**environment(url), **(settings or {})},
        input=said,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=WAIT_S * 2,
        check=False,
    )


class Terminal:
    """A command at a terminal of its own. As a context manager it ends what is left of it."""

    def __init__(
        self, url: str, *arguments: str, settings: Mapping[str, str] | None = None
    ) -> None:
        self._ours, theirs = pty.openpty()
        self._process = subprocess.Popen(
            # Makes the terminal the controlling one, so that Ctrl-C is a signal.
            [sys.executable, "-c", _AT_TERMINAL, *_COMMAND, *arguments],
            env={**environment(url), **(settings or {})},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self._changed = threading.Condition()
        self._shown = bytearray()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        os.close(self._ours)

    @property
    def shown(self) -> str:
        """Everything that was written to the terminal, with its control sequences."""
        return self._shown.decode(errors="replace")

    def wait_for(self, text: str, times: int = 1) -> None:
        self._wait_until(lambda: self.shown.count(text) >= times, text)

    def wait_for_prompt(self) -> None:
        """Wait until a chat asks for a line, which what it has shown before looks like, too."""
        self._wait_until(lambda: self.shown.endswith("> "), "prompt")

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def wait(self) -> int:
        """Wait for the end; return the exit code."""
        code = self._process.wait(WAIT_S)
        self._reader.join(WAIT_S)
        return code

    def _wait_until(self, is_shown: Callable[[], bool], what: str) -> None:
        with self._changed:
            found = self._changed.wait_for(is_shown, WAIT_S)
        assert found, f"no {what!r} in {self.shown!r}"

    def _read(self) -> None:
        while data := self._next():
            with self._changed:
                self._shown += data
                self._changed.notify_all()

    def _next(self) -> bytes:
        try:
            return os.read(self._ours, 65536)
        except OSError:  # the other end was closed
            return b""


_AT_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""

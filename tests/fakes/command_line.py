"""The command line as a process: with pipes, or at a terminal where somebody types."""

import os
import pty
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from subprocess import CompletedProcess
from typing import Self

from fakes.forked_command import ForkedCommand
from fakes.script import WAIT_S

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
) -> CompletedProcess[str]:
    """Run a command to its end, with pipes."""
    (stdin, ours), (out, stdout), (err, stderr) = os.pipe(), os.pipe(), os.pipe()
    theirs = (stdin, stdout, stderr)
    command = ForkedCommand(arguments, {**environment(url), **(settings or {})}, theirs)
    for descriptor in theirs:
        os.close(descriptor)
    with ThreadPoolExecutor(2) as readers:
        written = [readers.submit(_read_all, descriptor) for descriptor in (out, err)]
        try:
            with os.fdopen(ours, "w", encoding="utf-8") as typed:
                typed.write(said)
            code = command.wait(WAIT_S * 2)
        finally:
            command.kill()
        return CompletedProcess(arguments, code, *(each.result(WAIT_S) for each in written))


def _read_all(descriptor: int) -> str:
    with os.fdopen(descriptor, encoding="utf-8", errors="replace") as stream:
        return stream.read()


class Terminal:
    """A command at a terminal of its own. As a context manager it ends what is left of it."""

    def __init__(
        self, url: str, *arguments: str, settings: Mapping[str, str] | None = None
    ) -> None:
        self._ours, theirs = pty.openpty()
        self._process = ForkedCommand(
            arguments,
            {**environment(url), **(settings or {})},
            (theirs, theirs, theirs),
            at_terminal=True,  # so that Ctrl-C is a signal
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

"""Processes of the command line, forked from one that has imported it.

To import it is nine tenths of what a short command costs. What is forked is a process of its own in
all other ways: descriptors, terminal, signals, and how it ends. Tests that are about its very start
run `python -m outlast_cli` themselves.
"""

import atexit
import contextlib
import fcntl
import gc
import importlib
import json
import os
import pkgutil
import pty
import select
import signal
import socket
import subprocess
import sys
import termios
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

_AT_START = ("PYTHON", "LANG", "LC_", "TERM", "COLUMNS")
"""What is read when a command starts: for other values it is forked from another process."""


class ForkedCommand:
    """One command. Its descriptors are the caller's to close."""

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        streams: tuple[int, int, int],
        *,
        at_terminal: bool = False,
    ) -> None:
        """Start it; `at_terminal` makes its input the terminal that controls it."""
        read = [(name, text) for name, text in environment.items() if name.startswith(_AT_START)]
        starter = _starter(tuple(read), at_terminal=at_terminal)
        order = [list(arguments), dict(environment), str(Path.cwd()), at_terminal]
        self._report = os.fdopen(starter.fork(order, streams))
        self._pid = int(self._report.readline())
        self._code: int | None = None

    def kill(self) -> None:
        """End it if it has not ended, and forget it."""
        if self._code is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            self.wait(10)
        self._report.close()

    def wait(self, timeout_s: float) -> int:
        """Wait for its end; return its exit code, or the signal as a negative number.

        Raises:
            TimeoutError: It has not ended.
        """
        if self._code is None:
            if not select.select([self._report], [], [], timeout_s)[0]:
                raise TimeoutError(f"the command has not ended after {timeout_s} s")
            self._code = int(self._report.readline())
        return self._code


class _Starter:
    """The process that has imported the command line. It ends when nobody can ask it any more."""

    def __init__(self, environment: Mapping[str, str], streams: int) -> None:
        """Start it; `streams` are such as its commands will have."""
        self._asking, theirs = socket.socketpair()
        self._one_at_a_time = threading.Lock()
        with theirs:
            self._process = subprocess.Popen(
                # Nothing that stands beside this file may be taken for another module.
                [sys.executable, "-P", __file__, str(theirs.fileno())],
                env={"PATH": os.environ["PATH"], **environment},
                stdin=streams,
                stdout=streams,
                stderr=subprocess.STDOUT,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        atexit.register(self._end)

    def fork(self, order: list[object], streams: tuple[int, int, int]) -> int:
        """Start a command; return where its id can be read, and then how it ended."""
        report, theirs = os.pipe()
        try:
            with self._one_at_a_time:
                socket.send_fds(self._asking, [json.dumps(order).encode()], [*streams, theirs])
                assert self._asking.recv(1), "nobody is there to start commands"
        finally:
            os.close(theirs)
        return report

    def _end(self) -> None:
        self._asking.close()
        self._process.communicate()


@cache
def _starter(environment: tuple[tuple[str, str], ...], *, at_terminal: bool) -> _Starter:
    if not at_terminal:
        return _Starter(dict(environment), subprocess.PIPE)
    # Rich asks once, when it is imported, whether there is a terminal.
    _kept_open, terminal = pty.openpty()
    try:
        return _Starter(dict(environment), terminal)
    finally:
        os.close(terminal)


def _next_order(asked: socket.socket) -> list[str]:
    """Fork for each order. Returns in the process that has to carry one out: its arguments."""
    while True:
        order, descriptors, _, _ = socket.recv_fds(asked, 1 << 20, 4)
        if not order:
            sys.exit()
        if os.fork():
            for descriptor in descriptors:
                os.close(descriptor)
            asked.send(b".")
            continue
        asked.close()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        *streams, report = descriptors
        if command := os.fork():
            for stream in streams:
                os.close(stream)
            os.write(report, f"{command}\n".encode())
            _, status = os.waitpid(command, 0)
            os.write(report, f"{os.waitstatus_to_exitcode(status)}\n".encode())
            os._exit(0)
        os.close(report)
        arguments, environment, folder, at_terminal = json.loads(order)
        os.setsid()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        if at_terminal:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        return arguments


def _main() -> None:
    import outlast_cli  # noqa: PLC0415  # tests that have no command need not pay for it

    for module in pkgutil.walk_packages(outlast_cli.__path__, "outlast_cli."):
        importlib.import_module(module.name)
    from outlast_cli.__main__ import main  # noqa: PLC0415

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # those who wait for commands, nobody waits for
    gc.freeze()
    sys.argv[1:] = _next_order(socket.socket(fileno=int(sys.argv[1])))
    sys.argv[0] = "outlast"
    sys.exit(main())


if __name__ == "__main__":
    _main()

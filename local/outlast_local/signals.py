"""Ctrl-C, SIGTERM and SIGHUP during a command that starts processes: none may be left behind."""

import os
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from types import FrameType

INTERRUPTED = 130
"""The exit status of a command that was interrupted, as shells have it."""

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def interruptible(end: Callable[[], None]) -> Generator[None]:
    """Let the first signal raise KeyboardInterrupt; `put_off` hears of those after it.

    Args:
        end: Ends the processes; called when the block raises. With `put_off` it hears of more
            signals.
    """
    taken = _taken()

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        later = _Later()
        for number in taken:
            signal.signal(number, later)
        with suppress(OSError):  # the terminal may be gone
            # Not `print`, which the signal may have cut in the middle.
            os.write(2, "\nStopping …\n".encode())
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in taken}
    try:
        yield
    except BaseException:
        # Even if the block ends them itself: the signal may have cut just that.
        end()
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def put_off() -> Generator[list[int]]:
    """Put signals off to the end of the block, which is handed the list of those that came.

    Those are among them that came since an interruption: somebody is in a hurry.
    """
    came: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield came  # signals interrupt the main thread only
        return

    def note(number: int, _frame: FrameType | None) -> None:
        came.append(number)

    before = {number: signal.signal(number, note) for number in _taken()}
    came += [
        number for later in {*before.values()} if isinstance(later, _Later) for number in later.came
    ]
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in came:
            signal.raise_signal(number)


def _taken() -> list[signal.Signals]:
    """Return the signals that are not ignored, as SIGHUP is under nohup."""
    return [number for number in _ENDING if signal.getsignal(number) != signal.SIG_IGN]


class _Later:
    """Takes signals that come after an interruption. Unlike SIG_IGN, no child inherits it."""

    def __init__(self) -> None:
        self.came: list[int] = []

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        self.came.append(number)

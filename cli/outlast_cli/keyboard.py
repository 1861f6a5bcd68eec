"""Lines that somebody types."""

import os
import select
import signal
import sys
from contextlib import suppress

from outlast_cli.output import say


def ask(question: str, default: str = "") -> str:
    """Return what is typed, or the default for nothing.

    Not `typer.prompt`, for which Ctrl-C and Ctrl-D are the same; nor `input`, which misses a Ctrl-C
    that comes just when it begins.

    Raises:
        EOFError: Ctrl-D.
    """
    shown = f"{question} [{default}]" if default else question
    say(f"{shown}: ", ends_line=False)
    line = ""
    try:
        _wait_for_a_line()
        line = sys.stdin.readline()
    finally:
        if not line:
            # Neither Ctrl-C nor Ctrl-D ends the question's line.
            say("")
    if not line:
        raise EOFError
    return line.strip() or default


def forget_what_was_typed() -> None:
    """Drop what was typed before a question: it is not an answer to it."""
    with suppress(ImportError):  # Windows has no such terminals
        import termios  # noqa: PLC0415

        termios.tcflush(sys.stdin, termios.TCIFLUSH)


def _wait_for_a_line() -> None:
    """Wait in a way that a Ctrl-C ends at every moment.

    One that comes between two steps of the interpreter is not seen by a read that begins after it;
    the descriptor that every signal is written to is.
    """
    if sys.platform == "win32" or not sys.stdin.isatty():
        return
    signals, written_to = os.pipe()
    os.set_blocking(written_to, False)
    before = signal.set_wakeup_fd(written_to, warn_on_full_buffer=False)
    try:
        select.select([sys.stdin, signals], [], [])
    finally:
        signal.set_wakeup_fd(before)
        os.close(signals)
        os.close(written_to)

"""`breakpoint()` in a tool under `outlast dev`: while somebody looks around, no time passes.

The process's event loop has a clock that stands as long as a debugger's prompt is open, so that
no timeout of a tool, of a model call or of a request runs out meanwhile. (The worker's watchdog
knows a debugger when it sees one, and Restate is told to be patient: `PATIENT`.)
"""

import asyncio
import pdb  # noqa: T100  # what this is about
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

HOOK = "outlast_local.breakpoints.stop_here"
"""For PYTHONBREAKPOINT."""

PATIENT = {
    # Restate ends a connection on which nobody answers, and repeats what ran there.
    "RESTATE_WORKER__INVOKER__HTTP2_KEEP_ALIVE_INTERVAL": "1h",
    "RESTATE_WORKER__INVOKER__HTTP2_KEEP_ALIVE_TIMEOUT": "23h",
}
"""Settings of Restate."""

DAY_S = 24 * 3600


class StandingClock:
    """A clock that can be made to stand."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._prompt = threading.Lock()
        self._stood_s = 0.0
        self._stands_since: float | None = None

    def __call__(self) -> float:
        """Return the seconds that have passed, those apart in which it stood."""
        with self._lock:
            now = time.monotonic() if self._stands_since is None else self._stands_since
            return now - self._stood_s

    @contextmanager
    def standing(self) -> Generator[None]:
        """Stand for the block; a second one waits for its turn, as two prompts would mix."""
        with self._prompt:
            with self._lock:
                self._stands_since = time.monotonic()
            try:
                yield
            finally:
                with self._lock:
                    self._stood_s += time.monotonic() - self._stands_since
                    self._stands_since = None


CLOCK = StandingClock()


class PausingLoop(asyncio.SelectorEventLoop):
    """The event loop of a process with breakpoints."""

    def time(self) -> float:
        """Return the time by which timeouts are measured."""
        return CLOCK()


class Debugger(pdb.Pdb):
    """Python's own, which stops the clock while its prompt is open."""

    def cmdloop(self, intro: Any = None) -> None:
        """Ask for commands until one of them goes on."""
        with CLOCK.standing():
            super().cmdloop(intro)


def stop_here(*, header: str | None = None) -> None:
    """Do what `breakpoint()` does."""
    debugger = Debugger()
    if header:
        debugger.message(header)
    caller = sys._getframe().f_back  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # as pdb does
    debugger.set_trace(caller)

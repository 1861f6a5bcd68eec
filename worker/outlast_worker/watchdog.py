"""Logs who holds up the event loop: while one async tool blocks it, no run goes on."""

import asyncio
import sys
import threading
import time
import traceback
from types import FrameType

from outlast.logging import get_logger

_logger = get_logger()


class LoopWatchdog:
    """A thread that asks the loop for a sign of life, and names the task that keeps it busy."""

    def __init__(self, loop: asyncio.AbstractEventLoop, blocked_after_s: float) -> None:
        self._loop = loop
        self._blocked_after_s = blocked_after_s
        self._loop_thread_id = threading.get_ident()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="loop-watchdog", daemon=True)

    def start(self) -> None:
        """Begin; call it in the loop's thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()

    def _watch(self) -> None:
        while not self._stopped.is_set():
            alive = threading.Event()
            asked = time.monotonic()
            try:
                self._loop.call_soon_threadsafe(alive.set)
            except RuntimeError:  # the loop is closed: the process ends
                return
            if not alive.wait(self._blocked_after_s):
                frame = sys._current_frames().get(self._loop_thread_id)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # documented, despite its name
                if _in_debugger(frame):
                    alive.wait()
                    continue
                self._report(frame)
                alive.wait()
                held_s = round(time.monotonic() - asked, 2)
                _logger.warning("event_loop_free_again", blocked_s=held_s)
            self._stopped.wait(self._blocked_after_s)

    def _report(self, frame: FrameType | None) -> None:
        task = asyncio.current_task(self._loop)
        stack = traceback.extract_stack(frame)[-1:] if frame else []
        _logger.warning(
            "event_loop_blocked",
            by=task.get_name() if task else None,
            at=f"{stack[0].filename}:{stack[0].lineno}" if stack else None,
            fix="make the tool a plain `def`, or await what it waits for",
        )


def _in_debugger(frame: FrameType | None) -> bool:
    """Tell whether somebody has stopped here with `breakpoint()`, to look around."""
    while frame:
        if frame.f_globals.get("__name__") == "bdb":
            return True
        frame = frame.f_back
    return False

"""Enters the agents' lifespan before the worker serves, and leaves it at the end."""

import asyncio
import contextlib
import time
import traceback
from typing import Any

from outlast.errors import DefinitionError, OutlastError
from outlast.lifespan import Lifespan, name_of, open_lifespan
from outlast.logging import get_logger

_SLOW_S = 10.0
# What stands between the worker and an author's code.
_OURS = {__file__, contextlib.__file__}
_logger = get_logger()


class LifespanError(OutlastError):
    """The agents' lifespan could not be entered. The message has its trace."""


class LifespanHolder:
    """Enters and leaves a lifespan in one task: what it opens may insist on that.

    Args:
        lifespan: Of the agents' module, if it has one.
        stop: Ends the worker. It cuts the entry short, and is set when the lifespan ends too soon.
        slow_after_s: When, and how often, the log says that it is still being entered.
    """

    def __init__(
        self, lifespan: Lifespan | None, stop: asyncio.Event, slow_after_s: float = _SLOW_S
    ) -> None:
        self._lifespan = lifespan
        self._stop = stop
        self._slow_after_s = slow_after_s
        self._leave = asyncio.Event()
        self._ended_early = False
        self._task: asyncio.Task[None] | None = None

    async def enter(self) -> object:
        """Return what the lifespan yields; None without one, or if told to stop meanwhile.

        Raises:
            DefinitionError: It is not an async context manager.
            LifespanError: It failed.
        """
        if self._lifespan is None:
            return None
        name = name_of(self._lifespan)
        began = time.monotonic()
        entered: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._hold(self._lifespan, entered), name=name)
        stopping = asyncio.create_task(self._stop.wait())
        try:
            while not await _any_of(entered, self._task, stopping, timeout_s=self._slow_after_s):
                _logger.warning(
                    "lifespan_enters_slowly",
                    lifespan=name,
                    waited_s=round(time.monotonic() - began, 1),
                    meaning="the worker does not serve before it has yielded",
                )
        finally:
            stopping.cancel()
        if entered.done():
            resources = entered.result()
            _logger.info("lifespan_entered", took_s=round(time.monotonic() - began, 3))
            return resources
        if self._task.done():
            raise LifespanError(f"{name} was cancelled from inside, so the worker can't serve.")
        self._task.cancel()
        return None

    async def leave(self, grace_s: float) -> None:
        """Leave what was entered; what takes longer than its grace is cancelled.

        Raises:
            LifespanError: It had ended already. The log says why.
        """
        if self._task is None:
            return
        self._leave.set()
        if not await _any_of(self._task, timeout_s=grace_s):
            _logger.error("lifespan_cut_off", lifespan=self._task.get_name(), after_s=grace_s)
            self._task.cancel()
        if self._ended_early:
            raise LifespanError(f"{self._task.get_name()} ended, so the worker can't serve.")

    async def _hold(self, lifespan: Lifespan, entered: asyncio.Future[object]) -> None:
        try:
            async with open_lifespan(lifespan) as resources:
                entered.set_result(resources)
                await self._leave.wait()
        except Exception as error:  # an author's lifespan may raise anything
            if not entered.done():
                entered.set_exception(_as_reason(error, name_of(lifespan)))
                return
            _logger.exception("lifespan_failed", lifespan=name_of(lifespan))
        if not self._leave.is_set():
            self._ended_early = True
            self._stop.set()


async def _any_of(*awaited: asyncio.Future[Any], timeout_s: float) -> bool:
    """Wait for the first of these; False if none is done in time."""
    done, _ = await asyncio.wait(awaited, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    return bool(done)


def _as_reason(error: Exception, name: str) -> Exception:
    """Say why there is no worker: the author's part of the trace, and one line."""
    if isinstance(error, DefinitionError):
        return error
    told = traceback.TracebackException.from_exception(error)
    frames = [frame for frame in told.stack if frame.filename not in _OURS]
    told.stack = traceback.StackSummary.from_list(frames)
    trace = "".join(told.format())
    return LifespanError(
        f"{trace}{name} failed, so the worker does not serve. Mend what it needs and start again."
    )

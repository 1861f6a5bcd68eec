"""The app's end of the channel of live events: what a run says before it is journaled.

The channel is an extra. Without it, committed events come from the run's state, a little later.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing, asynccontextmanager
from typing import Protocol

from pydantic import ValidationError

from outlast.live import LIVE_ITEM, Committed, LiveItem
from outlast.logging import get_logger
from outlast.names import RunRef

_logger = get_logger()

LiveBatches = AsyncGenerator[list[LiveItem] | None]


class LiveSource(Protocol):
    """Where live events come from."""

    def listen(self, ref: RunRef) -> LiveBatches:
        """Yield what comes from a run, which may begin later; None while nothing can come.

        After each new connection a snapshot of the answer that is being streamed comes first.
        """
        ...


class Tail:
    """What comes from one run, pulled: a caller that is slow holds up the sender, not memory."""

    def __init__(self, batches: LiveBatches) -> None:
        self._batches = batches
        self._pending: asyncio.Task[list[LiveItem] | None] | None = None
        self.connected = False

    async def next(self, timeout_s: float) -> list[LiveItem]:
        """Return what has come, as soon as there is something; nothing after the timeout."""
        if self._pending is None:
            self._pending = asyncio.create_task(anext(self._batches))
        done, _ = await asyncio.wait([self._pending], timeout=timeout_s)
        if not done:
            return []
        items, self._pending = self._pending.result(), None
        self.connected = items is not None
        return items or []

    async def committed(self, timeout_s: float) -> bool:
        """Wait until something is committed; False if nothing is before the timeout."""
        try:
            async with asyncio.timeout(timeout_s):
                while not any(isinstance(item, Committed) for item in await self.next(timeout_s)):
                    pass
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """Let go of the connection."""
        if self._pending:
            self._pending.cancel()
            await asyncio.wait([self._pending])


def items_of(lines: Iterable[bytes]) -> list[LiveItem]:
    """Read what a worker writes; one that is newer may say what is not known here."""
    items = list[LiveItem]()
    for line in lines:
        try:
            items += [LIVE_ITEM.validate_json(line)] if line else []
        except ValidationError as error:
            _logger.warning("live_event_unknown", faults=error.error_count())
    return items


@asynccontextmanager
async def tail_of(source: LiveSource, ref: RunRef) -> AsyncGenerator[Tail]:
    """Listen to a run."""
    async with aclosing(source.listen(ref)) as batches:
        tail = Tail(batches)
        try:
            yield tail
        finally:
            await tail.close()

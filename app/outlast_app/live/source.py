"""The app's end of the channel of live events: what a run says before it is journaled.

The channel is an extra. Without it, committed events come from the run's state, a little later.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing, asynccontextmanager
from typing import NamedTuple, Protocol

from outlast.live import Committed, LiveItem, read_line
from outlast.logging import get_logger
from outlast.names import RunRef

_logger = get_logger()


class Heard(NamedTuple):
    """What a run said, and the line that said it: an event as clients get it."""

    item: LiveItem
    line: bytes


LiveBatches = AsyncGenerator[list[Heard] | None]


class LiveSource(Protocol):
    """Where live events come from."""

    def listen(self, ref: RunRef) -> LiveBatches:
        """Yield what comes from a run, which may begin later; None while nothing can come.

        After each new connection comes what there is so far, in one batch; an empty one says that
        there is nothing.
        """
        ...


class Tail:
    """What comes from one run, pulled: a caller that is slow holds up the sender, not memory."""

    def __init__(self, batches: LiveBatches) -> None:
        self._batches = batches
        self._pending: asyncio.Task[list[Heard] | None] | None = None

    async def committed(self, timeout_s: float) -> bool:
        """Wait until something is committed; False if nothing is before the timeout."""
        try:
            async with asyncio.timeout(timeout_s):
                while not any(isinstance(heard.item, Committed) for heard in await self._next()):
                    pass
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """Let go of the connection."""
        if self._pending:
            self._pending.cancel()
            await asyncio.wait([self._pending])

    async def _next(self) -> list[Heard]:
        if self._pending is None:
            self._pending = asyncio.create_task(anext(self._batches))
        await asyncio.wait([self._pending])
        heard, self._pending = self._pending.result(), None
        return heard or []


def hear(lines: Iterable[bytes]) -> list[Heard]:
    """Read what a worker writes; one that is newer may say what is not known here."""
    heard: list[Heard] = []
    for line in lines:
        if not line:
            continue
        try:
            heard.append(Heard(read_line(line), line))
        except ValueError as error:
            _logger.warning("live_event_unknown", fault=str(error))
    return heard


@asynccontextmanager
async def tail_of(source: LiveSource, ref: RunRef) -> AsyncGenerator[Tail]:
    """Listen to a run."""
    async with aclosing(source.listen(ref)) as batches:
        tail = Tail(batches)
        try:
            yield tail
        finally:
            await tail.close()

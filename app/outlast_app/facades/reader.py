"""The one reader of all protocols: a run's items, from its first event on, to who encodes them."""

from collections import deque
from collections.abc import AsyncIterable, Iterable, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Protocol, Self

from outlast.events import ReadEvent
from outlast_app.facades.called import CalledRuns, Change
from outlast_app.facades.items import Committed, Item, TextRule, read_event
from outlast_app.facades.positions import Mark
from outlast_app.runs.feed import ShownEvent


class Source(Protocol):
    """Follows a run, as what `RunEvents.follow` and `RunEvents.open` return does."""

    async def next(self) -> list[ShownEvent]:
        """Return what is new; nothing when nothing follows."""
        ...

    def leave(self) -> None:
        """Follow no longer."""
        ...


class SegmentReader:
    """Reads a run from its beginning, whatever segment its encoder is to speak of.

    An encoder hears of all that came before, says nothing of it, and is then where the one was
    whose connection broke. That is how every resume works, at any app process; it costs a read of
    the run's events, and nothing while nobody resumes.
    """

    def __init__(
        self, source: Source, mark: Mark | None = None, called: CalledRuns | None = None
    ) -> None:
        """Read what a source shows.

        Args:
            source: Follows the run from its first event on.
            mark: Within the text of which turn the client goes on, if it does there.
            called: Follows what runs below ask people, for an encoder that shows it.
        """
        self._source = source
        self._rule = TextRule(mark)
        self._called = called
        self._left: deque[tuple[Item, Sequence[Change]]] = deque()
        """What the source has shown, and was not returned; with what has to be read for it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._source.leave()

    async def next(self) -> list[Item]:
        """Return what is new, as soon as there is something; nothing when nothing follows.

        What is cut off while it waits is not lost: it comes the next time.
        """
        while not self._left:
            shown = await self._source.next()
            if not shown:
                return []
            items = (item for event in shown for item in self._rule.take(event))
            self._left += [(item, self._changes_of(item)) for item in items]
        if self._left[0][1]:
            item = await self._with_called(*self._left[0])
            self._left.popleft()
            return [item]
        ready: list[Item] = []
        while self._left and not self._left[0][1]:
            ready.append(self._left.popleft()[0])
        return ready

    def _changes_of(self, item: Item) -> Sequence[Change]:
        if self._called is None or not isinstance(item, Committed):
            return ()
        return self._called.take(item.event)

    async def _with_called(self, item: Item, changes: Sequence[Change]) -> Item:
        if self._called is None or not isinstance(item, Committed):
            return item
        return replace(item, called=await self._called.read(changes))


async def committed(pages: AsyncIterable[Sequence[ShownEvent]]) -> list[ReadEvent]:
    """Return what `RunEvents.so_far` yields, as events."""
    return [read_event(shown) async for page in pages for shown in page]


async def with_called(events: Iterable[ReadEvent], called: CalledRuns) -> list[Committed]:
    """Return events with what runs below ask people.

    Raises:
        OperatorProblem: Nobody can tell now, if what reads that says so.
    """
    return [Committed(event, await called.read(called.take(event))) for event in events]

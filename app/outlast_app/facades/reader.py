"""The one reader of all protocols: a run's items, from its first event on, to who encodes them."""

from collections.abc import AsyncIterable, Sequence
from types import TracebackType
from typing import Protocol, Self

from outlast.events import ReadEvent
from outlast_app.facades.items import Item, TextRule, read_event
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

    def __init__(self, source: Source, mark: Mark | None = None) -> None:
        """Read what a source shows.

        Args:
            source: Follows the run from its first event on.
            mark: Within the text of which turn the client goes on, if it does there.
        """
        self._source = source
        self._rule = TextRule(mark)

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
        """Return what is new, as soon as there is something; nothing when nothing follows."""
        while shown := await self._source.next():
            if items := [item for event in shown for item in self._rule.take(event)]:
                return items
        return []


async def committed(pages: AsyncIterable[Sequence[ShownEvent]]) -> list[ReadEvent]:
    """Return what `RunEvents.so_far` yields, as events."""
    return [read_event(shown) async for page in pages for shown in page]

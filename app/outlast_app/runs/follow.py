"""A run's events from any number on: committed ones from its state, live ones as they come.

All who follow one run in this process share one reader, and what it holds.
"""

from types import TracebackType
from typing import Self

from outlast.names import RunRef
from outlast_app.live.source import LiveSource
from outlast_app.restate.ingress import Ingress
from outlast_app.runs.committed import CommittedReads, EarlierEvents
from outlast_app.runs.event_reader import EventReader, Sources
from outlast_app.runs.export import EventExport, Events
from outlast_app.runs.feed import FeedCursor, ShownEvent
from outlast_app.runs.reader import RunReader


class RunEvents:
    """Follows runs."""

    def __init__(self, ingress: Ingress, runs: RunReader, live: LiveSource) -> None:
        self._sources = Sources(ingress, runs, live, CommittedReads(ingress))
        self._export = EventExport(ingress, runs, self._sources.reads)
        self._shared: dict[RunRef, _Shared] = {}

    def follow(self, ref: RunRef, after: int = 0, *, found: bool = True) -> "Following":
        """Follow a run, from the event after a number on.

        This works before, during and after the run, at any app process. The caller enters what is
        returned, and leaves it when it needs no more events.

        Args:
            ref: The run.
            after: The number.
            found: Whether it is known to be there; else `Following.ready` tells whether it is.
        """
        return self._join(ref, after, found=found)

    async def open(self, ref: RunRef, after: int) -> "Following | None":
        """Do so if there is such a run; None if it has ended and nothing comes after that number.

        Raises:
            UnknownRun: There is none, or it is no longer kept.
            OperatorProblem: Nobody can tell now.
        """
        following = self._join(ref, after, found=False)
        try:
            await following.ready()
        except BaseException:
            following.leave()
            raise
        if following.is_over:
            following.leave()
            return None
        return following

    async def so_far(self, ref: RunRef, after: int) -> Events:
        """Read the committed events after a number that are there now, and wait for no others.

        Raises:
            UnknownRun: There is none, or it is no longer kept.
            OperatorProblem: Nobody can tell now.
        """
        return await self._export.open(ref, after)

    def close(self) -> None:
        """Stop reading."""
        for shared in self._shared.values():
            shared.close()

    def _join(self, ref: RunRef, after: int, *, found: bool) -> "Following":
        shared = self._shared.get(ref)
        if shared is None or shared.failed:
            shared = self._shared[ref] = _Shared(self._sources, ref, after)
            shared.reader.start(found=found)
        shared.followers += 1
        return Following(self, ref, shared, after)

    def forget(self, ref: RunRef, shared: "_Shared") -> None:
        """Let go of what nobody follows any more."""
        shared.close()
        if self._shared.get(ref) is shared:
            del self._shared[ref]


class _Shared:
    """What the followers of one run have in common."""

    def __init__(self, sources: Sources, ref: RunRef, after: int) -> None:
        self.reader = EventReader(sources, ref, after)
        self.earlier = EarlierEvents(sources.reads, ref)
        self.followers = 0

    @property
    def failed(self) -> bool:
        """Whether nobody will ever be told the run's end here."""
        return self.reader.stopped and not self.reader.feed.ended

    def close(self) -> None:
        self.reader.close()
        self.earlier.close()


class Following:
    """One follower, and how far it has read."""

    def __init__(self, events: RunEvents, ref: RunRef, shared: _Shared, after: int) -> None:
        self._events = events
        self._ref = ref
        self._shared = shared
        self._feed = shared.reader.feed
        self._cursor = FeedCursor(self._feed, after)
        self._woken = self._feed.watch()
        self._left = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.leave()

    @property
    def is_over(self) -> bool:
        """Whether the run has ended and all its events were read."""
        return self._feed.ended and self._cursor.seq >= self._feed.seq

    def is_over_after(self, seq: int) -> bool:
        """Tell whether the run has ended, and this was its last event."""
        return self._feed.ended and seq >= self._feed.seq

    async def ready(self) -> None:
        """Wait until it is known whether there is such a run.

        Raises:
            UnknownRun: There is none, or it is no longer kept.
            OperatorProblem: Nobody can tell now.
        """
        await self._shared.reader.ready()

    async def next(self) -> list[ShownEvent]:
        """Return what is new, as soon as there is something; nothing when nothing follows."""
        while True:
            self._woken.clear()
            events: list[ShownEvent] = []
            if self._cursor.is_behind:
                events = self._cursor.take(await self._shared.earlier.after(self._cursor.seq))
            if not events:
                events = self._cursor.read()
            if events or self._feed.ended or self._shared.failed:
                return events
            await self._woken.wait()

    def leave(self) -> None:
        """Follow no longer."""
        if self._left:
            return
        self._left = True
        self._feed.leave(self._woken)
        self._shared.followers -= 1
        if not self._shared.followers:
            self._events.forget(self._ref, self._shared)

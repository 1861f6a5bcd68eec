"""A run's committed events as far as they go now: read page by page, waiting for nothing."""

from collections.abc import AsyncGenerator, Sequence

from outlast.contract import EventPage
from outlast.events import terminal_event
from outlast.names import RunRef
from outlast_app.restate.ingress import Ingress
from outlast_app.restate.outcomes import Broken, Unknown
from outlast_app.runs.committed import CommittedReads
from outlast_app.runs.feed import ShownEvent
from outlast_app.runs.reader import RunReader

Events = AsyncGenerator[Sequence[ShownEvent]]


class EventExport:
    """Reads what runs have committed."""

    def __init__(self, ingress: Ingress, runs: RunReader, reads: CommittedReads) -> None:
        self._ingress = ingress
        self._runs = runs
        self._reads = reads

    async def open(self, ref: RunRef, after: int) -> Events:
        """Begin to read the events after a number, to the last one that is there.

        Raises:
            UnknownRun: There is no such run, or it is no longer kept.
            OperatorProblem: Nobody can tell now.
        """
        outcome = await self._ingress.outcome(ref)
        if isinstance(outcome, Unknown):
            await self._runs.find(ref)
        page = await self._reads.page_soon(ref, after)
        return self._read_on(ref, after, page, outcome if isinstance(outcome, Broken) else None)

    async def _read_on(
        self, ref: RunRef, after: int, page: EventPage, broken: Broken | None
    ) -> Events:
        seq = after
        while page.events:
            yield [ShownEvent.of(event) for event in page.events]
            seq = page.events[-1].seq
            if not page.more:
                break
            page = await self._reads.page(ref, seq)
        if broken and not (page.run and page.run.ended):
            last = seq if seq > after else await self._last_seq(ref, after)
            if last >= after:  # else the end is what has been seen
                run = await self._runs.read_broken(ref, page.run, broken)
                yield [ShownEvent.of(terminal_event(run, last + 1))]

    async def _last_seq(self, ref: RunRef, after: int) -> int:
        """Return the number of the last event of a run that has none after this number."""
        if not after or (await self._reads.page(ref, after - 1)).events:
            return after
        last = 0
        while (page := await self._reads.page(ref, last)).events:
            last = page.events[-1].seq
        return last

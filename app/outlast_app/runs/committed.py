"""Reads committed events from the run's state: a bounded number of reads at a time, shared."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence

from outlast.contract import EventPage
from outlast.errors import OperatorProblem, WorkerUnavailable
from outlast.logging import get_logger
from outlast.names import RunRef
from outlast_app.backoff import backoff_s
from outlast_app.restate.ingress import Ingress
from outlast_app.restate.worker_calls import READ_TIMEOUT_S
from outlast_app.runs.feed import ShownEvent

_AT_ONCE = 16
RETRY_S = (0.1, 30.0)
# A read that is given up stays with Restate, and asking again adds another one. So one that is
# slow is waited for until Restate itself has given it up (`READ_POLICY` in the worker).
_PATIENCE_S = 10.0
_logger = get_logger()


class CommittedReads:
    """All reads of committed events in this process: the first that asks is the first served.

    Those of one agent don't wait for those of another, whose worker may be away.
    """

    def __init__(self, ingress: Ingress) -> None:
        self._ingress = ingress
        self._free = defaultdict[str, asyncio.Semaphore](lambda: asyncio.Semaphore(_AT_ONCE))

    async def page(self, ref: RunRef, after: int) -> EventPage:
        """Read once, however long it takes.

        Raises:
            OperatorProblem: There was no answer, or none that can be read.
        """
        async with self._free[ref.agent]:
            return await self._ingress.events(ref, after, _PATIENCE_S)

    async def page_soon(self, ref: RunRef, after: int) -> EventPage:
        """Do so for a caller who waits for it: soon, or not at all."""
        try:
            async with asyncio.timeout(2 * READ_TIMEOUT_S), self._free[ref.agent]:
                return await self._ingress.events(ref, after, READ_TIMEOUT_S)
        except TimeoutError:
            raise WorkerUnavailable(
                "The worker is busy or away; the run's events can't be read now. Ask again."
            ) from None


class EarlierEvents:
    """What one run committed before that which its feed holds, for followers that need it."""

    def __init__(self, reads: CommittedReads, ref: RunRef) -> None:
        self._reads = reads
        self._ref = ref
        self._pages: dict[int, asyncio.Task[Sequence[ShownEvent]]] = {}

    async def after(self, seq: int) -> Sequence[ShownEvent]:
        """Return the next ones; those who ask at the same time share one read."""
        page = self._pages.get(seq)
        if page is None:
            page = self._pages[seq] = asyncio.create_task(self._insist(seq))
            page.add_done_callback(lambda _: self._pages.pop(seq))
        return await asyncio.shield(page)

    def close(self) -> None:
        """Read no more."""
        for page in self._pages.values():
            page.cancel()

    async def _insist(self, seq: int) -> Sequence[ShownEvent]:
        failures = 0
        while True:
            try:
                page = await self._reads.page(self._ref, seq)
            except OperatorProblem as problem:
                _logger.debug("events_not_read", run_id=self._ref.run_id, reason=problem.detail)
                await asyncio.sleep(backoff_s(failures, *RETRY_S))
                failures += 1
            else:
                return [ShownEvent.of(event) for event in page.events]

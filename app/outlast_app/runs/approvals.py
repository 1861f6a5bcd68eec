"""Reads what runs have asked people, from their state: a bounded number of reads at a time."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence

from outlast.errors import OperatorProblem, WorkerUnavailable
from outlast.logging import get_logger
from outlast.names import RunRef
from outlast.protocol import Approval
from outlast_app.backoff import backoff_s
from outlast_app.restate.worker_calls import READ_TIMEOUT_S
from outlast_app.runs.committed import RETRY_S
from outlast_app.runs.reader import RunReader

_AT_ONCE = 16
_logger = get_logger()


class ApprovalReads:
    """All such reads in this process. Those of one agent don't wait for those of another."""

    def __init__(self, runs: RunReader) -> None:
        self._runs = runs
        self._free = defaultdict[str, asyncio.Semaphore](lambda: asyncio.Semaphore(_AT_ONCE))

    async def of_soon(self, ref: RunRef) -> Sequence[Approval]:
        """Return what a run has asked, and how that ended; nothing if it is not kept any more.

        Raises:
            OperatorProblem: Nobody can tell now, or all are busy.
        """
        try:
            async with asyncio.timeout(2 * READ_TIMEOUT_S):
                return await self._read(ref)
        except TimeoutError:
            raise WorkerUnavailable(
                "The worker is busy or away; what a called run asks can't be read now. Ask again."
            ) from None

    async def of(self, ref: RunRef) -> Sequence[Approval]:
        """Do so as soon as somebody can tell, however long that takes."""
        failures = 0
        while True:
            try:
                return await self._read(ref)
            except OperatorProblem as problem:
                _logger.debug("approvals_not_read", run_id=ref.run_id, reason=problem.detail)
            await asyncio.sleep(backoff_s(failures, *RETRY_S))
            failures += 1

    async def _read(self, ref: RunRef) -> Sequence[Approval]:
        async with self._free[ref.agent]:
            return await self._runs.approvals(ref)

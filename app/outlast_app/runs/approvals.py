"""Reads what runs have asked people, from their state: a bounded number of reads at a time."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence

from outlast.errors import OperatorProblem
from outlast.logging import get_logger
from outlast.names import RunRef
from outlast.protocol import Approval
from outlast_app.backoff import backoff_s
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
            OperatorProblem: Nobody can tell now.
        """
        async with self._free[ref.agent]:
            return await self._runs.approvals(ref)

    async def of(self, ref: RunRef) -> Sequence[Approval]:
        """Do so as soon as somebody can tell, however long that takes."""
        failures = 0
        while True:
            try:
                return await self.of_soon(ref)
            except OperatorProblem as problem:
                _logger.debug("approvals_not_read", run_id=ref.run_id, reason=problem.detail)
            await asyncio.sleep(backoff_s(failures, *RETRY_S))
            failures += 1

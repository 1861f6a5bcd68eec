"""Reads of what runs have asked: until somebody can tell, or at once, or not at all."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from fakes.watching import REF
from outlast.errors import RestateUnavailable, WorkerUnavailable
from outlast.names import RunRef
from outlast.protocol import Approval
from outlast_app.runs import approvals
from outlast_app.runs.approvals import ApprovalReads

OTHER = RunRef("t", f"other.{'a' * 26}")


class Runs:
    """Answers when it is there; counts who asks at once."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.at_once = self.most_at_once = 0
        self.answers = asyncio.Event()
        self.answers.set()

    async def approvals(self, ref: RunRef) -> Sequence[Approval]:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if ref == REF:
                await self.answers.wait()
        finally:
            self.at_once -= 1
        self.failures -= 1
        if self.failures >= 0:
            raise RestateUnavailable("It is away.")
        return ()


def reads(runs: Any) -> ApprovalReads:
    return ApprovalReads(runs)


async def test_until_somebody_can_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream waits for it; who asks once is told that nobody can."""
    monkeypatch.setattr(approvals, "RETRY_S", (0.001, 0.001))
    runs = Runs(failures=3)
    assert await reads(runs).of(REF) == ()
    assert runs.failures == -1
    with pytest.raises(RestateUnavailable):
        await reads(Runs(failures=1)).of_soon(REF)


async def test_many_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many of one agent are read at a time; those of another don't wait, nor does who can't."""
    monkeypatch.setattr(approvals, "READ_TIMEOUT_S", 0.01)
    runs = Runs()
    runs.answers.clear()
    of = reads(runs)
    many = [asyncio.create_task(of.of(REF)) for _ in range(40)]
    await asyncio.sleep(0)  # all have asked
    assert runs.at_once == 16
    with pytest.raises(WorkerUnavailable):
        await of.of_soon(REF)
    assert await of.of_soon(OTHER) == ()
    assert runs.most_at_once == 17
    runs.answers.set()
    assert await asyncio.gather(*many) == [()] * 40
    assert runs.most_at_once == 17

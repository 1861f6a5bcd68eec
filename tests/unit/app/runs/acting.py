"""What is behind actions on runs and threads, and who takes them."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from outlast.contract import (
    DecideAnswer,
    DecideOrder,
    DeleteAnswer,
    HistoryAnswer,
    SteerAnswer,
    SteerOrder,
    TakeBackAnswer,
    TakeBackOrder,
    ThreadHolder,
    ThreadStatus,
)
from outlast.errors import AdminUnavailable
from outlast.names import RunRef, ThreadRef
from outlast.protocol import Decision, Resolution, Run, RunStatus, SteerRun
from outlast_app.restate.outcomes import Broken, Outcome, Pending
from outlast_app.restate.rows import EngineRow
from outlast_app.runs.actions import RunActions, ThreadActions

REF = RunRef("acme", "support.aaaaaaaaaaaaaaaaaaaaaaaaaa")
THREAD = ThreadRef("acme", "t")
AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
APPROVED = Resolution(call_id="1.0", action="approve", by="ana", at=AT)
APPROVE = Decision(action="approve")
SAY = SteerRun(input="Hurry.")
WAIT = SteerRun(input="Wait.")


@dataclass
class Behind:
    """All that is behind: ingress, admin API and reader. It answers this, and writes down calls."""

    run: Run | None = None
    outcome_: Outcome = field(default_factory=Pending)
    decided: DecideAnswer | None = None
    steered: SteerAnswer | None = None
    row: EngineRow | None = None
    held_by: str | None = None
    queued: list[str] = field(default_factory=list[str])
    history: HistoryAnswer | None = None
    deleted: DeleteAnswer | None = None
    taken_back: TakeBackAnswer | None = None
    worker_is_there: bool = True
    admin_is_there: bool = True
    calls: list[Any] = field(default_factory=list[Any])
    same: set[str] = field(default_factory=set[str])

    async def read(self, _ref: RunRef, *, messages: bool = True) -> Run | None:
        return self.run

    async def is_dead(self, _ref: RunRef) -> bool:
        return isinstance(self.outcome_, Broken)

    async def outcome(self, _ref: RunRef) -> Outcome:
        return self.outcome_

    async def decide(self, _ref: RunRef, order: DecideOrder, same: str) -> DecideAnswer | None:
        self.same.add(same)
        self.calls.append(("decide", order.call_id, order.key))
        return self.decided

    async def steer(
        self, _ref: RunRef, order: SteerOrder, same: str, _trace: object
    ) -> SteerAnswer | None:
        self.same.add(same)
        self.calls.append(("steer", order.key))
        return self.steered

    async def cancel(self, _ref: RunRef, _trace: object) -> bool:
        self.calls.append("cancel")
        return self.worker_is_there

    async def cancel_at_once(self, _ref: RunRef) -> None:
        self.calls.append("cancel_at_once")
        if not self.admin_is_there:
            raise AdminUnavailable("away")

    async def engine_row(self, _ref: RunRef) -> EngineRow | None:
        return self.row

    async def resume(self, _ref: RunRef) -> None:
        self.calls.append("resume")

    async def thread_holder(self, _thread: ThreadRef) -> ThreadHolder | None:
        if self.held_by is None and not self.queued:
            return None
        return ThreadHolder(run_id=self.held_by, message_count=2)

    async def thread_status(self, _thread: ThreadRef) -> ThreadStatus | None:
        if self.held_by is None and not self.queued:
            return None
        return ThreadStatus(
            run_id=self.held_by, queued=self.queued, message_count=2, created_at=AT, updated_at=AT
        )

    async def check_holder(self, _thread: ThreadRef) -> None:
        self.calls.append("check_holder")

    async def thread_history(self, _thread: ThreadRef, _question: Any) -> HistoryAnswer | None:
        return self.history

    async def delete_thread(self, _thread: ThreadRef, dead: str | None) -> DeleteAnswer | None:
        self.calls.append(("delete", dead))
        return self.deleted

    async def take_back(self, _thread: ThreadRef, order: TakeBackOrder) -> TakeBackAnswer | None:
        self.calls.append(("take_back", order.after))
        return self.taken_back


def runs(behind: Any) -> RunActions:
    return RunActions(behind, behind, behind)


def threads(behind: Any) -> ThreadActions:
    return ThreadActions(behind, behind)


def a_run(status: RunStatus) -> Run:
    ended_at = AT if status == "completed" else None
    return Run(run_id=REF.run_id, agent=REF.agent, status=status, ended_at=ended_at)

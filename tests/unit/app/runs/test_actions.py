"""What becomes of a decision, a message, a cancellation, whatever interface it came by."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from outlast.contract import (
    DecideAnswer,
    DecideOrder,
    DeleteAnswer,
    FieldFault,
    HistoryAnswer,
    SteerAnswer,
    SteerOrder,
    TakeBackAnswer,
    TakeBackOrder,
    ThreadHolder,
    ThreadStatus,
)
from outlast.errors import (
    AdminUnavailable,
    AlreadyDecided,
    BodyTooLarge,
    IdempotencyConflict,
    InvalidRequest,
    Problem,
    RunEnded,
    RunNotPaused,
    ThreadBusy,
    UnknownApproval,
    UnknownThread,
)
from outlast.names import RunRef, ThreadRef
from outlast.protocol import (
    Approval,
    Decider,
    Decision,
    Message,
    Resolution,
    Run,
    RunStatus,
    SteerRun,
)
from outlast_app.restate.outcomes import Broken, Ended, Outcome, Pending
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


# Decisions.


async def test_a_decision_counts() -> None:
    """What counts is returned, as the worker has it."""
    behind = Behind(
        run=a_run("waiting"), decided=DecideAnswer(outcome="decided", resolution=APPROVED)
    )
    assert await runs(behind).decide(REF, "1.0", APPROVE, None) == (APPROVED, True)
    assert behind.calls == [("decide", "1.0", None)]


async def test_a_decision_is_handed_over() -> None:
    """Without a worker it is accepted, and repeated it is the same call; another is another."""
    asked = Approval(call_id="1.0", name="pay", arguments={}, requested_at=AT)
    behind = Behind(run=a_run("waiting").model_copy(update={"approvals": [asked]}))
    for _ in range(2):
        resolution, counts = await runs(behind).decide(REF, "1.0", APPROVE, "desk")
        assert (resolution.action, resolution.call_id, counts) == ("approve", "1.0", False)
        assert resolution.by == Decider(key="desk")
    assert len(behind.same) == 1
    await runs(behind).decide(REF, "1.0", Decision(action="reject"), "desk")
    await runs(behind).decide(REF, "1.0", APPROVE, "till")
    assert len(behind.same) == 3


@pytest.mark.parametrize(
    ("status", "kind"), [("waiting", UnknownApproval), ("completed", RunEnded)]
)
async def test_a_decision_that_is_for_nothing(status: RunStatus, kind: type[Problem]) -> None:
    """Nothing is said to be handed over where nothing waits, as far as is known."""
    with pytest.raises(kind):
        await runs(Behind(run=a_run(status))).decide(REF, "1.0", APPROVE, None)


@pytest.mark.parametrize(
    ("by", "shown", "text"),
    [
        (
            Decider(key="desk", said="ana"),
            {"key": "desk", "said": "ana"},
            "ana (the key desk)",
        ),
        (Decider(key="desk"), {"key": "desk", "said": None}, "the key desk"),
        ("ana", {"key": None, "said": "ana"}, "ana"),
    ],
)
async def test_who_decided(by: Decider | str, shown: dict[str, Any], text: str) -> None:
    """The name of the key goes to the worker; whoever comes late hears who was first."""
    counts = Resolution(call_id="1.0", action="reject", by=by, at=AT)
    late = DecideAnswer(outcome="conflict", resolution=counts)
    behind = Behind(run=a_run("waiting"), decided=late)
    with pytest.raises(AlreadyDecided, match=f"reject by {re.escape(text)}, 2026") as raised:
        await runs(behind).decide(REF, "1.0", APPROVE, "desk")
    assert behind.calls == [("decide", "1.0", "desk")]
    assert raised.value.extra["resolution"]["by"] == shown


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (DecideAnswer(outcome="conflict", resolution=APPROVED), AlreadyDecided),
        (DecideAnswer(outcome="ended", resolution=APPROVED), AlreadyDecided),
        (DecideAnswer(outcome="ended"), RunEnded),
        (DecideAnswer(outcome="unknown"), UnknownApproval),
        (
            DecideAnswer(
                outcome="invalid", faults=[FieldFault(field="body.arguments", message="wrong")]
            ),
            InvalidRequest,
        ),
    ],
    ids=["conflict", "ended-decided", "ended", "unknown", "invalid"],
)
async def test_a_decision_is_refused(answer: DecideAnswer, kind: type[Problem]) -> None:
    """Each reason has its problem; what was decided otherwise is told."""
    behind = Behind(run=a_run("waiting"), decided=answer)
    with pytest.raises(kind) as refused:
        await runs(behind).decide(REF, "1.0", APPROVE, None)
    assert ("resolution" in refused.value.extra) == (kind is AlreadyDecided)
    assert "approve by ana" in str(refused.value) or kind is not AlreadyDecided


async def test_decisions_that_nobody_takes() -> None:
    """A run that was killed takes no decision, and no run takes one that is too large."""
    behind = Behind(outcome_=Broken(killed=True, reason="killed"))
    with pytest.raises(RunEnded):
        await runs(behind).decide(REF, "1.0", APPROVE, None)
    with pytest.raises(BodyTooLarge):
        await runs(behind).decide(REF, "1.0", Decision(action="reject", reason="x" * 300_000), None)
    assert behind.calls == []


# Messages.


async def test_a_message_is_heard() -> None:
    """Whoever says something learns what the message is called."""
    behind = Behind(run=a_run("running"), steered=SteerAnswer(outcome="accepted", message_id="m-1"))
    assert (await runs(behind).steer(REF, SAY, "key")).message_id == "m-1"
    assert behind.calls == [("steer", "key")]


async def test_a_message_is_handed_over() -> None:
    """Without a worker it has no id; repeated by its key it is the same call, else another."""
    behind = Behind(run=a_run("running"))
    for key, say in ((None, SAY), (None, SAY), ("key", SAY), ("key", SAY), ("key", WAIT)):
        assert (await runs(behind).steer(REF, say, key)).message_id is None
    assert len(behind.same) == 4


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (SteerAnswer(outcome="ended"), RunEnded),
        (SteerAnswer(outcome="different", message_id="m-1"), IdempotencyConflict),
    ],
    ids=["ended", "different"],
)
async def test_a_message_is_refused(answer: SteerAnswer, kind: type[Problem]) -> None:
    """A run that has ended reads no more, and a key is for one message."""
    with pytest.raises(kind):
        await runs(Behind(run=a_run("running"), steered=answer)).steer(REF, SAY, "key")


@pytest.mark.parametrize(
    ("outcome", "key", "asked"),
    [
        (Ended(a_run("completed")), None, False),
        (Ended(a_run("completed")), "key", True),
        (Broken(killed=True, reason="killed"), "key", False),
    ],
    ids=["ended", "ended-repeated", "killed"],
)
async def test_a_message_after_the_end(outcome: Outcome, key: str | None, asked: bool) -> None:
    """Only a repeated message may have been heard before the end; a killed run can't say."""
    behind = Behind(outcome_=outcome, steered=SteerAnswer(outcome="ended"))
    with pytest.raises(RunEnded):
        await runs(behind).steer(REF, SAY, key)
    assert bool(behind.calls) == asked


# Cancelling and resuming.


@pytest.mark.parametrize(
    ("status", "worker_is_there", "calls"),
    [
        ("queued", True, ["cancel"]),
        ("queued", False, ["cancel", "cancel_at_once"]),
        ("running", True, ["cancel"]),
        ("running", False, ["cancel", "cancel_at_once"]),
        ("paused", True, ["cancel", "cancel_at_once"]),
        ("paused", False, ["cancel", "cancel_at_once"]),
        ("cancelled", True, []),
    ],
)
async def test_cancel(status: RunStatus, worker_is_there: bool, calls: list[str]) -> None:
    """A run is cancelled wherever it is: by the worker, or else by Restate before all else."""
    behind = Behind(run=a_run(status), worker_is_there=worker_is_there)
    assert await runs(behind).cancel(REF) == behind.run
    assert behind.calls == calls


async def test_cancel_with_neither_worker_nor_admin_api() -> None:
    """The cancellation stands, and is carried out by the next worker."""
    behind = Behind(run=a_run("paused"), worker_is_there=False, admin_is_there=False)
    assert await runs(behind).cancel(REF) == behind.run


async def test_cancel_after_the_end() -> None:
    """A run that ended otherwise is not cancelled any more, and it is said how it ended."""
    with pytest.raises(RunEnded, match="completed"):
        await runs(Behind(run=a_run("completed"))).cancel(REF)


async def test_resume() -> None:
    """A paused run tries again."""
    row = EngineRow(status="paused", created_at=AT)
    behind = Behind(run=a_run("running"), row=row)
    assert await runs(behind).resume(REF) == behind.run
    assert behind.calls == ["resume"]


@pytest.mark.parametrize(
    ("status", "row"),
    [
        ("running", EngineRow(status="running", created_at=AT)),
        ("queued", None),
        ("completed", EngineRow(status="paused", created_at=AT)),
    ],
)
async def test_resume_of_what_is_not_paused(status: RunStatus, row: EngineRow | None) -> None:
    """Anything else is refused, with what it is."""
    behind = Behind(run=a_run(status), row=row)
    with pytest.raises(RunNotPaused, match=status):
        await runs(behind).resume(REF)
    assert behind.calls == []


# Threads.


@pytest.mark.parametrize(
    ("queued", "outcome", "expected"),
    [
        ([], Pending(), ("busy", REF.run_id)),
        ([], Broken(killed=True, reason="killed"), ("idle", None)),
        (["r2"], Broken(killed=True, reason="killed"), ("busy", None)),
    ],
    ids=["held", "dead", "dead-with-a-line"],
)
async def test_a_thread(queued: list[str], outcome: Outcome, expected: tuple[Any, ...]) -> None:
    """A run that was killed holds nothing, whatever its thread believes; and that is told."""
    behind = Behind(held_by=REF.run_id, queued=queued, outcome_=outcome)
    thread = await threads(behind).read(THREAD)
    assert (thread.status, thread.run_id) == expected
    assert thread.queued == queued
    assert behind.calls == (["check_holder"] if isinstance(outcome, Broken) else [])


async def test_history() -> None:
    """A page says where the next one begins, as long as there is more."""
    said = Message(id="m", role="user", content="Hi.", run_id=REF.run_id, created_at=AT)
    behind = Behind(history=HistoryAnswer(items=[said, said], message_count=5))
    first = await threads(behind).read_history(THREAD, after=0, limit=2)
    assert (first.items, first.next_cursor) == ([said, said], "2")
    assert (await threads(behind).read_history(THREAD, after=3, limit=2)).next_cursor is None


@pytest.mark.parametrize(
    ("outcome", "dead"),
    [(Pending(), None), (Broken(killed=True, reason="killed"), REF.run_id)],
    ids=["alive", "dead"],
)
async def test_delete(outcome: Outcome, dead: str | None) -> None:
    """The thread is told which holder is dead, so that nobody waits for it to release."""
    behind = Behind(held_by=REF.run_id, outcome_=outcome, deleted=DeleteAnswer(outcome="deleted"))
    await threads(behind).delete(THREAD)
    assert behind.calls == [("delete", dead)]


async def test_delete_of_a_thread_in_use() -> None:
    """A run that holds the thread is named."""
    answer = DeleteAnswer(outcome="busy", run_id=REF.run_id)
    with pytest.raises(ThreadBusy, match=REF.run_id):
        await threads(Behind(held_by=REF.run_id, deleted=answer)).delete(THREAD)


@pytest.mark.parametrize(
    ("outcome", "problem"),
    [
        ("busy", ThreadBusy),
        ("unknown", UnknownThread),
        ("unknown_message", InvalidRequest),
        ("open_calls", InvalidRequest),
    ],
)
async def test_taking_back_what_can_not_be(outcome: Any, problem: type[Exception]) -> None:
    """Each reason why nothing was taken back is told."""
    with pytest.raises(problem):
        await threads(Behind(taken_back=TakeBackAnswer(outcome=outcome))).take_back(THREAD, "m")


async def test_taking_back() -> None:
    """The message that stays last is named."""
    behind = Behind(taken_back=TakeBackAnswer(outcome="taken_back"))
    await threads(behind).take_back(THREAD, "m")
    assert behind.calls == [("take_back", "m")]


async def test_a_thread_that_is_not_there() -> None:
    """Whatever is asked of it, it is unknown."""
    behind = Behind(
        history=HistoryAnswer(items=None, message_count=0), deleted=DeleteAnswer(outcome="unknown")
    )
    for asking in (
        threads(behind).read(THREAD),
        threads(behind).read_history(THREAD, after=0, limit=20),
        threads(behind).delete(THREAD),
    ):
        with pytest.raises(UnknownThread, match="made by the first run"):
            await asking

"""What becomes of a decision, a message, a cancellation, whatever interface it came by."""

import re
from typing import Any

import pytest

from outlast.contract import DecideAnswer, FieldFault, SteerAnswer
from outlast.errors import (
    AlreadyDecided,
    BodyTooLarge,
    IdempotencyConflict,
    InvalidRequest,
    Problem,
    RunEnded,
    RunNotPaused,
    UnknownApproval,
)
from outlast.protocol import Approval, Decider, Decision, Resolution, RunStatus
from outlast_app.restate.outcomes import Broken, Ended, Outcome
from outlast_app.restate.rows import EngineRow
from unit.app.runs.acting import APPROVE, APPROVED, AT, REF, SAY, WAIT, Behind, a_run, runs

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

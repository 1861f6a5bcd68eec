"""Tool calls that a person must approve, in the loop."""

from datetime import timedelta
from typing import Any

import pytest

from fakes.orders import on_thread, order
from fakes.records import after, answer, decided, pin, result, steering
from fakes.steps import FakeSteps
from outlast.events import (
    ApprovalRequested,
    ApprovalResolved,
    RunWaiting,
    ToolCallCompleted,
    ToolCallStarted,
)
from outlast.protocol import Approval, Limits, Run, Waiting
from outlast_worker.engine.approvals import ask_between_turns
from outlast_worker.engine.exceptions import Cancelled, StepFailed
from outlast_worker.engine.inbox import Inbox
from outlast_worker.engine.run_state import RunState
from unit.worker.engine.playing import play

ONE_CALL = answer("", ("refund", '{"cents": 100}'))
PINNED = pin("?refund", "find")


def script(**fields: Any) -> FakeSteps:
    fields = {"model": [ONE_CALL, answer("Done.")], "pinned": PINNED, **fields}
    return FakeSteps(**fields)


def tool_text(run: Run) -> str:
    return next(str(m.content) for m in run.messages or [] if m.role == "tool")


async def test_approved() -> None:
    """An approved call runs with the model's arguments; who decided is in event, run, message."""
    resolution = decided("1.0", by="ann", reason="small")
    steps = script(decisions={"1.0": resolution}, tools={"1.0": result("paid", at_s=11)})
    run = await play(steps)
    assert run.output == "Done."
    assert [call.arguments for call in steps.planned] == [{"cents": 100}]
    kinds = [e.type for e in steps.events if "call" in e.type or "approval" in e.type]
    assert kinds == [
        "approval.requested",
        "approval.resolved",
        "tool_call.started",
        "tool_call.completed",
    ]
    resolved = next(e for e in steps.events if isinstance(e, ApprovalResolved))
    assert (resolved.by, resolved.at, resolved.action) == ("ann", after(10), "approve")
    assert [approval.resolution for approval in run.approvals] == [resolution]
    message = next(m for m in run.messages or [] if m.role == "tool")
    assert message.approval == resolution


async def test_shown_before_it_is_told() -> None:
    """Whoever hears of a request can decide at once: the run's state shows it first."""
    steps = script(decisions={"1.0": decided("1.0")}, tools={"1.0": result("paid")})
    await play(steps)
    assert steps.log.index("keep_approval 1.0") < steps.log.index("approval.requested")
    assert steps.log.index("keep_resolution 1.0") < steps.log.index("approval.resolved")


async def test_waits_as_waiting() -> None:
    """While only people are waited for, the run says so; then it runs again."""
    steps = script(decisions={"1.0": decided("1.0")}, tools={"1.0": result("paid")})
    await play(steps)
    shown = [(run.status, run.waiting_for) for run in steps.keep.runs]
    waiting = shown.index(("waiting", "approval"))
    assert ("running", None) in shown[waiting:]


async def test_those_who_wait_are_told() -> None:
    """Whoever waits for a run hears of each wait for people; its thread hears of it once."""
    two = answer("", ("refund", '{"cents": 1}'), ("refund", '{"cents": 2}'))
    rejected = {"1.0": decided("1.0", "reject"), "1.1": decided("1.1", "reject")}
    steps = script(model=[two, answer("No.")], decisions=rejected)
    await play(steps, on_thread())
    told = [name for name in steps.log if name.startswith(("settle", "hold_up", "release"))]
    assert told == [
        "settle 1",
        "hold_up_thread True",
        "settle 2",
        "hold_up_thread False",
        "release_thread",
        "settle 3 ended",
    ]
    assert steps.log.index("save waiting") < steps.log.index("settle 1")


async def test_each_wait_is_told() -> None:
    """A run that worked in between waits anew."""
    two = answer("", ("refund", '{"cents": 1}'), ("refund", '{"cents": 2}'))
    steps = script(
        model=[two, answer("Done.")],
        decisions={"1.0": decided("1.0"), "1.1": decided("1.1", "reject", at_s=20)},
        tools={"1.0": result("paid", at_s=11)},
    )
    await play(steps)
    assert [name for name in steps.log if name.startswith(("settle", "hold_up"))] == [
        "settle 1",
        "settle 2",
        "settle 3 ended",
    ]


async def test_what_is_waited_for_is_committed() -> None:
    """An event says for what the run waits whenever that has changed, before anybody is told."""
    calls = [("refund", '{"cents": 1}'), ("refund", '{"cents": 2}'), ("find", "{}")]
    steps = script(
        model=[answer("", *calls), answer("Done.")],
        tools={"1.2": result("found", at_s=4)},
        decisions={"1.0": decided("1.0", "reject"), "1.1": decided("1.1", "reject", at_s=20)},
    )
    run = await play(steps)
    waited = [event for event in steps.events if isinstance(event, RunWaiting)]
    assert [(event.segment, [item.id for item in event.approvals]) for event in waited] == [
        (1, ["1.0", "1.1"]),
        (2, ["1.1"]),
    ]
    assert {(event.waiting_for, *event.calls) for event in waited} == {("approval",)}
    assert waited[0].approvals[0].run_id == run.run_id
    assert steps.log.index("tool 1.2") < steps.log.index("run.waiting")
    assert steps.log.index("run.waiting") < steps.log.index("settle 1")
    shown = next(saved for saved in steps.keep.runs if saved.waiting)
    assert shown.waiting == Waiting(
        kind="approval",
        since=after(4),
        until=after(63),
        call_ids=["1.0", "1.1"],
        text="Waits for approval of refund.",
    )
    assert (run.segment, run.waiting, run.waiting_for) == (3, None, None)


async def test_asked_between_turns() -> None:
    """What is not about a call (a limit) is asked and shown as other approvals are."""
    steps = FakeSteps(decisions={"limit1": decided("limit1", "raise", limits=Limits(max_turns=9))})
    state, inbox = RunState(steps, order()), Inbox(steps)
    approval = Approval(
        call_id="limit1", name="max_turns", arguments={}, reason="limit", requested_at=after(3)
    )
    resolution = await ask_between_turns(steps, state, inbox, approval, None)
    assert resolution.limits == Limits(max_turns=9)
    [waiting] = [saved.waiting for saved in steps.keep.runs if saved.waiting]
    assert (waiting.call_ids, waiting.text) == (
        None,
        "Waits for a decision on the limit max_turns.",
    )
    shown = [event.model_dump(mode="json") for event in steps.events]
    assert [(each["type"], each.get("call_id"), each.get("approval_id")) for each in shown] == [
        ("approval.requested", None, "limit1"),
        ("run.waiting", None, None),
        ("approval.resolved", None, "limit1"),
    ]
    assert state.run.status == "running"


async def test_cancelled_between_turns() -> None:
    """A cancellation withdraws the question, as a decision to stop."""
    steps = FakeSteps(
        decisions={"limit1": decided("limit1", "raise")}, raising={"decision limit1": Cancelled()}
    )
    state, inbox = RunState(steps, order()), Inbox(steps)
    approval = Approval(
        call_id="limit1", name="max_turns", arguments={}, reason="limit", requested_at=after(3)
    )
    with pytest.raises(Cancelled):
        await ask_between_turns(steps, state, inbox, approval, None)
    [asked] = state.run.approvals
    assert asked.resolution
    assert asked.resolution.action == "stop"


async def test_edited_arguments() -> None:
    """A call that is approved with other arguments runs with those, and says so."""
    resolution = decided("1.0", arguments={"cents": 50})
    steps = script(decisions={"1.0": resolution}, tools={"1.0": result("paid")})
    await play(steps)
    assert [call.arguments for call in steps.planned] == [{"cents": 50}]
    started = next(e for e in steps.events if isinstance(e, ToolCallStarted))
    assert started.arguments == {"cents": 50}
    told = [m for m in steps.calls[1].messages if m.role == "tool"]
    assert told[0].approval == resolution


@pytest.mark.parametrize(
    ("reason", "text"), [("too much", "rejected by a person and not run: too much"), (None, "run.")]
)
async def test_rejected(reason: str | None, text: str) -> None:
    """A rejected call does not run; the model reads the reason and goes on."""
    steps = script(decisions={"1.0": decided("1.0", "reject", reason=reason)})
    run = await play(steps)
    assert run.status == "completed"
    assert steps.planned == []
    assert text in tool_text(run)
    completed = next(e for e in steps.events if isinstance(e, ToolCallCompleted))
    assert completed.is_error
    assert run.usage.tool_calls == 0


async def test_expired() -> None:
    """Without a decision in time the call does not run."""
    steps = script()
    run = await play(steps)
    assert steps.sleeps == [60, 6]
    assert steps.planned == []
    assert "in time" in tool_text(run)
    requested = next(e for e in steps.events if isinstance(e, ApprovalRequested))
    resolved = next(e for e in steps.events if isinstance(e, ApprovalResolved))
    assert requested.expires_at == resolved.at == after(3) + timedelta(minutes=1)
    assert resolved.action == "expired"


async def test_decided_while_it_expires() -> None:
    """A decision that is there when the time is over is the one that counts."""
    steps = script(late={"1.0": decided("1.0")}, tools={"1.0": result("paid")})
    run = await play(steps)
    assert tool_text(run) == "paid"


async def test_not_needed_after_all() -> None:
    """A call for which the tool's condition says no runs at once."""
    steps = script(unasked=["1.0"], tools={"1.0": result("paid")})
    run = await play(steps)
    assert run.approvals == []
    assert tool_text(run) == "paid"


async def test_others_run_meanwhile() -> None:
    """Calls that need no approval run while others wait; decisions come in any order."""
    calls = [("refund", '{"cents": 1}'), ("find", "{}"), ("refund", '{"cents": 2}')]
    steps = script(
        model=[answer("", *calls), answer("Done.")],
        decisions={"1.2": decided("1.2"), "1.0": decided("1.0", "reject", at_s=12)},
        tools={"1.1": result("found"), "1.2": result("paid", at_s=11)},
    )
    run = await play(steps)
    texts = [str(m.content) for m in run.messages or [] if m.role == "tool"]
    assert texts[0].startswith("This call of refund was rejected")
    assert texts[1:] == ["found", "paid"]
    found = steps.log.index("tool 1.1")
    assert found < steps.log.index("decision 1.2") < steps.log.index("decision 1.0")


@pytest.mark.parametrize("late", [False, True])
async def test_cancelled_while_it_waits(late: bool) -> None:
    """A cancelled run withdraws its request; a decision that came first is kept."""
    steps = script(
        decisions={"1.0": decided("1.0")},
        late={"1.0": decided("1.0", by="ann")} if late else {},
        raising={"decision 1.0": Cancelled()},
    )
    run = await play(steps)
    assert run.status == "cancelled"
    resolution = run.approvals[0].resolution
    assert resolution
    assert resolution.action == ("approve" if late else "reject")
    assert steps.planned == []
    assert tool_text(run) == "The run was cancelled before this call was run."
    assert steps.events[-1].type == "run.cancelled"


async def test_cancelled_twice_while_it_waits() -> None:
    """A second cancellation leaves no request open."""
    steps = script(
        decisions={"1.0": decided("1.0")},
        raising={"decision 1.0": Cancelled(), "close_decision 1.0": Cancelled()},
    )
    run = await play(steps)
    assert run.status == "cancelled"
    assert run.approvals[0].resolution


async def test_steered_while_it_waits() -> None:
    """What is said while the run waits for a person is heard before the next model call."""
    steps = script(
        decisions={"1.0": decided("1.0")},
        tools={"1.0": result("paid")},
        said={"decision 1.0": [steering("and hurry")]},
    )
    run = await play(steps, order())
    roles = [(m.role, m.content) for m in run.messages or []]
    assert roles[-3:] == [("tool", "paid"), ("user", "and hurry"), ("assistant", "Done.")]


async def test_a_step_that_is_refused_meanwhile() -> None:
    """What waits beside it is withdrawn, so that nobody decides for a run that has ended."""
    calls = answer("", ("refund", '{"cents": 100}'), ("find", "{}"))
    steps = script(
        model=[calls],
        tools={"1.1": result("found")},
        raising={"tool 1.1": StepFailed("too large", 500)},
    )
    run = await play(steps)
    assert (run.status, run.error and run.error.message) == ("failed", "too large")
    assert [approval.resolution and approval.resolution.action for approval in run.approvals] == [
        "reject"
    ]

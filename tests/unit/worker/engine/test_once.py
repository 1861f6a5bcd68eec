"""Calls of `once` tools, in the loop: claimed, run, in doubt, decided."""

from typing import Any

import pytest

from fakes.orders import on_thread
from fakes.records import after, answer, decided, once, pin, result
from fakes.steps import FakeSteps
from outlast.events import RunWaiting, ToolCallCompleted, ToolCallStarted
from outlast.protocol import Run
from outlast_worker.engine.exceptions import Cancelled
from outlast_worker.engine.records import EffectOutcome, EffectVerdict
from unit.worker.engine.playing import play

PAID = EffectOutcome(outcome="done", at=after(4), record=result("paid", at_s=4))
DOUBT = EffectOutcome(outcome="in_doubt", at=after(4))
NOT_BEGUN = EffectOutcome(outcome="not_begun", at=after(4))
OVER = after(3 + 10 + 5)
"""Claim, timeout and grace."""


def script(*outcomes: EffectOutcome, verifies: bool = False, **fields: Any) -> FakeSteps:
    pinned = pin().model_copy(update={"tools": [once("pay", verifies=verifies)]})
    model = [answer("", ("pay", '{"cents": 5}')), answer("Done.")]
    return FakeSteps(model=model, pinned=pinned, effects={"1.0": outcomes}, **fields)


def told(run: Run) -> str:
    return next(str(m.content) for m in run.messages or [] if m.role == "tool")


def steps_of(steps: FakeSteps) -> list[str]:
    kinds = ("claim", "once", "verify", "sleep", "decision")
    return [name.split()[0] for name in steps.log if name.startswith(kinds)]


async def test_claimed_then_run() -> None:
    """A call is claimed in a step of its own before it runs in another."""
    steps = script(PAID)
    run = await play(steps)
    assert steps_of(steps) == ["claim", "once"]
    assert (told(run), run.usage.tool_calls) == ("paid", 1)


async def test_not_begun() -> None:
    """What is certain not to have begun is claimed anew, a few times, and then not run."""
    run = await play(steps := script(NOT_BEGUN, PAID))
    assert steps_of(steps) == ["claim", "once", "claim", "once"]
    assert told(run) == "paid"
    run = await play(steps := script(NOT_BEGUN, NOT_BEGUN, NOT_BEGUN))
    assert steps_of(steps) == ["claim", "once"] * 3
    assert (told(run), run.usage.tool_calls) == (
        "This call of pay could not be begun, so it was not run.",
        0,
    )


@pytest.mark.parametrize(
    ("decision", "said", "is_error"),
    [
        ({"action": "give_up", "reason": "ask the bank"}, "A person says: ask the bank", True),
        ({"action": "complete", "output": "paid by hand"}, "paid by hand", False),
        ({"action": "complete", "output": {"id": 7}}, '{"id":7}', False),
        ({"action": "expired"}, "Nobody knows whether this call of pay ran", True),
    ],
)
async def test_a_person_decides(decision: Any, said: str, is_error: bool) -> None:
    """What is in doubt waits for a person; what they know is what the model reads."""
    steps = script(
        DOUBT, decisions={"1.0.doubt1": decided("1.0", approval_id="1.0.doubt1", **decision)}
    )
    run = await play(steps)
    assert steps_of(steps) == ["claim", "once", "decision"]
    assert said in told(run)
    [completed] = [e for e in steps.events if isinstance(e, ToolCallCompleted)]
    assert (completed.is_error, completed.error_type) == (
        is_error,
        "in_doubt" if is_error else None,
    )
    [approval] = run.approvals
    assert (approval.reason, approval.call_id, approval.id) == ("in_doubt", "1.0", "1.0.doubt1")
    assert approval.question == (
        "Did this call of pay happen? Nobody knows: the worker that ran it is gone."
    )
    [waiting] = [event for event in steps.events if isinstance(event, RunWaiting)]
    assert [item.id for item in waiting.approvals] == ["1.0.doubt1"]


@pytest.mark.parametrize(("decided_at_s", "waits"), [(8, [10]), (30, [])])
async def test_a_retry_waits_for_the_end(decided_at_s: float, waits: list[float]) -> None:
    """A call runs again only when its first execution can't happen any more; it starts once."""
    retry = decided("1.0", "retry", approval_id="1.0.doubt1", at_s=decided_at_s)
    later = EffectOutcome(outcome="done", at=after(40), record=result("paid", at_s=40))
    run = await play(steps := script(DOUBT, later, decisions={"1.0.doubt1": retry}))
    assert steps.sleeps == waits
    assert [kind for kind in steps_of(steps) if kind in ("claim", "once")] == ["claim", "once"] * 2
    assert told(run) == "paid"
    assert len([e for e in steps.events if isinstance(e, ToolCallStarted)]) == 1


async def test_each_doubt_is_asked_anew() -> None:
    """The answer to one doubt is none to the next one of the same call."""
    decisions = {
        "1.0.doubt1": decided("1.0", "retry", approval_id="1.0.doubt1", at_s=30),
        "1.0.doubt2": decided("1.0", "give_up", approval_id="1.0.doubt2", at_s=60),
    }
    run = await play(script(DOUBT, DOUBT, decisions=decisions))
    assert [approval.id for approval in run.approvals] == ["1.0.doubt1", "1.0.doubt2"]


@pytest.mark.parametrize(
    ("verdict", "kinds", "said"),
    [
        (
            EffectVerdict(outcome="done", at=OVER, record=result("found it", at_s=18)),
            ["claim", "once", "sleep", "verify"],
            "found it",
        ),
        (
            EffectVerdict(outcome="not_done", at=OVER),
            ["claim", "once", "sleep", "verify", "claim", "once"],
            "paid",
        ),
        (
            EffectVerdict(outcome="unknown", at=OVER),
            ["claim", "once", "sleep", "verify", "decision"],
            "Nobody knows",
        ),
    ],
)
async def test_verify(verdict: EffectVerdict, kinds: list[str], said: str) -> None:
    """`verify` is asked once the call can't happen any more; what it can't tell, a person is."""
    gave_up = decided("1.0", "give_up", approval_id="1.0.doubt1", at_s=60)
    steps = script(
        DOUBT, PAID, verifies=True, verdicts={"1.0": verdict}, decisions={"1.0.doubt1": gave_up}
    )
    run = await play(steps)
    assert steps_of(steps) == kinds
    assert steps.sleeps == [14]
    assert said in told(run)
    waited = next(saved.waiting for saved in steps.keep.runs if saved.waiting)
    assert (waited.kind, waited.until) == ("timer", OVER)


async def test_a_thread_is_held_up_by_people_alone() -> None:
    """Whoever stands in line is told of a wait for a person, and not of one for a time."""
    unknown = EffectVerdict(outcome="unknown", at=OVER)
    gave_up = decided("1.0", "give_up", approval_id="1.0.doubt1", at_s=60)
    steps = script(
        DOUBT, verifies=True, verdicts={"1.0": unknown}, decisions={"1.0.doubt1": gave_up}
    )
    await play(steps, on_thread())
    told = [name for name in steps.log if name.startswith(("verify", "hold_up", "settle"))]
    assert told == [
        "verify 1.0",
        "settle 1",
        "hold_up_thread True",
        "hold_up_thread False",
        "settle 2 ended",
    ]


@pytest.mark.parametrize("late", ["retry", "complete"])
async def test_cancelled_in_doubt(late: str) -> None:
    """A cancelled run keeps that nobody knows, unless a person did; nothing runs again."""
    decision = decided("1.0", late, approval_id="1.0.doubt1", output="by hand")  # type: ignore[arg-type]
    steps = script(
        DOUBT,
        decisions={"1.0.doubt1": decision},
        late={"1.0.doubt1": decision},
        raising={"decision 1.0.doubt1": Cancelled()},
    )
    run = await play(steps)
    assert run.status == "cancelled"
    assert len(steps.planned) == 1
    assert told(run).startswith("by hand" if late == "complete" else "Nobody knows")


async def test_cancelled_while_it_runs() -> None:
    """The conversation says that nobody knows whether a call ran that a cancellation broke off."""
    run = await play(script(PAID, raising={"once 1.0": Cancelled()}))
    assert "nobody knows whether it ran" in told(run)

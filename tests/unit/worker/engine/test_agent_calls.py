"""Calls of agents, in the loop: what the child gets, and what comes of each of its ends."""

from typing import cast

import pytest

from fakes.orders import RUN_ID, on_thread, order
from fakes.records import after, answer, called_agent, decided, pin, result
from outlast.events import ApprovalRequested, ChildStarted, ToolCallCompleted
from outlast.protocol import Limits, ParentCall, RunError, Usage
from outlast_worker.engine.calls.agent import share_out
from outlast_worker.engine.exceptions import Cancelled
from outlast_worker.engine.records import ChildInput, HookRecord, Pin, PinnedHook
from outlast_worker.engine.steps import ChildEnd
from unit.worker.engine.calling import CHILD, ended, script, told
from unit.worker.engine.playing import assert_valid_for_a_model, play


async def test_what_a_child_gets() -> None:
    """An id that follows from the call, and tenant, context and metadata of the calling run."""
    steps = script(ended(output="Because."))
    run = await play(steps, order(tenant="acme", context={"plan": "pro"}, stream=True))
    assert told(run) == ["Because."]
    [child] = steps.child_orders
    assert (child.run_id, child.agent, child.tenant) == (CHILD, "researcher", "acme")
    assert child.parent == ParentCall(run_id=RUN_ID, call_id="1.0")
    assert [message.content for message in child.input] == ["asked in 1.0"]
    assert (child.context, child.metadata) == ({"plan": "pro"}, {"ticket": "7"})
    assert (child.stream, child.limits, child.above) == (True, Limits(), [RUN_ID])
    assert (child.thread_id, child.admission, child.created_at) == (None, "none", after(3))


async def test_context_kept_from_a_child() -> None:
    """An agent that is to know nothing of the caller gets no context."""
    steps = script(ended(output="."), context=False)
    await play(steps, order(context={"secret": "x"}))
    assert steps.child_orders[0].context == {}


async def test_threads_of_children() -> None:
    """A conversation of its own is beside the run's thread, or beside the run; never the same."""
    beside_thread = [script(ended(output="."), own=True) for _ in range(2)]
    await play(beside_thread[0], on_thread())
    await play(beside_thread[1], on_thread(run_id="support.bbbbbbbbbbbbbbbbbbbbbbbbbb"))
    first, second = (steps.child_orders[0] for steps in beside_thread)
    assert first.thread_id == second.thread_id != "t-1"
    assert first.admission == "join"
    alone = script(ended(output="."), own=True)
    await play(alone, order())
    assert alone.child_orders[0].thread_id not in (None, first.thread_id)


async def test_events_of_a_child() -> None:
    """Who hears of a child finds it: it is called before it is told."""
    steps = script(ended(output="Because."))
    await play(steps)
    shown = [name for name in steps.log if name.startswith(("tool_call", "call_agent", "child"))]
    assert shown == [
        "tool_call.started",
        "call_agent 1.0",
        "child.started",
        "child 1.0",
        "tool_call.completed",
    ]
    [started] = [event for event in steps.events if isinstance(event, ChildStarted)]
    assert (started.call_id, started.child_run_id, started.agent) == ("1.0", CHILD, "researcher")
    [done] = [event for event in steps.events if isinstance(event, ToolCallCompleted)]
    assert (done.started_at, done.duration_ms, done.error_type) == (after(3), 6000, None)


async def test_usage_is_rolled_up() -> None:
    """What children used is used by the run, beside the calls of them."""
    run = await play(script(ended(output="a"), ended(output="b")))
    assert run.usage == Usage(
        input_tokens=20, output_tokens=10, model_calls=6, tool_calls=8, cost_usd=1.0
    )


@pytest.mark.parametrize(
    ("end", "says"),
    [
        (
            ended("incomplete", incomplete_reason="max_turns", output="So far."),
            "The agent researcher stopped before its end: max_turns. It had said: So far.",
        ),
        (
            ended("failed", error=RunError(type="model-auth", message="No key.", retryable=False)),
            "The agent researcher failed: model-auth: No key.",
        ),
        (ended("cancelled"), "The agent researcher was cancelled."),
        (
            ChildEnd(None, was_killed=True),
            "The agent researcher was killed in Restate before it had answered.",
        ),
    ],
)
async def test_a_child_without_an_answer(end: ChildEnd, says: str) -> None:
    """It is an error that says why, for the model, and the run goes on."""
    steps = script(end)
    run = await play(steps)
    assert (run.status, told(run)) == ("completed", [says])
    [done] = [event for event in steps.events if isinstance(event, ToolCallCompleted)]
    assert (done.is_error, done.error_type) == (True, "child")


async def test_a_killed_child_is_counted() -> None:
    """What it had used is used."""
    killed = ended("running").run
    run = await play(script(ChildEnd(killed, was_killed=True)))
    assert run.usage.input_tokens == 10


async def test_structured_output() -> None:
    """An answer that is no text is read as JSON."""
    assert told(await play(script(ended(output={"cities": ["Ulm"]})))) == ['{"cities":["Ulm"]}']


async def test_several_beside_tools() -> None:
    """Children and tools go on side by side; results are in the order of the calls."""
    calls = [("researcher", "{}"), ("note", "{}"), ("researcher", "{}")]
    steps = script(
        model=[answer("", *calls), answer("Done.")],
        tools={"1.1": result("noted")},
        children={"1.2": ended(output="second"), "1.0": ended(output="first")},
    )
    run = await play(steps)
    assert told(run) == ["first", "noted", "second"]
    assert len({child.run_id for child in steps.child_orders}) == 2


async def test_unreadable_input() -> None:
    """Arguments that do not fit start no run; the model is told."""
    fault = ChildInput(at=after(3), fault="Not so.", error_type="invalid_arguments")
    steps = script(asked={"1.0": fault})
    assert told(await play(steps)) == ["Not so."]
    assert steps.child_orders == []


async def test_depth() -> None:
    """Run number eight below the first one calls nobody, and says so to its model."""
    steps = script(ended(output="."))
    await play(steps, order(above=[f"a.{index}" for index in range(7)]))
    assert steps.child_orders[0].above == [*(f"a.{index}" for index in range(7)), RUN_ID]
    steps = script(ended(output="."))
    run = await play(steps, order(above=[f"a.{index}" for index in range(8)]))
    assert steps.child_orders == []
    assert "up to 8 deep" in told(run)[0]


async def test_how_many_may_be_open() -> None:
    """In all 64 below the first run, each call with an equal share; others are errors."""
    steps = script(*(ended(output=".") for _ in range(66)))
    run = await play(steps)
    assert [child.may_open for child in steps.child_orders] == [0] * 64
    assert told(run)[:64] == ["."] * 64
    assert all(text.startswith("This run may have 64 agents at work") for text in told(run)[64:])
    ends = [event for event in steps.events if isinstance(event, ToolCallCompleted)]
    assert [event.error_type for event in ends] == ["limit"] * 2 + [None] * 64
    steps = script(ended(output="."), ended(output="."), ended(output="."))
    await play(steps, order(above=["a.b"], may_open=9))
    assert [child.may_open for child in steps.child_orders] == [2, 2, 2]
    steps = script(ended(output="."))
    run = await play(steps, order(above=["a.b"], may_open=0))
    assert steps.child_orders == []
    assert "may have 0 agents at work" in told(run)[0]


@pytest.mark.parametrize("most", [1, 2, 7, 63, 64])
@pytest.mark.parametrize("count", [1, 2, 5, 63, 64, 65, 200])
def test_shares(most: int, count: int) -> None:
    """However many call and whatever they call in their turn, no more than so many are open."""
    shares = share_out(most, [f"1.{index}" for index in range(count)])
    assert len(shares) == min(most, count)
    assert len(shares) + sum(shares.values()) == most
    assert max(shares.values()) - min(shares.values()) <= 1


async def test_a_person_is_asked() -> None:
    """What a child is to be asked is shown with the agent; what a person changes is asked."""
    tool = called_agent("researcher").model_copy(update={"may_need_approval": True})
    pinned = pin().model_copy(update={"tools": [tool]})
    steps = script(ended(output="Because."), pinned=pinned, decisions={"1.0": decided("1.0")})
    assert told(await play(steps)) == ["Because."]
    [asked] = [event for event in steps.events if isinstance(event, ApprovalRequested)]
    assert (asked.name, asked.arguments) == ("researcher", {"input": "Why?"})
    assert asked.question == "May the agent researcher be asked this?"
    assert steps.log.index("decision 1.0") < steps.log.index("call_agent 1.0")
    refusal = decided("1.0", "reject", reason="Not now.")
    steps = script(ended(), pinned=pinned, decisions={"1.0": refusal})
    assert "rejected by a person" in told(await play(steps))[0]
    assert steps.child_orders == []


async def test_a_cancelled_run_awaits_its_children() -> None:
    """They have ended when it ends, with what they said and used; a second cancel cuts nothing."""
    stopped = ended("cancelled", output="Half.")
    steps = script(stopped, ended(output="Whole."), raising={"child 1.0": Cancelled()})
    run = await play(steps)
    assert run.status == "cancelled"
    assert told(run) == ["The agent researcher was cancelled. It had said: Half.", "Whole."]
    assert run.usage.input_tokens == 20
    assert_valid_for_a_model(run)


async def test_a_cancelled_run_does_not_wait_for_ever() -> None:
    """A child that nobody executes holds a cancelled run up for ten seconds at most."""
    steps = script(
        model=[answer("", ("researcher", "{}"), ("note", "{}"))],
        tools={"1.1": result("never")},
        raising={"tool 1.1": Cancelled()},
    )
    run = await play(steps)
    assert (run.status, steps.sleeps) == ("cancelled", [10])
    assert "before this agent had answered" in told(run)[0]
    assert_valid_for_a_model(run)


async def test_a_run_that_fails_cancels_its_children() -> None:
    """Nothing goes on below a run that has ended, whatever it was that ended it."""
    hook = PinnedHook(name="check", point="after_tool")
    steps = script(
        ended("cancelled"),
        model=[answer("", ("researcher", "{}"), ("note", "{}"))],
        tools={"1.1": result("noted")},
        hooks={"check": [HookRecord.failed("broken", after(4))]},
    )
    steps.pinned = cast("Pin", steps.pinned).model_copy(update={"hooks": [hook]})
    run = await play(steps)
    assert run.status == "failed"
    assert "cancel_agent child 1.0" in steps.log
    assert told(run)[0] == "The agent researcher was cancelled."

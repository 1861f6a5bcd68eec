"""A run over scripted steps, from its start to its answer."""

import random

import pytest

from fakes.orders import RUN_ID, on_thread, order
from fakes.records import NOON, after, answer, pin, result
from fakes.steps import FakeSteps
from outlast.contract import RunOrder
from outlast.conversation import whole
from outlast.protocol import InputMessage, RunError, ToolCall, Usage
from outlast_worker.engine.exceptions import Cancelled, StepFailed
from outlast_worker.engine.records import PinFailure
from outlast_worker.models.chat_format import wire_messages
from unit.worker.engine.playing import (
    STEPS,
    TWO_CALLS,
    assert_valid_for_a_model,
    play,
    remembered,
    script_with_tools,
)


async def test_order_of_steps() -> None:
    """A run pins, asks, runs the tools, asks again and ends; events stand where they belong."""
    steps = FakeSteps(
        model=[TWO_CALLS, answer("It was sent.")],
        tools={"1.0": result("{}"), "1.1": result("{}")},
    )
    await play(steps)
    assert steps.log == [
        "pin",
        "keep_definition d",
        "save running",
        "run.started",
        "save running",
        "turn.started",
        "model 1.1",
        "message.completed",
        "save running",
        "tool_call.started",
        "tool_call.started",
        "tool 1.0",
        "tool_call.completed",
        "tool 1.1",
        "tool_call.completed",
        "save running",
        "turn.started",
        "model 2.1",
        "message.completed",
        "close_inbox",
        "run.completed",
        "save completed",
        "settle 1 ended",
    ]


@pytest.mark.parametrize(
    ("ordered", "first"),
    [
        (order(), ["pin"]),
        (order(after_s=5), ["save waiting", "run.queued", "sleep", "pin"]),
        (on_thread(), ["acquire_thread", "pin"]),
        (on_thread(admission="queued"), ["save queued", "run.queued", "acquire_thread", "pin"]),
        (
            on_thread(admission="join", after_s=5),
            ["save waiting", "run.queued", "sleep", "save queued", "acquire_thread", "pin"],
        ),
    ],
    ids=["alone", "delayed", "granted", "queued", "delayed on a thread"],
)
async def test_how_a_run_begins(ordered: RunOrder, first: list[str]) -> None:
    """A run says that it is queued once, if it has to wait, and shows for what."""
    steps = FakeSteps(model=[answer("Hello.")])
    run = await play(steps, ordered)
    assert run.status == "completed"
    assert steps.log[: len(first)] == first
    assert [event.type for event in steps.events].count("run.queued") == first.count("run.queued")
    assert steps.sleeps == ([5.0] if ordered.after_s else [])
    waits = [saved.waiting_for for saved in steps.keep.runs]
    assert waits == ["timer" if name == "save waiting" else None for name in _saves(steps)]


def _saves(steps: FakeSteps) -> list[str]:
    return [name for name in steps.log if name.startswith("save ")]


async def test_a_worker_whose_clock_is_behind() -> None:
    """A run never starts before it was made, nor ends before it started."""
    late = pin().model_copy(update={"at": after(-60)})
    run = await play(FakeSteps(pinned=late, model=[answer("Hello.", at_s=-50)]))
    assert (run.created_at, run.started_at, run.ended_at) == (NOON, NOON, NOON)


async def test_the_run_that_is_returned() -> None:
    """The run has its answer, its messages in order, its times and what the caller sent along."""
    steps = FakeSteps(
        model=[TWO_CALLS, answer("It was sent.", at_s=9)],
        tools={"1.0": result("{}", at_s=4), "1.1": result("Too late.", at_s=3, is_error=True)},
    )
    run = await play(steps)
    assert (run.status, run.output, run.turn, run.error) == ("completed", "It was sent.", 2, None)
    assert (run.created_at, run.started_at, run.ended_at) == (NOON, after(1), after(9))
    assert (run.metadata, run.waiting_for) == ({"ticket": "7"}, None)
    messages = run.messages or []
    assert [(m.role, m.content, m.call_id, m.is_error) for m in messages] == [
        ("user", "Where is my order?", None, None),
        ("assistant", "Let me see.", None, None),
        ("tool", "{}", "1.0", False),
        ("tool", "Too late.", "1.1", True),
        ("assistant", "It was sent.", None, None),
    ]
    assert [m.id for m in messages] == [f"{RUN_ID}:{n}" for n in range(1, 6)]
    assert [m.agent for m in messages if m.role == "assistant"] == ["support", "support"]
    assert {m.run_id for m in messages} == {RUN_ID}
    assert_valid_for_a_model(run)


async def test_all_input_messages_are_kept() -> None:
    """Every message of the input comes before the first answer."""
    said = [
        InputMessage(role="user", content="Hi."),
        InputMessage(role="assistant", content="Hello."),
        InputMessage(role="user", content="Bye."),
    ]
    steps = FakeSteps(model=[answer("Bye!")])
    run = await play(steps, order(input=said))
    assert [m.content for m in run.messages or []] == ["Hi.", "Hello.", "Bye.", "Bye!"]


async def test_what_the_model_is_asked() -> None:
    """Each model call gets the conversation of the thread and then all that the run added."""
    steps = FakeSteps(
        model=[TWO_CALLS, answer("It was sent.")],
        tools={"1.1": result("second"), "1.0": result("first")},
        history=[remembered("user", "Hi."), remembered("assistant", "Hello.")],
    )
    await play(steps, on_thread(stream=True))
    first, second = ([m.content for m in call.messages] for call in steps.calls)
    assert first == ["Hi.", "Hello.", "Where is my order?"]
    assert second == [*first, "Let me see.", "first", "second"]
    assert [(call.turn, call.attempt, call.stream) for call in steps.calls] == [
        (1, 1, True),
        (2, 1, True),
    ]


async def test_usage_is_summed() -> None:
    """Usage counts model calls and tool calls, and one unknown price makes the cost unknown."""
    steps = FakeSteps(
        model=[
            answer("", ("f", "{}"), usage=Usage(input_tokens=3, model_calls=1, cost_usd=0.25)),
            answer("Done.", usage=Usage(output_tokens=4, model_calls=1, cost_usd=0.5)),
        ],
        tools={"1.0": result("{}")},
    )
    run = await play(steps)
    assert run.usage == Usage(
        input_tokens=3, output_tokens=4, model_calls=2, tool_calls=1, cost_usd=0.75
    )
    unknown = answer("Done.", usage=Usage(model_calls=1, cost_usd=None))
    assert (await play(FakeSteps(model=[unknown]))).usage.cost_usd is None


async def test_a_definition_that_does_not_fit() -> None:
    """A pin that failed ends the run as failed, after it has started."""
    error = RunError(type="definition-missing", message="no company", retryable=False)
    steps = FakeSteps(pinned=PinFailure(at=after(3), error=error))
    run = await play(steps, on_thread())
    assert (run.status, run.error, run.started_at, run.ended_at) == (
        "failed",
        error,
        after(3),
        after(3),
    )
    assert [event.type for event in steps.events] == ["run.started", "run.failed"]


async def test_a_tool_server_that_is_away_for_days() -> None:
    """It is tried again, a minute apart, for as long as the worker is told to."""
    error = RunError(type="tool-server-unavailable", message="away", retryable=True)
    steps = FakeSteps(pinned=PinFailure(at=after(3), error=error, retry_for_s=100_000))
    run = await play(steps)
    assert (run.status, run.error) == ("failed", error)
    assert steps.sleeps[:7] == [2, 4, 8, 16, 32, 60, 60]
    assert sum(steps.sleeps) > 99_900


@pytest.mark.parametrize("step", STEPS)
async def test_a_step_that_the_engine_refuses(step: str) -> None:
    """A step refused for good ends the run as failed, whichever it is, and frees the thread."""
    steps = script_with_tools(raising={step: StepFailed("too large", 500)})
    run = await play(steps, on_thread(admission="join", after_s=1))
    assert run.status == "failed"
    assert run.error == RunError(type="internal", message="too large", retryable=False)
    assert steps.events[-1].type == "run.failed"
    assert len(steps.thread.released) == 1
    assert_valid_for_a_model(run)


async def test_the_thread_gets_what_was_added() -> None:
    """The thread gets back exactly the run's own messages, once, before its end is told."""
    steps = script_with_tools(
        history=[remembered("user", "Hi."), remembered("assistant", "Hello.")]
    )
    run = await play(steps, on_thread())
    [(items, at)] = steps.thread.released
    assert [item.public() for item in items] == run.messages
    assert items[0].content == "Where is my order?"
    assert at == run.ended_at
    assert steps.log[-4:] == ["release_thread", "run.completed", "save completed", "settle 1 ended"]


@pytest.mark.parametrize("step", ["sleep", "acquire_thread"])
@pytest.mark.parametrize(
    "error", [Cancelled(), StepFailed("refused", 500)], ids=["cancel", "refusal"]
)
async def test_a_run_that_never_held_its_thread(step: str, error: Exception) -> None:
    """A run that ends before it holds its thread adds nothing, and still leaves the line."""
    steps = script_with_tools(raising={step: error})
    run = await play(steps, on_thread(admission="join", after_s=1))
    assert steps.thread.released == [([], run.ended_at)]
    assert run.messages == []


async def test_without_a_thread() -> None:
    """A run without a thread acquires none and releases none."""
    steps = script_with_tools()
    await play(steps)
    assert "acquire_thread" not in steps.log
    assert steps.thread.released == []


async def test_a_bug_is_not_swallowed() -> None:
    """Only what the loop knows ends a run: a bug is raised, for Restate to try again."""
    steps = FakeSteps(raising={"pin": ZeroDivisionError()})
    with pytest.raises(ZeroDivisionError):
        await play(steps)


@pytest.mark.parametrize("seed", range(50))
async def test_whatever_conversation_is_sent(seed: int) -> None:
    """What a model is told of a conversation from outside has a result for each call."""
    dice = random.Random(seed)
    said: list[InputMessage] = []
    for number in range(dice.randint(1, 8)):
        ids = dice.sample(["a", "b", "1.0"], dice.randint(1, 3))
        calls = [ToolCall(call_id=each, name="find", arguments={}) for each in ids]
        given = [InputMessage(role="tool", call_id=each, content=str(number)) for each in ids]
        said += dice.choice(
            [
                [InputMessage(role="user", content="Hi.")],
                [InputMessage(role="assistant", content="", tool_calls=calls)],
                [InputMessage(role="assistant", content="", tool_calls=calls), *given[::-1]],
            ]
        )
    steps = FakeSteps(model=[answer("Done.")])
    run = await play(steps, order(input=whole([*said, InputMessage(role="user", content="Bye.")])))
    assert_valid_for_a_model(run)
    waiting: set[str] = set()
    for message in wire_messages(steps.calls[0]):
        if message["role"] == "tool":
            waiting.remove(message["tool_call_id"])
        else:
            assert not waiting
            waiting = {call["id"] for call in message.get("tool_calls", [])}
    assert not waiting

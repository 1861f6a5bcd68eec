"""The agent loop over scripted steps: what it asks for, commits and returns."""

import json
from typing import Any

import pytest
from pydantic_core import to_json

from fakes.steps import (
    NOON,
    FakeSteps,
    after,
    answer,
    model_fault,
    pin,
    result,
)
from outlast.contract import RunOrder
from outlast.events import ANY_EVENT, MessageCompleted, ToolCallCompleted, ToolCallStarted
from outlast.protocol import Engine, InputMessage, Limits, Run, RunError, RunErrorType, Usage
from outlast_worker.engine.loop import AgentLoop
from outlast_worker.engine.records import Opaque, PinFailure, StoredMessage
from outlast_worker.engine.steps import Cancelled, StepFailed

RUN_ID = "support.aaaaaaaaaaaaaaaaaaaaaaaaaa"
TWO_CALLS = answer("Let me see.", ("find_order", '{"order_id": "A-1"}'), ("refund", '{"cents": 5}'))


def order(**changes: Any) -> RunOrder:
    fields: dict[str, Any] = {
        "run_id": RUN_ID,
        "tenant": "default",
        "agent": "support",
        "input": [InputMessage(role="user", content="Where is my order?")],
        "thread_id": None,
        "admission": "none",
        "stream": False,
        "context": {},
        "metadata": {"ticket": "7"},
        "limits": Limits(),
        "after_s": 0,
        "created_at": NOON,
        "body_hash": "h",
        "repeatable": False,
    }
    return RunOrder(**{**fields, **changes})


def on_thread(**changes: Any) -> RunOrder:
    return order(**{"thread_id": "t-1", "admission": "granted", **changes})


async def play(steps: FakeSteps, ordered: RunOrder | None = None) -> Run:
    return await AgentLoop(steps, ordered or order()).run()


def remembered(role: Any, content: str) -> StoredMessage:
    return StoredMessage(id="old", role=role, content=content, run_id="x", created_at=NOON)


def assert_valid_for_a_model(run: Run) -> None:
    """Each tool call has exactly one result, between its message and the next other one."""
    waiting: list[str] = []
    for message in run.messages or []:
        if message.role == "tool":
            assert message.call_id == waiting.pop(0)
        else:
            assert not waiting
            waiting = [call.call_id for call in message.tool_calls or []]
    assert not waiting


# A run from its start to its answer.


async def test_order_of_steps() -> None:
    """A run pins, asks, runs the tools, asks again and ends; events stand where they belong."""
    steps = FakeSteps(
        model=[TWO_CALLS, answer("It was sent.")],
        tools={"1.0": result("{}"), "1.1": result("{}")},
    )
    await play(steps)
    assert steps.log == [
        "pin",
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
    waits = [saved.waiting_for for saved in steps.saved]
    assert waits == ["timer" if name == "save waiting" else None for name in _saves(steps)]


def _saves(steps: FakeSteps) -> list[str]:
    return [name for name in steps.log if name.startswith("save ")]


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


# Events.


async def test_events_are_numbered_without_a_gap() -> None:
    """Numbers go 1, 2, 3, … over a run with a wait, tools and several turns."""
    steps = FakeSteps(
        model=[TWO_CALLS, answer("", ("refund", "{}")), answer("Done.")],
        tools={"1.0": result("a"), "1.1": result("b"), "2.0": result("c")},
    )
    await play(steps, order(after_s=1))
    assert [event.seq for event in steps.events] == list(range(1, len(steps.events) + 1))
    assert {event.run_id for event in steps.events} == {RUN_ID}


async def test_results_in_both_orders() -> None:
    """Events tell results as they came, while the conversation has them as they were asked for."""
    steps = FakeSteps(
        model=[TWO_CALLS, answer("Done.")],
        tools={"1.1": result("fast", at_s=3), "1.0": result("slow", at_s=8)},
    )
    run = await play(steps)
    completed = [event for event in steps.events if isinstance(event, ToolCallCompleted)]
    assert [(e.call_id, e.output, e.duration_ms) for e in completed] == [
        ("1.1", "fast", 500),
        ("1.0", "slow", 500),
    ]
    results = [m for m in run.messages or [] if m.role == "tool"]
    assert [(m.call_id, m.content, m.created_at) for m in results] == [
        ("1.0", "slow", after(8)),
        ("1.1", "fast", after(8)),
    ]


async def test_time_goes_on() -> None:
    """What is told last is not dated before what was told earlier."""
    steps = FakeSteps(
        pinned=pin(max_turns=1),
        model=[TWO_CALLS],
        tools={"1.0": result("slow", at_s=8), "1.1": result("fast", at_s=3)},
    )
    run = await play(steps)
    assert run.ended_at == after(8)


async def test_message_event() -> None:
    """The event of an answer has the message with its calls, its usage and what answered."""
    usage = Usage(input_tokens=7, model_calls=1)
    steps = FakeSteps(
        model=[answer("Wait.", ("refund", '{"cents": 5}'), usage=usage), answer("Done.")],
        tools={"1.0": result("{}")},
    )
    await play(steps)
    event = next(event for event in steps.events if isinstance(event, MessageCompleted))
    assert (event.turn, event.model, event.finish_reason) == (1, "x-2026", "tool_calls")
    assert event.usage == usage
    assert event.message.content == "Wait."
    call = (event.message.tool_calls or [])[0]
    assert (call.call_id, call.name, call.arguments) == ("1.0", "refund", {"cents": 5})


async def test_the_last_event_is_the_run() -> None:
    """The terminal event carries the run as it is kept, without its messages."""
    steps = FakeSteps(model=[answer("Done.")])
    run = await play(steps)
    last = steps.events[-1]
    assert last.type == "run.completed"
    assert last.run == run.model_copy(update={"messages": None}) == steps.saved[-1]


async def test_what_a_provider_wants_back_is_not_shown() -> None:
    """Reasoning and signatures go to the thread and to the model, not into events or the run."""
    opaque = Opaque(provider="openai", fields={"reasoning_content": "secret thoughts"})
    steps = FakeSteps(model=[answer("Done.").model_copy(update={"opaque": opaque})])
    run = await play(steps, on_thread())
    assert "secret thoughts" not in run.model_dump_json()
    assert not any(b"secret thoughts" in ANY_EVENT.dump_json(event) for event in steps.events)
    [(items, _)] = steps.released
    assert items[-1].opaque == opaque


# Tool calls that a model got wrong.


async def test_which_calls_are_known() -> None:
    """A call says whether the pinned agent has the tool; one that it has not is planned too."""
    steps = FakeSteps(
        pinned=pin("refund"),
        model=[TWO_CALLS, answer("Done.")],
        tools={"1.0": result("There is no tool.", is_error=True), "1.1": result("{}")},
    )
    await play(steps)
    assert [(call.name, call.known) for call in steps.planned] == [
        ("find_order", False),
        ("refund", True),
    ]
    assert [call.arguments for call in steps.planned] == ['{"order_id": "A-1"}', '{"cents": 5}']


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("", {}),
        ('{"cents": ', {}),
        ("[1, 2]", {}),
        ('"text"', {}),
        ("null", {}),
        ('{"cents": 5} and more', {}),
        ('{"half": "\\ud800"}', {}),
        ('{"a":' * 3000 + "1" + "}" * 3000, {}),
        ('{"a":' * 195 + "1" + "}" * 195, {}),
        ('{"a": NaN}', {}),
        ('{"cents": 5, "a": [null, "ä"]}', {"cents": 5, "a": [None, "ä"]}),
    ],
    ids=range(11),
)
async def test_arguments_that_a_model_wrote(written: str, shown: Any) -> None:
    """Whatever a model writes as arguments can be shown and kept, and goes to the tool as it is."""
    steps = FakeSteps(
        model=[answer("", ("refund", written)), answer("Done.")],
        tools={"1.0": result("not valid", is_error=True)},
    )
    run = await play(steps)
    assert run.status == "completed"
    started = next(event for event in steps.events if isinstance(event, ToolCallStarted))
    assert started.arguments == shown
    assert ANY_EVENT.validate_json(ANY_EVENT.dump_json(started)) == started
    assert steps.planned[0].arguments == written


# Where a run stops short.


@pytest.mark.parametrize(
    ("limits", "pinned", "turns"),
    [(Limits(max_turns=2), 20, 2), (Limits(), 1, 1), (Limits(max_turns=3), 1, 3)],
)
async def test_max_turns(limits: Limits, pinned: int, turns: int) -> None:
    """A run that still wants tools at its last turn is incomplete; its own limit comes first."""
    steps = FakeSteps(
        pinned=pin(max_turns=pinned),
        model=[answer(f"Turn {turn}", ("f", "{}")) for turn in range(1, turns + 1)],
        tools={f"{turn}.0": result("{}") for turn in range(1, turns + 1)},
    )
    run = await play(steps, order(limits=limits))
    assert (run.status, run.incomplete_reason, run.turn) == ("incomplete", "max_turns", turns)
    assert run.output == f"Turn {turns}"
    assert steps.events[-1].type == "run.incomplete"
    assert_valid_for_a_model(run)


@pytest.mark.parametrize(
    ("finish_reason", "incomplete_reason"),
    [("length", "output_length"), ("content_filter", "content_filter")],
)
@pytest.mark.parametrize(("text", "output"), [("Half a sen", "Half a sen"), ("", None)])
async def test_answer_that_was_cut(
    finish_reason: str, incomplete_reason: str, text: str, output: str | None
) -> None:
    """An answer that was cut short ends the run as incomplete, with what there is."""
    steps = FakeSteps(model=[answer(text, finish_reason=finish_reason)])
    run = await play(steps)
    assert (run.status, run.incomplete_reason) == ("incomplete", incomplete_reason)
    assert run.output == output


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


async def test_arguments_that_are_too_much() -> None:
    """A run that could not be journaled any more, for its calls' arguments, ends before that."""
    large = json.dumps({"text": "x" * 2_000_000})
    turns = 20
    steps = FakeSteps(
        model=[answer("", ("f", large)) for _ in range(turns)],
        tools={f"{turn}.0": result("{}") for turn in range(1, turns + 1)},
        pinned=pin("f"),
    )
    run = await play(steps)
    assert run.error
    assert (run.status, run.error.type) == ("failed", "context-too-long")
    assert len(to_json(run)) < 24 * 1024 * 1024


# Faults.


FAILURE = "model-unavailable: no answer"


async def test_a_fault_is_waited_out() -> None:
    """After a fault that may pass the run sleeps durably and asks again, as the next attempt."""
    steps = FakeSteps(model=[model_fault(2.5), model_fault(4, at_s=6), answer("Done.", at_s=12)])
    run = await play(steps)
    assert (run.status, run.output) == ("completed", "Done.")
    assert steps.sleeps == [2.5, 4.0]
    assert [(call.turn, call.attempt) for call in steps.calls] == [(1, 1), (1, 2), (1, 3)]
    assert run.usage.model_calls == 1
    assert [event.type for event in steps.events].count("turn.started") == 1
    said = [(shown.turn, shown.engine) for shown in steps.saved if shown.engine]
    assert said == [
        (1, Engine(attempts=1, last_failure=FAILURE, next_retry_at=after(4.5))),
        (1, Engine(attempts=2, last_failure=FAILURE, next_retry_at=after(10))),
    ]
    assert run.engine is None


async def test_malformed_answers_are_counted_alone() -> None:
    """A provider that was away for a while does not use up the tries of an answer."""
    kinds: list[RunErrorType] = ["model-unavailable", "model-malformed"] * 2
    faults = [model_fault(1, kind=kind, at_s=2 * at) for at, kind in enumerate(kinds, start=1)]
    steps = FakeSteps(model=[*faults, answer("Done.", at_s=20)])
    assert (await play(steps)).status == "completed"
    assert [call.malformed for call in steps.calls] == [0, 0, 1, 1, 2]


async def test_the_budget_of_retries() -> None:
    """When the next attempt would begin past the budget, the run fails with the last error."""
    steps = FakeSteps(
        pinned=pin(model_retry_for_s=10),
        model=[model_fault(5, at_s=2), model_fault(5, kind="model-malformed", at_s=8)],
    )
    run = await play(steps)
    assert steps.sleeps == [5.0]
    assert run.status == "failed"
    assert run.error == RunError(type="model-malformed", message="no answer", retryable=True)
    assert steps.events[-1].type == "run.failed"


async def test_the_budget_is_of_one_turn() -> None:
    """Time that earlier turns took does not count for the retries of a later one."""
    steps = FakeSteps(
        pinned=pin(model_retry_for_s=10),
        model=[
            answer("", ("f", "{}"), at_s=2),
            model_fault(5, at_s=1000),
            answer("Done.", at_s=1010),
        ],
        tools={"1.0": result("{}", at_s=990)},
    )
    assert (await play(steps)).status == "completed"


async def test_a_fault_that_stays() -> None:
    """A fault that no retry can mend ends the run at once, with its error."""
    steps = FakeSteps(model=[model_fault(None, kind="model-auth")])
    run = await play(steps)
    assert (run.status, run.turn) == ("failed", 1)
    assert run.error == RunError(type="model-auth", message="no answer", retryable=False)
    assert steps.sleeps == []
    assert [m.content for m in run.messages or []] == ["Where is my order?"]


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


STEPS = ["sleep", "acquire_thread", "pin", "model 1.1", "tool 1.0", "tool 1.1", "model 2.1"]


def tool_script(**more: Any) -> FakeSteps:
    return FakeSteps(
        model=[TWO_CALLS, answer("Done.")],
        tools={"1.0": result("first"), "1.1": result("second")},
        **more,
    )


@pytest.mark.parametrize("step", STEPS)
async def test_a_step_that_the_engine_refuses(step: str) -> None:
    """A step refused for good ends the run as failed, whichever it is, and frees the thread."""
    steps = tool_script(raising={step: StepFailed("too large", 500)})
    run = await play(steps, on_thread(admission="join", after_s=1))
    assert run.status == "failed"
    assert run.error == RunError(type="internal", message="too large", retryable=False)
    assert steps.events[-1].type == "run.failed"
    assert len(steps.released) == 1
    assert_valid_for_a_model(run)


# Cancellation.


@pytest.mark.parametrize("again", [False, True], ids=["once", "twice"])
@pytest.mark.parametrize("step", STEPS)
async def test_cancelled_at(step: str, again: bool) -> None:
    """A cancellation at any await, and a second one during the end, leave a whole run behind."""
    cancelled: dict[str, Exception] = {step: Cancelled()}
    if again:
        cancelled["cancelled_at"] = Cancelled()
    steps = tool_script(raising=cancelled, cancel_asked_at=after(500))
    run = await play(steps, on_thread(admission="join", after_s=1))
    assert (run.status, run.error, run.output) == ("cancelled", None, None)
    assert [event.type for event in steps.events][-1] == "run.cancelled"
    assert [event.seq for event in steps.events] == list(range(1, len(steps.events) + 1))
    assert steps.saved[-1].status == "cancelled"
    assert steps.saved[-1].waiting_for is None
    assert len(steps.released) == 1
    assert steps.log[-1] == "release_thread"
    if not again:
        assert run.ended_at == after(500)
    assert_valid_for_a_model(run)


async def test_cancelled_between_tool_results() -> None:
    """Results that came before the cancellation stay; the other calls are told as unfinished."""
    steps = tool_script(raising={"tool 1.1": Cancelled()})
    run = await play(steps, on_thread())
    first, second = [m for m in run.messages or [] if m.role == "tool"]
    assert (first.content, first.is_error) == ("first", False)
    assert "It may have run" in str(second.content)
    assert second.is_error
    assert run.usage.tool_calls == 1


async def test_cancelled_without_word_of_when() -> None:
    """A cancellation that came past our handler has the time of the last step."""
    steps = tool_script(raising={"model 1.1": Cancelled()})
    assert (await play(steps)).ended_at == after(1)


# The thread.


async def test_the_thread_gets_what_was_added() -> None:
    """The thread gets back exactly the run's own messages, once, and last of all."""
    steps = tool_script(history=[remembered("user", "Hi."), remembered("assistant", "Hello.")])
    run = await play(steps, on_thread())
    [(items, at)] = steps.released
    assert [item.public() for item in items] == run.messages
    assert items[0].content == "Where is my order?"
    assert at == run.ended_at
    assert steps.log[-2:] == ["save completed", "release_thread"]


@pytest.mark.parametrize("step", ["sleep", "acquire_thread"])
@pytest.mark.parametrize(
    "error", [Cancelled(), StepFailed("refused", 500)], ids=["cancel", "refusal"]
)
async def test_a_run_that_never_had_the_turn(step: str, error: Exception) -> None:
    """A run that ends before it holds its thread adds nothing, and still leaves the line."""
    steps = tool_script(raising={step: error})
    run = await play(steps, on_thread(admission="join", after_s=1))
    assert steps.released == [([], run.ended_at)]
    assert run.messages == []


async def test_without_a_thread() -> None:
    """A run without a thread asks for no turn and gives none back."""
    steps = tool_script()
    await play(steps)
    assert "acquire_thread" not in steps.log
    assert steps.released == []


# Replay.


@pytest.mark.parametrize(
    "raising",
    [
        {},
        {"tool 1.1": Cancelled()},
        {"model 2.1": StepFailed("refused", 500)},
    ],
    ids=["whole", "cancelled", "refused"],
)
async def test_replay(raising: dict[str, Exception]) -> None:
    """The same results of steps give the same events, saves and items, to the byte."""

    def script() -> FakeSteps:
        return tool_script(raising=raising, history=[remembered("user", "Hi.")])

    first, second = script(), script()
    runs = [await play(steps, on_thread(admission="join", after_s=1)) for steps in (first, second)]
    assert runs[0].model_dump_json() == runs[1].model_dump_json()
    assert first.log == second.log
    assert _bytes(first) == _bytes(second)


def _bytes(steps: FakeSteps) -> list[bytes]:
    return [
        *(ANY_EVENT.dump_json(event) for event in steps.events),
        *(saved.model_dump_json().encode() for saved in steps.saved),
        *(item.model_dump_json().encode() for items, _ in steps.released for item in items),
    ]


async def test_a_bug_is_not_swallowed() -> None:
    """Only what the loop knows ends a run: a bug is raised, for Restate to try again."""
    steps = FakeSteps(raising={"pin": ZeroDivisionError()})
    with pytest.raises(ZeroDivisionError):
        await play(steps)

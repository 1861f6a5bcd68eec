"""A run's events: what they say, in which order, and the same ones again on replay."""

import pytest

from fakes.orders import RUN_ID, on_thread, order
from fakes.records import after, answer, decided, model_fault, pin, result
from fakes.steps import FakeSteps
from outlast.events import ANY_EVENT, MessageCompleted, ToolCallCompleted
from outlast.protocol import Usage
from outlast_worker.engine.exceptions import Cancelled, StepFailed
from outlast_worker.engine.records import ApprovalCheck, Opaque, ToolRecord
from unit.worker.engine.playing import TWO_CALLS, play, remembered, script_with_tools


async def test_events_are_numbered_without_a_gap() -> None:
    """Numbers go 1, 2, 3, … over a run with a wait, tools and several turns."""
    steps = FakeSteps(
        model=[TWO_CALLS, answer("", ("refund", "{}")), answer("Done.")],
        tools={"1.0": result("a"), "1.1": result("b"), "2.0": result("c")},
    )
    await play(steps, order(after_s=1))
    assert [event.seq for event in steps.events] == list(range(1, len(steps.events) + 1))
    assert {event.run_id for event in steps.events} == {RUN_ID}


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


async def test_times() -> None:
    """Each event says when it happened, as the steps journaled it, and when that had begun."""
    steps = FakeSteps(
        pinned=pin("find_order", "?refund"),
        model=[
            model_fault(1, at_s=2),
            TWO_CALLS.model_copy(update={"first_token_ms": 120, "ended_at": after(3)}),
            answer("Done.", at_s=20),
        ],
        tools={"1.0": result("found", at_s=5), "1.1": result("paid", at_s=12)},
        decisions={"1.1": decided("1.1", at_s=10)},
    )
    await play(steps)
    seen = [(event.type, event.at) for event in steps.events]
    assert seen == [
        ("run.started", after(1)),
        ("turn.started", after(1)),
        ("message.completed", after(3)),
        ("tool_call.started", after(3)),
        ("approval.requested", after(3)),
        ("tool_call.completed", after(5)),
        ("run.waiting", after(5)),
        ("approval.resolved", after(10)),
        ("tool_call.started", after(10)),
        ("tool_call.completed", after(12)),
        ("turn.started", after(12)),
        ("message.completed", after(20)),
        ("run.completed", after(20)),
    ]
    said = [event for event in steps.events if isinstance(event, MessageCompleted)]
    assert [(e.started_at, e.first_token_ms, e.attempts) for e in said] == [
        (after(1), 120, 2),
        (after(19), None, 1),
    ]
    done = [event for event in steps.events if isinstance(event, ToolCallCompleted)]
    assert [event.started_at for event in done] == [after(4.5), after(11.5)]


async def test_what_kind_of_failure() -> None:
    """A call that failed says how, and one that never ran when it began: never."""
    unreadable = ("refund", '{"x": NaN}')
    steps = FakeSteps(
        pinned=pin("refund", "?pay"),
        model=[
            answer("", unreadable, ("refund", "{}"), ("pay", "{}"), ("pay", "{}"), ("pay", "{}")),
            answer("Done."),
        ],
        tools={"1.1": ToolRecord.failed("Too late.", "timeout", after(3))},
        checks={
            "1.4": ApprovalCheck(
                outcome="refused", at=after(2), reason="No.", error_type="invalid_arguments"
            )
        },
        decisions={"1.2": decided("1.2", "reject")},
    )
    await play(steps)
    done = [event for event in steps.events if isinstance(event, ToolCallCompleted)]
    assert {event.call_id: (event.error_type, event.started_at) for event in done} == {
        "1.0": ("invalid_arguments", None),
        "1.1": ("timeout", after(3)),
        "1.2": ("rejected", None),
        "1.3": ("expired", None),
        "1.4": ("invalid_arguments", None),
    }


async def test_the_last_event_is_the_run() -> None:
    """The terminal event carries the run as it is kept, without its messages."""
    steps = FakeSteps(model=[answer("Done.")])
    run = await play(steps)
    last = steps.events[-1]
    assert last.type == "run.completed"
    assert last.run == run.model_copy(update={"messages": None}) == steps.keep.runs[-1]


async def test_time_goes_on() -> None:
    """What is told last is not dated before what was told earlier."""
    steps = FakeSteps(
        pinned=pin(max_turns=1),
        model=[TWO_CALLS],
        tools={"1.0": result("slow", at_s=8), "1.1": result("fast", at_s=3)},
    )
    run = await play(steps)
    assert run.ended_at == after(8)


async def test_what_a_provider_wants_back_is_not_shown() -> None:
    """Reasoning and signatures go to the thread and to the model, not into events or the run."""
    opaque = Opaque(provider="openai", fields={"reasoning_content": "secret thoughts"})
    steps = FakeSteps(model=[answer("Done.").model_copy(update={"opaque": opaque})])
    run = await play(steps, on_thread())
    assert "secret thoughts" not in run.model_dump_json()
    assert not any(b"secret thoughts" in ANY_EVENT.dump_json(event) for event in steps.events)
    [(items, _)] = steps.thread.released
    assert items[-1].opaque == opaque


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
        return script_with_tools(raising=raising, history=[remembered("user", "Hi.")])

    first, second = script(), script()
    runs = [await play(steps, on_thread(admission="join", after_s=1)) for steps in (first, second)]
    assert runs[0].model_dump_json() == runs[1].model_dump_json()
    assert first.log == second.log
    assert _bytes(first) == _bytes(second)


def _bytes(steps: FakeSteps) -> list[bytes]:
    return [
        *(ANY_EVENT.dump_json(event) for event in steps.events),
        *(saved.model_dump_json().encode() for saved in steps.keep.runs),
        *(item.model_dump_json().encode() for items, _ in steps.thread.released for item in items),
    ]

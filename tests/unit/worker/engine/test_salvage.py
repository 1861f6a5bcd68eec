"""A killed run's conversation, rebuilt from what it had committed."""

from typing import Any

import pytest

from fakes.orders import on_thread
from fakes.records import after, answer, pin, result, steering
from fakes.steps import FakeSteps
from outlast.events import AnyEvent, MessageCompleted, RunStarted, ToolCallCompleted
from outlast.protocol import InputMessage, Message, Run, ToolCall, Usage
from outlast_worker.engine.loop import AgentLoop
from outlast_worker.engine.records import PinnedTool
from outlast_worker.engine.salvage import messages_so_far, salvage_messages

ORDER = on_thread(
    run_id="support.a", input=[InputMessage(role="user", content="Refund it.")], metadata={}
)


RUN = Run(run_id="support.a", agent="support", status="running", started_at=after(1))


def asked(*call_ids: str) -> MessageCompleted:
    calls = [ToolCall(call_id=made, name="refund", arguments={"cents": 5}) for made in call_ids]
    message = Message(
        id="m",
        role="assistant",
        content="Wait.",
        tool_calls=calls or None,
        run_id="support.a",
        created_at=after(2),
    )
    return MessageCompleted(
        run_id="support.a",
        seq=2,
        turn=1,
        message=message,
        usage=Usage(),
        model="x",
        finish_reason="tool_calls",
    )


def ended(call_id: str, output: str = "{}") -> ToolCallCompleted:
    return ToolCallCompleted(
        run_id="support.a",
        seq=3,
        call_id=call_id,
        name="refund",
        is_error=False,
        output=output,
        duration_ms=1,
    )


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([], [("user", "Refund it.")]),
        ([RunStarted(run_id="support.a", seq=1)], [("user", "Refund it.")]),
        ([asked()], [("user", "Refund it."), ("assistant", "Wait.")]),
        (
            [asked("1.0", "1.1"), ended("1.1", "second"), ended("1.0", "first")],
            [
                ("user", "Refund it."),
                ("assistant", "Wait."),
                ("tool", "first"),
                ("tool", "second"),
            ],
        ),
    ],
    ids=["nothing", "a start", "an answer", "results"],
)
def test_what_was_said(events: list[AnyEvent], said: list[tuple[str, str]]) -> None:
    """The input comes first, then answers, each with its results in the order of the calls."""
    assert [(m.role, m.content) for m in salvage_messages(ORDER, RUN, events, [])] == said


@pytest.mark.parametrize("done", [[], ["1.0"], ["1.1"]])
def test_each_call_has_a_result(done: list[str]) -> None:
    """A call that had not finished gets a result that says so: the conversation stays valid."""
    events: list[Any] = [asked("1.0", "1.1"), *(ended(call_id) for call_id in done)]
    results = [m for m in salvage_messages(ORDER, RUN, events, []) if m.role == "tool"]
    assert [m.call_id for m in results] == ["1.0", "1.1"]
    for message in results:
        assert message.is_error == (message.call_id not in done)
        assert ("was killed" in str(message.content)) == (message.call_id not in done)


async def test_same_as_the_run_itself() -> None:
    """A run that was killed after its last word leaves what it would have written itself."""
    steps = FakeSteps(
        model=[answer("Wait.", ("refund", '{"cents": 5}'), ("refund", "{}")), answer("Done.")],
        tools={"1.1": result("b"), "1.0": result("a")},
    )
    run = await AgentLoop(steps, ORDER).run()
    salvaged = [message.public() for message in salvage_messages(ORDER, RUN, steps.events, [])]
    times = {"created_at"}
    assert [m.model_dump(exclude=times) for m in salvaged] == [
        m.model_dump(exclude=times) for m in run.messages or []
    ]


def test_messages_that_were_never_read():
    """What was said to the run, and promised to be heard, stays in the conversation."""
    unread = steering("hello?", 0)
    salvaged = salvage_messages(ORDER, RUN, [], [unread])
    assert [m.content for m in salvaged] == ["Refund it.", "hello?"]
    queued = RUN.model_copy(update={"status": "queued", "started_at": None})
    assert [m.content for m in salvage_messages(ORDER, queued, [], [unread])] == ["hello?"]


async def test_messages_that_were_read_are_there_once():
    """A message that the run had read before it was killed is not added again."""
    said = steering("and that", 0)
    steps = FakeSteps(model=[answer("Done."), answer("Yes.")], said={"model 1.1": [said]})
    await AgentLoop(steps, ORDER).run()
    salvaged = salvage_messages(ORDER, RUN, steps.events, [said])
    assert [m.content for m in salvaged].count("and that") == 1


FOREIGN = [
    InputMessage(id="m-1", role="user", content="Refund it."),
    InputMessage(
        role="assistant",
        content="",
        tool_calls=[ToolCall(call_id="1.0", name="find", arguments={})],
    ),
    InputMessage(role="tool", call_id="1.0", content="found", is_error=False),
    InputMessage(role="user", content="Go on."),
]


async def test_a_conversation_that_came_with_the_input() -> None:
    """What a run says of its input is the same at its end, so far, and after it was killed."""
    order = on_thread(input=FOREIGN, metadata={})
    steps = FakeSteps(
        pinned=pin("find"),
        model=[answer("", ("find", "{}")), answer("Done.")],
        tools={"1.0": result("mine")},
    )
    ended = (await AgentLoop(steps, order).run()).messages
    assert ended
    foreign = ended[:4]
    assert [m.id for m in foreign] == ["m-1", *(f"{order.run_id}:{n}" for n in (2, 3, 4))]
    assert foreign[1].tool_calls == FOREIGN[1].tool_calls
    assert (foreign[2].call_id, foreign[2].content) == ("1.0", "found")
    run = steps.keep.runs[-1]
    for said in (
        messages_so_far(order, run, steps.events),
        [m.public() for m in salvage_messages(order, run, steps.events, [])],
    ):
        assert [(m.id, m.role, m.content, m.call_id, m.tool_calls) for m in said] == [
            (m.id, m.role, m.content, m.call_id, m.tool_calls) for m in ended
        ]


async def test_so_far() -> None:
    """Results of calls that go on are left out; those that the caller gave are not."""
    order = on_thread(input=FOREIGN, metadata={})
    said = messages_so_far(order, RUN, [asked("1.0")])
    assert [m.role for m in said] == ["user", "assistant", "tool", "user", "assistant"]


async def test_handoffs() -> None:
    """What is rebuilt says by which call another agent took over, and who said what."""
    pinned = pin("note")
    handoff = PinnedTool(
        name="transfer", description="…", parameters={}, kind="handoff", hands_over_to="billing"
    )
    steps = FakeSteps(
        model=[answer("", ("transfer", "{}")), answer("I am billing.")],
        pinned=pinned.model_copy(update={"tools": [handoff]}),
        handoffs={"1.0": pinned.model_copy(update={"agent": "billing", "first_turn": 2})},
    )
    run = await AgentLoop(steps, ORDER).run()
    rebuilt = messages_so_far(ORDER, steps.keep.runs[-1], steps.events)
    said = [(message.agent, message.handed_over_to) for message in rebuilt]
    assert said == [(None, None), ("support", None), (None, "billing"), ("billing", None)]
    assert said == [(message.agent, message.handed_over_to) for message in run.messages or []]

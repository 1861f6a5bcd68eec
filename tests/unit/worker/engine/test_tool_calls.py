"""A turn's tool calls: what is run, and what the model and watchers are told."""

from fakes.orders import on_thread
from fakes.records import after, answer, pin, result
from fakes.steps import FakeSteps
from outlast.events import ToolCallCompleted, ToolCallStarted
from outlast.protocol import ImagePart, TextPart
from outlast_worker.engine.records import ApprovalCheck
from outlast_worker.engine.salvage import salvage_messages
from unit.worker.engine.playing import TWO_CALLS, play


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
    assert [call.arguments for call in steps.planned] == [{"order_id": "A-1"}, {"cents": 5}]


async def test_unreadable_arguments_never_run() -> None:
    """What can't be shown is not asked about and not run; the model is told, with what it wrote."""
    steps = FakeSteps(
        pinned=pin("?pay"),
        model=[answer("", ("pay", '{"to": "mallory", "x": NaN}')), answer("Done.")],
    )
    run = await play(steps)
    assert run.status == "completed"
    assert steps.planned == []
    assert not [name for name in steps.log if name.startswith(("check", "tool ", "approval"))]
    [told] = [m for m in run.messages or [] if m.role == "tool"]
    assert told.is_error
    assert "NaN" in str(told.content)
    assert "mallory" in str(told.content)
    assert run.usage.tool_calls == 0


async def test_one_object_is_shown_checked_and_run() -> None:
    """The same arguments are in the message, in the event, and in what is run."""
    steps = FakeSteps(
        model=[answer("", ("refund", '{"cents": 5, "a": [null, "ä"]}')), answer("Done.")],
        tools={"1.0": result("{}")},
    )
    run = await play(steps)
    arguments = {"cents": 5, "a": [None, "ä"]}
    started = next(event for event in steps.events if isinstance(event, ToolCallStarted))
    assert steps.planned[0].arguments == started.arguments == arguments
    [call] = next(m.tool_calls for m in run.messages or [] if m.tool_calls)
    assert call.arguments == arguments


async def test_a_call_that_cannot_be_checked_is_refused() -> None:
    """A gate never fails open: the model reads why, and nobody is asked."""
    refused = ApprovalCheck(outcome="refused", at=after(3), reason="The arguments are not valid.")
    steps = FakeSteps(
        pinned=pin("?pay"),
        model=[answer("", ("pay", "{}")), answer("Done.")],
        checks={"1.0": refused},
    )
    run = await play(steps)
    assert run.status == "completed"
    assert steps.planned == []
    assert run.approvals == []
    [told] = [m for m in run.messages or [] if m.role == "tool"]
    assert (told.content, told.is_error) == ("The arguments are not valid.", True)


async def test_what_only_the_model_is_told() -> None:
    """The text of an exception reaches the model and later runs, and no event and no client."""
    failed = result("It failed.", is_error=True).model_copy(update={"told": "password 4711"})
    refused = ApprovalCheck(outcome="refused", at=after(3), reason="No.", told="password 4712")
    steps = FakeSteps(
        pinned=pin("find", "?pay"),
        model=[answer("", ("find", "{}"), ("pay", "{}")), answer("Done.")],
        tools={"1.0": failed},
        checks={"1.1": refused},
    )
    run = await play(steps, on_thread())
    shown = [m.content for m in run.messages or [] if m.role == "tool"]
    completed = [e.output for e in steps.events if isinstance(e, ToolCallCompleted)]
    assert shown == ["It failed.", "No."]
    assert sorted(completed) == shown
    assert "password" not in run.model_dump_json()
    assert "password" not in str(steps.events)
    [(kept, _)] = steps.thread.released
    for messages in (steps.calls[-1].messages, kept):
        told = [m.told for m in messages if m.role == "tool"]
        assert told == ["password 4711", "password 4712"]


async def test_a_result_with_an_image() -> None:
    """Events and the conversation have its parts, and so has what is salvaged of the run."""
    parts = [TextPart(text="A chart:"), ImagePart(url="https://x/y.png")]
    drawn = result("A chart: (an image)").model_copy(update={"parts": parts})
    ordered = on_thread(metadata={})
    steps = FakeSteps(
        pinned=pin("chart"),
        model=[answer("", ("chart", "{}")), answer("I see.")],
        tools={"1.0": drawn},
    )
    run = await play(steps, ordered)
    said = [message.content for message in run.messages or []]
    assert said[2] == parts
    [done] = [event for event in steps.events if isinstance(event, ToolCallCompleted)]
    assert done.parts == parts
    salvaged = salvage_messages(ordered, steps.keep.runs[-1], steps.events, [])
    assert [message.content for message in salvaged] == said

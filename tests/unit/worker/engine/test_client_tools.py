"""Calls of tools that clients run, in the loop: asked for, answered, expired, withdrawn."""

from typing import Any

import pytest

from fakes.orders import on_thread
from fakes.records import after, answer, pin, result
from fakes.steps import FakeSteps
from outlast.contract import ClientResult
from outlast.events import RunWaiting, ToolCallCompleted, ToolCallRequested, ToolCallStarted
from outlast.protocol import ImagePart, Run, TextPart
from outlast_worker.engine.exceptions import Cancelled
from outlast_worker.engine.records import ApprovalCheck, PinnedTool
from unit.worker.engine.playing import play

LOCATE = PinnedTool(
    name="locate",
    description="…",
    parameters={"type": "object"},
    kind="client",
    timeout_s=60,
)


def sent(call_id: str = "1.0", *, at_s: float = 10, **fields: Any) -> ClientResult:
    fields = {"outcome": "answered", "output": "Berlin", **fields}
    return ClientResult(call_id=call_id, at=after(at_s), **fields)


def script(*calls: str, **fields: Any) -> FakeSteps:
    pinned = pin("find").model_copy(update={"tools": [LOCATE, *pin("find").tools]})
    asked = [(name, '{"of": "me"}') for name in calls or ("locate",)]
    return FakeSteps(model=[answer("", *asked), answer("Done.")], pinned=pinned, **fields)


def told(run: Run) -> list[str]:
    return [str(m.content) for m in run.messages or [] if m.role == "tool"]


async def test_answered() -> None:
    """A call is kept, told, waited for, and ends with what the client sends; nothing runs here."""
    steps = script(results={"1.0": sent()})
    run = await play(steps, on_thread())
    assert (run.status, told(run), run.usage.tool_calls) == ("completed", ["Berlin"], 1)
    assert steps.planned == []
    [requested] = [e for e in steps.events if isinstance(e, ToolCallRequested)]
    assert (requested.arguments, requested.expires_at) == ({"of": "me"}, after(63))
    assert not [e for e in steps.events if isinstance(e, ToolCallStarted)]
    [completed] = [e for e in steps.events if isinstance(e, ToolCallCompleted)]
    assert (completed.duration_ms, completed.started_at) == (7000, after(3))
    [call] = run.calls
    assert call.answer
    assert (call.answer.outcome, call.answer.at) == ("answered", after(10))
    assert steps.log.index("keep_client_call 1.0") < steps.log.index("tool_call.requested")
    assert steps.log.index("save waiting") < steps.log.index("run.waiting")
    assert steps.log.index("run.waiting") < steps.log.index("settle 1")
    shown = next(saved for saved in steps.keep.runs if saved.waiting)
    assert (shown.waiting_for, shown.segment) == ("client", 2)
    assert shown.waiting
    assert shown.waiting.text == "Waits for a client's result of locate."


async def test_parts() -> None:
    """Images that a client sends are in the conversation, and named where there is only text."""
    parts = [TextPart(text="Here:"), ImagePart(url="https://x/map.png")]
    run = await play(steps := script(results={"1.0": sent(output=parts)}))
    [completed] = [e for e in steps.events if isinstance(e, ToolCallCompleted)]
    assert completed.output == "Here:\n(an image)"
    assert [m.content for m in run.messages or [] if m.role == "tool"] == [parts]


async def test_the_client_failed() -> None:
    """An error that a client sends is one for the model, as a tool's own is."""
    run = await play(steps := script(results={"1.0": sent(output="denied", is_error=True)}))
    [completed] = [e for e in steps.events if isinstance(e, ToolCallCompleted)]
    assert (completed.is_error, completed.error_type) == (True, "tool_error")
    assert told(run) == ["denied"]


async def test_no_client_sees_what_does_not_fit() -> None:
    """Arguments that don't fit go back to the model."""
    refused = ApprovalCheck(outcome="refused", at=after(3), reason="of: no text")
    run = await play(steps := script(checks={"1.0": refused}))
    assert (told(run), run.calls) == (["of: no text"], [])
    assert not [name for name in steps.log if name.startswith(("result", "keep_client_call"))]


async def test_answered_one_by_one() -> None:
    """Other calls run meanwhile; each answer that leaves some open is a wait of its own."""
    steps = script(
        "locate",
        "find",
        "locate",
        tools={"1.1": result("found", at_s=4)},
        results={"1.2": sent("1.2"), "1.0": sent("1.0", at_s=20, output="Rome")},
    )
    run = await play(steps)
    assert told(run) == ["Rome", "found", "Berlin"]
    waited = [e for e in steps.events if isinstance(e, RunWaiting)]
    assert [[item.id for item in event.calls] for event in waited] == [["1.0", "1.2"], ["1.0"]]
    assert steps.log.index("tool 1.1") < steps.log.index("run.waiting")
    assert run.segment == 3


async def test_nobody_answers() -> None:
    """When its time is over, a call ends, and the model is told; nothing was carried out."""
    run = await play(steps := script())
    assert steps.sleeps == [60, 6]
    assert told(run) == ["No client sent the result of this call of locate in time."]
    assert run.usage.tool_calls == 0
    [call] = run.calls
    assert call.answer
    assert (call.answer.outcome, call.answer.at) == ("expired", after(63))


async def test_answered_while_it_expires() -> None:
    """A result that is there when the time is over is the one that counts."""
    run = await play(script(late_results={"1.0": sent()}))
    assert told(run) == ["Berlin"]


@pytest.mark.parametrize("late", [False, True])
async def test_cancelled(late: bool) -> None:
    """A cancelled run withdraws its calls; what a client was told to be taken is kept."""
    steps = script(
        results={"1.0": sent()},
        late_results={"1.0": sent()} if late else {},
        raising={"result 1.0": Cancelled()},
    )
    run = await play(steps)
    assert run.status == "cancelled"
    assert told(run)[0].startswith("Berlin" if late else "The run was cancelled before a client")
    [call] = run.calls
    assert call.answer
    assert call.answer.outcome == ("answered" if late else "withdrawn")

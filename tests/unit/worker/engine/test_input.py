"""What MCP servers ask people in the middle of a call, in the loop."""

from typing import Any

import pytest

from fakes.records import after, answer, decided, once, pin, result
from fakes.steps import FakeSteps
from outlast.events import RunWaiting, ToolCallCompleted, ToolCallStarted
from outlast.protocol import Run
from outlast_worker.engine.exceptions import Cancelled
from outlast_worker.engine.planned_calls import Answered, GivenAnswer
from outlast_worker.engine.records import EffectOutcome, ServerAsks, ServerQuestion, ToolRecord
from unit.worker.engine.playing import play

SCHEMA: dict[str, Any] = {"type": "object", "properties": {"name": {"type": "string"}}}
NAME = ServerQuestion(key="a", message="What name?", content_schema=SCHEMA)
PLACE = ServerQuestion(key="b", message="Where?", url="https://maps.example")
MODEL = [answer("", ("find", '{"what": "lamp"}')), answer("Done.")]


def asks(*questions: ServerQuestion, at_s: float = 3, **fields: Any) -> ToolRecord:
    return result("", at_s=at_s).model_copy(
        update={"asks": ServerAsks(questions=list(questions), **fields)}
    )


def said(number: int, action: Any = "answer", at_s: float = 10, content: Any = None) -> Any:
    approval_id = f"1.0.input{number}"
    return decided("1.0", action, approval_id=approval_id, at_s=at_s, content=content)


def decisions(*resolutions: Any) -> dict[str, Any]:
    return {resolution.id: resolution for resolution in resolutions}


def script(*records: ToolRecord, **fields: Any) -> FakeSteps:
    return FakeSteps(model=MODEL, pinned=pin("find"), tools={"1.0": list(records)}, **fields)


def told(run: Run) -> str:
    return next(str(m.content) for m in run.messages or [] if m.role == "tool")


async def test_asked_then_answered() -> None:
    """The run waits for input, says for which, and goes on with the call where it stands."""
    first = asks(NAME, state="s")
    found = result("found", at_s=12)
    steps = script(first, found, decisions=decisions(said(1, content={"name": "Lux"})))
    run = await play(steps)
    assert told(run) == "found"
    [approval] = run.approvals
    assert (approval.id, approval.reason) == ("1.0.input1", "input")
    assert (approval.question, approval.content_schema) == ("What name?", SCHEMA)
    waiting = next(saved.waiting for saved in steps.keep.runs if saved.waiting)
    assert (waiting.kind, waiting.text) == ("input", "Waits for what find asks for.")
    [standing] = [event for event in steps.events if isinstance(event, RunWaiting)]
    assert (standing.waiting_for, [item.id for item in standing.approvals]) == (
        "input",
        ["1.0.input1"],
    )
    given = GivenAnswer(NAME, "accept", {"name": "Lux"})
    assert [call.answered for call in steps.planned] == [
        Answered(),
        Answered((given,), first.asks),
    ]


async def test_one_call() -> None:
    """However often it asks, it has begun once and ends once."""
    steps = script(
        asks(NAME),
        asks(PLACE),
        result("found", at_s=30),
        decisions=decisions(said(1, content={"name": "x"}), said(2, content={})),
    )
    run = await play(steps)
    assert len([e for e in steps.events if isinstance(e, ToolCallStarted)]) == 1
    assert len([e for e in steps.events if isinstance(e, ToolCallCompleted)]) == 1
    assert run.usage.tool_calls == 1
    assert [approval.url for approval in run.approvals] == [None, "https://maps.example"]


async def test_side_by_side() -> None:
    """All questions of a moment are open at once; the call goes on when each has its answer."""
    steps = script(
        asks(NAME, PLACE),
        result("found", at_s=30),
        decisions=decisions(said(2, "decline", at_s=10), said(1, at_s=20, content={"name": "x"})),
    )
    await play(steps)
    assert [given.action for given in steps.planned[-1].answered.latest] == ["accept", "decline"]


async def test_nobody_answers() -> None:
    """After the tool's time for approvals the server hears that nobody chose."""
    pinned = pin("find")
    tool = pinned.tools[0].model_copy(update={"approval_timeout_s": 60})
    steps = FakeSteps(
        model=MODEL,
        pinned=pinned.model_copy(update={"tools": [tool]}),
        tools={"1.0": [asks(NAME), result("not found", at_s=70)]},
    )
    run = await play(steps)
    assert [given.action for given in steps.planned[-1].answered.latest] == ["cancel"]
    [approval] = run.approvals
    assert approval.resolution
    assert approval.resolution.action == "expired"


async def test_a_server_that_asks_without_end() -> None:
    """Nobody has to answer for that to end."""
    pinned = pin("find")
    tool = pinned.tools[0].model_copy(update={"approval_timeout_s": 60})
    pinned = pinned.model_copy(update={"tools": [tool]})
    steps = FakeSteps(model=MODEL, pinned=pinned, tools={"1.0": [asks(NAME)] * 60})
    run = await play(steps)
    assert "more than 50 times" in told(run)
    assert len(run.approvals) == 50


async def test_cancelled_while_it_asks() -> None:
    """Nobody can answer any more; the conversation says that the call may have run."""
    steps = script(asks(NAME), raising={"decision 1.0.input1": Cancelled()}, decisions=decisions())
    steps.decisions = decisions(said(1, content={"name": "x"}))
    run = await play(steps)
    assert run.status == "cancelled"
    assert "may have run" in told(run)
    [approval] = run.approvals
    assert approval.resolution
    assert approval.resolution.action == "decline"
    assert len(steps.planned) == 1


def script_once(*outcomes: EffectOutcome, **fields: Any) -> FakeSteps:
    pinned = pin().model_copy(update={"tools": [once("find")]})
    return FakeSteps(model=MODEL, pinned=pinned, effects={"1.0": outcomes}, **fields)


def done(record: ToolRecord) -> EffectOutcome:
    return EffectOutcome(outcome="done", at=record.ended_at, record=record)


def kinds(steps: FakeSteps) -> list[str]:
    return [name.split()[0] for name in steps.log if name.startswith(("claim", "once", "decision"))]


async def test_once() -> None:
    """Each part of a call is claimed for itself, so that none runs twice."""
    steps = script_once(
        done(asks(NAME)),
        done(result("ordered", at_s=12)),
        decisions=decisions(said(1, content={"name": "Lux"})),
    )
    run = await play(steps)
    assert kinds(steps) == ["claim", "once", "decision", "claim", "once"]
    assert told(run) == "ordered"


async def test_once_in_doubt() -> None:
    """A person says whether a call happened that was lost; begun anew, it has all answers."""
    doubt = EffectOutcome(outcome="in_doubt", at=after(11), why="the server went away")
    retry = decided("1.0", "retry", approval_id="1.0.doubt1", at_s=60)
    steps = script_once(
        done(asks(NAME, held="h")),
        doubt,
        done(result("ordered", at_s=70)),
        decisions={**decisions(said(1, content={"name": "Lux"})), "1.0.doubt1": retry},
    )
    run = await play(steps)
    assert told(run) == "ordered"
    assert [approval.reason for approval in run.approvals] == ["input", "in_doubt"]
    # Asked at 3 s, and decided at 60 s: another worker may have the call open until 903 s.
    assert steps.sleeps == [3 + 900 + 5 - 60]
    anew = steps.planned[-1].answered
    assert (anew.asks, [given.content for given in anew.answers]) == (None, [{"name": "Lux"}])


@pytest.mark.parametrize("answered", [True, False])
async def test_once_that_can_not_go_on(answered: bool) -> None:
    """What was begun, and can't be claimed again, may have happened; what was not, did not."""
    not_begun = [EffectOutcome(outcome="not_begun", at=after(12))] * 3
    first = [done(asks(NAME))] if answered else []
    steps = script_once(*first, *not_begun, decisions=decisions(said(1, content={"name": "x"})))
    run = await play(steps)
    assert ("Nobody knows whether" in told(run)) == answered
    assert ("was not run" in told(run)) != answered

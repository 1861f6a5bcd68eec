"""Messages to a run that goes on, in the loop."""

import pytest

from fakes.records import answer, model_fault, result, steering
from fakes.records import pin as pinned
from fakes.steps import FakeSteps
from outlast.events import SteerReceived
from outlast.protocol import InputMessage
from outlast_worker.engine.exceptions import Cancelled
from unit.worker.engine.playing import play

CALL = answer("", ("find", "{}"))


def texts(steps: FakeSteps, call: int = -1) -> list[str]:
    """Return what the model was told."""
    return [str(m.content) for m in steps.calls[call].messages]


@pytest.mark.parametrize("during", ["pin", "model 1.1", "tool 1.0"])
async def test_heard_before_the_next_model_call(during: str) -> None:
    """A message is heard before the next model call, and its event has the id that was promised."""
    steps = FakeSteps(
        model=[CALL, answer("Done.")],
        tools={"1.0": result("found")},
        pinned=pinned("find"),
        said={during: [steering("faster")]},
    )
    run = await play(steps)
    assert "faster" in texts(steps, 0 if during == "pin" else 1)
    heard = [e.message for e in steps.events if isinstance(e, SteerReceived)]
    assert [(m.id, m.content) for m in heard] == [("in.0", "faster")]
    assert [m.id for m in run.messages or []].count("in.0") == 1


async def test_during_the_last_call() -> None:
    """A message that comes while the last answer is written gets an answer of its own."""
    steps = FakeSteps(
        model=[answer("Done."), answer("Also done.")], said={"model 1.1": [steering("and that")]}
    )
    run = await play(steps)
    assert (run.status, run.output, run.turn) == ("completed", "Also done.", 2)
    assert texts(steps)[-2:] == ["Done.", "and that"]


async def test_just_before_the_end() -> None:
    """A message that comes before the inbox is closed makes the run go on."""
    steps = FakeSteps(
        model=[answer("Done."), answer("Also done.")],
        last_words=[steering("one"), steering("two", 1)],
    )
    run = await play(steps)
    assert run.output == "Also done."
    assert texts(steps)[-2:] == ["one", "two"]


async def test_many_at_once() -> None:
    """Messages that come together are heard together, in order."""
    said = [steering(f"m{i}", i) for i in range(5)]
    steps = FakeSteps(model=[answer("Done."), answer("Yes.")], said={"model 1.1": said})
    await play(steps)
    assert texts(steps)[-5:] == ["m0", "m1", "m2", "m3", "m4"]
    assert len(steps.calls) == 2


async def test_while_it_backs_off() -> None:
    """A message does not cut a wait short, and is not lost in it."""
    steps = FakeSteps(
        model=[model_fault(5.0), answer("Done."), answer("Yes.")],
        said={"sleep": [steering("still there?")]},
    )
    run = await play(steps)
    assert steps.sleeps == [5.0]
    assert run.output == "Yes."


async def test_after_the_last_turn() -> None:
    """A message that comes when the turns are used up is kept in the conversation."""
    steps = FakeSteps(
        pinned=pinned(max_turns=1), model=[answer("Done.")], last_words=[steering("too late")]
    )
    run = await play(steps)
    assert (run.status, run.incomplete_reason) == ("incomplete", "max_turns")
    assert [m.content for m in run.messages or []][-1] == "too late"


@pytest.mark.parametrize("ending", ["failed", "cancelled"])
async def test_run_that_does_not_complete(ending: str) -> None:
    """A message that was taken stays in the conversation, however the run ends."""
    steps = FakeSteps(
        model=[model_fault(None, kind="model-rejected")],
        raising={"model 1.1": Cancelled()} if ending == "cancelled" else {},
        last_words=[steering("hello?")],
    )
    run = await play(steps)
    assert run.status == ending
    assert [m.content for m in run.messages or []][-1] == "hello?"


async def test_several_parts() -> None:
    """A message of several parts stays together; the last part has the promised id."""
    parts = [
        InputMessage(role="assistant", content="Shall I?"),
        InputMessage(role="user", content="Yes"),
    ]
    several = steering("").model_copy(update={"input": parts})
    steps = FakeSteps(model=[answer("Done."), answer("Ok.")], said={"model 1.1": [several]})
    run = await play(steps)
    last = (run.messages or [])[-3:-1]
    assert [(m.role, m.content) for m in last] == [("assistant", "Shall I?"), ("user", "Yes")]
    assert last[1].id == "in.0"
    assert len({m.id for m in run.messages or []}) == len(run.messages or [])


async def test_partial_answer_of_a_cancelled_run() -> None:
    """What a model had said when it was broken off stays; nobody knows its price."""
    steps = FakeSteps(raising={"model 1.1": Cancelled()}, partial="Half an ans")
    run = await play(steps)
    assert [(m.role, m.content) for m in run.messages or []][-1] == ("assistant", "Half an ans")
    completed = next(e for e in steps.events if e.type == "message.completed")
    assert completed.finish_reason == "cancelled"
    assert run.usage.cost_usd is None


async def test_no_partial_answer_after_the_model() -> None:
    """A run that is cancelled in a tool asks for no partial answer."""
    steps = FakeSteps(
        model=[CALL],
        pinned=pinned("find"),
        tools={"1.0": result("")},
        raising={"tool 1.0": Cancelled()},
    )
    await play(steps)
    assert "partial 1" not in steps.log


async def test_cancelled_again_while_it_finishes() -> None:
    """Whatever cuts the end, it is made up for: what was said and promised is kept."""
    steps = FakeSteps(
        raising={
            "model 1.1": Cancelled(),
            "partial 1": Cancelled(),
            "cancelled_at": Cancelled(),
            "close_inbox": Cancelled(),
        },
        partial="Half an ans",
        last_words=[steering("hello?")],
    )
    run = await play(steps)
    assert run.status == "cancelled"
    assert [m.content for m in run.messages or []][-2:] == ["Half an ans", "hello?"]
    assert steps.log.count("run.cancelled") == 1


async def test_too_much_is_said() -> None:
    """A run that could not be journaled any more ends, and leaves out what is too much."""
    said = [steering("x" * 9_000_000, index) for index in range(3)]
    steps = FakeSteps(model=[answer("Done.")], said={"model 1.1": said})
    run = await play(steps)
    assert run.error
    assert (run.status, run.error.type) == ("failed", "context-too-long")
    assert sum(len(str(m.content)) for m in run.messages or []) < 17_000_000
    assert "left out" in str((run.messages or [])[-1].content)


async def test_too_much_is_said_to_a_run_that_is_cancelled() -> None:
    """It ends as cancelled all the same: finishing never fails for its size."""
    said = [steering("x" * 9_000_000, index) for index in range(3)]
    steps = FakeSteps(raising={"model 1.1": Cancelled()}, last_words=said)
    run = await play(steps)
    assert (run.status, run.error) == ("cancelled", None)

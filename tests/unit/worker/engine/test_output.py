"""Answers that have to be something, and what a run makes of those that are not."""

import pytest

from fakes.orders import on_thread
from fakes.records import NOON, answer, pin, result, steering
from fakes.steps import FakeSteps
from outlast.events import OutputRejected
from outlast_worker.engine.exceptions import Cancelled
from outlast_worker.engine.records import OutputCheck, Pin, PinnedOutput
from outlast_worker.engine.salvage import salvage_messages
from unit.worker.engine.playing import assert_valid_for_a_model, play

GOOD = OutputCheck(at=NOON, output={"cents": 5})
BAD = OutputCheck(at=NOON, faults=["cents: Field required", "x: Extra"])


def asking(*tools: str, retries: int = 2) -> Pin:
    output = PinnedOutput(shape={"type": "object"}, is_wrapped=False, retries=retries)
    return pin(*tools).model_copy(update={"output": output})


async def test_an_answer_that_is_right() -> None:
    """The run's output is the parsed value; tools may be called before."""
    steps = FakeSteps(
        pinned=asking("find"),
        model=[answer("", ("find", "{}")), answer('{"cents": 5}')],
        tools={"1.0": result("{}")},
        outputs={"2": GOOD},
    )
    run = await play(steps)
    assert (run.status, run.output) == ("completed", {"cents": 5})
    assert [name for name in steps.log if name.startswith("output ")] == ["output 2"]


async def test_repair() -> None:
    """The model is told what is wrong, and answers again; watchers and the thread see it."""
    order = on_thread(metadata={})
    steps = FakeSteps(
        pinned=asking(),
        model=[answer("no"), answer("never"), answer('{"cents": 5}')],
        outputs={"1": BAD, "2": BAD, "3": GOOD},
    )
    run = await play(steps, order)
    assert (run.status, run.output, run.turn) == ("completed", {"cents": 5}, 3)
    told = str(steps.calls[1].messages[-1].content)
    assert "- cents: Field required\n- x: Extra" in told
    rejected = [event for event in steps.events if isinstance(event, OutputRejected)]
    assert [(event.turn, event.faults) for event in rejected] == [(1, BAD.faults), (2, BAD.faults)]
    salvaged = salvage_messages(order, steps.keep.runs[-1], steps.events, [])
    assert [m.content for m in salvaged] == [m.content for m in run.messages or []]


@pytest.mark.parametrize("retries", [0, 2])
async def test_no_end_of_wrong_answers(retries: int) -> None:
    """After so many retries the run fails, and says what was wrong with the last answer."""
    count = retries + 1
    steps = FakeSteps(
        pinned=asking(retries=retries),
        model=[answer("no")] * count,
        outputs={str(turn): BAD for turn in range(1, count + 1)},
    )
    run = await play(steps)
    assert run.error
    assert (run.status, run.error.type, run.output) == ("failed", "output-invalid", None)
    assert f"{count} times" in run.error.message
    assert "cents: Field required" in run.error.message
    assert_valid_for_a_model(run)


async def test_an_answer_that_was_cut_is_not_read() -> None:
    """One that is too long ends the run as ever: there is nothing that a model could mend."""
    steps = FakeSteps(pinned=asking(), model=[answer('{"ce', finish_reason="length")])
    run = await play(steps)
    assert (run.status, run.incomplete_reason) == ("incomplete", "output_length")
    assert not any(name.startswith("output ") for name in steps.log)


async def test_steering_while_it_is_read() -> None:
    """What is said meanwhile is heard before the run ends, and the next answer is read, too."""
    steps = FakeSteps(
        pinned=asking(),
        model=[answer("{}"), answer('{"cents": 5}')],
        outputs={"1": BAD.model_copy(update={"faults": None}), "2": GOOD},
        said={"output 1": [steering("in cents")]},
    )
    assert (await play(steps)).output == {"cents": 5}


async def test_cancelled_while_it_is_read() -> None:
    """A cancellation ends the run with what was said."""
    steps = FakeSteps(
        pinned=asking(),
        model=[answer("{}")],
        outputs={"1": GOOD},
        raising={"output 1": Cancelled()},
    )
    run = await play(steps)
    assert (run.status, run.output) == ("cancelled", None)
    assert_valid_for_a_model(run)

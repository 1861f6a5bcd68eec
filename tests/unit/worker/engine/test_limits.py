"""Where a run stops short, and how large it may become."""

import json

import pytest
from pydantic_core import to_json

from fakes.orders import order
from fakes.steps import FakeSteps, answer, pin, result, steering
from outlast.protocol import Limits
from outlast_worker.engine.limits import MAX_RUN_BYTES, RunSize
from unit.worker.engine.playing import (
    assert_valid_for_a_model,
    play,
)


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


async def test_what_is_left_out_is_not_counted() -> None:
    """After a result that was too much, small ones that fit are told to the model."""
    large, small = "x" * 9_000_000, "y" * 100
    steps = FakeSteps(
        model=[
            answer("", ("f", "{}"), ("f", "{}"), ("f", "{}")),
            answer("", ("f", "{}")),
            answer("Done."),
        ],
        tools={
            "1.0": result(large),
            "1.1": result(large),
            "1.2": result(small),
            "2.0": result(small),
        },
        pinned=pin("f"),
    )
    run = await play(steps)
    first, second, third, fourth = [m for m in run.messages or [] if m.role == "tool"]
    assert (first.content, first.is_error) == (large, False)
    assert "left out" in str(second.content)
    assert second.is_error
    assert [(m.content, m.is_error) for m in (third, fourth)] == [(small, False)] * 2
    assert (run.status, run.output) == ("completed", "Done.")


async def test_steering_after_a_result_that_was_left_out() -> None:
    """What was left out does not end a run that still has room for what is said to it."""
    large = "x" * 9_000_000
    steps = FakeSteps(
        model=[answer("", ("f", "{}"), ("f", "{}")), answer("Done.")],
        tools={"1.0": result(large), "1.1": result(large)},
        pinned=pin("f"),
        said={"tool 1.1": [steering("and hurry")]},
    )
    run = await play(steps)
    assert (run.status, run.output) == ("completed", "Done.")
    assert "and hurry" in [m.content for m in run.messages or []]


def test_a_question_counts_nothing() -> None:
    """Asking whether there is room takes none."""
    size = RunSize()
    half = "x" * (MAX_RUN_BYTES // 2)
    assert [size.has_room_for(half) for _ in range(5)] == [True] * 5
    size.count_content(half)
    assert not size.has_room_for(half)  # its quotation marks are counted, too
    assert size.has_room_for(half[:-10])

"""Prompts that no model takes, and summaries that can't be had."""

from typing import Any

import pytest

from fakes.orders import on_thread
from fakes.records import answer, cut, model_fault, pin, result
from fakes.steps import FakeSteps
from outlast.protocol import Usage
from unit.worker.engine.compacting import (
    HISTORY,
    LONG,
    TOO_LONG,
    asked,
    compacted,
    counted,
    pinned,
    policy,
)
from unit.worker.engine.playing import play

# A provider that refuses.


async def test_a_provider_says_that_it_is_too_long() -> None:
    """What no model takes is summed up, whatever was counted, and asked again."""
    steps = FakeSteps(
        model=[TOO_LONG, answer("Done.")],
        cuts=[cut()],
        pinned=pin(compaction=policy(windows={})),
        history=HISTORY,
        mark=LONG.model_copy(update={"tokens": None}),
    )
    run = await play(steps, on_thread())
    assert (run.status, asked(steps)) == ("completed", [None, 4])
    assert steps.compacts[0].is_urgent
    assert compacted(steps)[0].tokens_before == 1_000  # nobody has counted: as it was estimated
    assert all(message.refused is None for message in run.messages or [])


async def test_other_models_are_asked_first() -> None:
    """Where another model takes it all, nothing is left out."""
    steps = FakeSteps(
        model=[TOO_LONG, answer("Done.")],
        pinned=pin(compaction=policy(), fallbacks=["groq/large"]),
        history=HISTORY,
        mark=LONG.model_copy(update={"tokens": 100}),
    )
    await play(steps, on_thread())
    assert not steps.compacts
    assert [call.model for call in steps.calls] == ["openai/x", "groq/large"]


async def test_too_long_for_all_models() -> None:
    """All of them are asked again of what is shorter, the first one first."""
    steps = FakeSteps(
        model=[TOO_LONG, TOO_LONG, answer("Done.")],
        cuts=[cut()],
        pinned=pin(compaction=policy(), fallbacks=["groq/large"]),
        history=HISTORY,
        mark=LONG.model_copy(update={"tokens": 100}),
    )
    await play(steps, on_thread())
    assert [call.model for call in steps.calls] == ["openai/x", "groq/large", "openai/x"]


async def test_what_stays_too_long_fails_as_before() -> None:
    """After a few times the run fails, and its input is marked: later runs are not stuck."""
    steps = FakeSteps(
        model=[TOO_LONG] * 9,
        cuts=[cut(4), cut(5), cut(6)],
        pinned=pinned(),
        history=HISTORY,
        mark=LONG.model_copy(update={"tokens": 100}),
    )
    run = await play(steps, on_thread())
    assert run.error is not None
    assert (run.error.type, asked(steps)) == ("context-too-long", [None, 4, 5, 6])
    assert [message.refused for message in run.messages or []] == ["context-too-long"]


# A summary that can't be had.


@pytest.mark.parametrize("how", ["away", "refuses", "of no use"])
async def test_without_a_summary_the_run_goes_on(how: str) -> None:
    """What still fits stays as it is, and is not looked at again before it has grown."""
    away, refuses = model_fault(60), model_fault(None, kind="model-auth")
    outcomes: dict[str, Any] = {"away": away, "refuses": refuses, "of no use": cut(0)}
    turns = [counted("", 720, ("find", "{}")), answer("Done.")]
    steps = FakeSteps(
        model=turns,
        tools={"1.0": result("a")},
        cuts=[outcomes[how]],
        pinned=pinned(),
        history=HISTORY,
        mark=LONG,
    )
    run = await play(steps, on_thread())
    assert (run.status, asked(steps), compacted(steps)) == ("completed", [None, None], [])
    assert len(steps.compacts) == 1
    assert not steps.sleeps


async def test_a_summary_is_waited_for_a_little() -> None:
    """A model that is busy for a moment is asked again, and people see what is waited for."""
    steps = FakeSteps(
        model=[answer("Done.")],
        cuts=[model_fault(1), model_fault(2), cut()],
        pinned=pinned(),
        history=HISTORY,
        mark=LONG,
    )
    await play(steps, on_thread())
    assert (steps.sleeps, asked(steps)) == ([1, 2], [4])
    assert any(run.waiting and run.waiting.kind == "model" for run in steps.keep.runs)
    assert steps.keep.runs[-1].waiting is None


async def test_without_a_summary_what_does_not_fit_is_left_out() -> None:
    """In this run alone: the thread's next one may have it summed up."""
    refuses = model_fault(None, kind="model-auth")
    steps = FakeSteps(
        model=[TOO_LONG, answer("Done.")],
        cuts=[refuses, cut(text="…", usage=Usage(cost_usd=0.0))],
        pinned=pinned(),
        history=HISTORY,
        mark=LONG.model_copy(update={"tokens": 100}),
    )
    run = await play(steps, on_thread())
    assert (run.status, asked(steps)) == ("completed", [None, 4])
    assert [compact.how for compact in steps.compacts] == ["summary", "window"]
    assert compacted(steps)[0].how == "window"
    [left] = steps.thread.left
    assert (left.stand_in, left.tokens) == (None, None)


async def test_a_summary_of_what_was_left_out_does_not_last() -> None:
    """It lacks what its model has not read, so that it is this run's alone, too."""
    refuses = model_fault(None, kind="model-auth")
    turns = [TOO_LONG, counted("", 900, ("find", "{}")), answer("Done.")]
    steps = FakeSteps(
        model=turns,
        tools={"1.0": result("a")},
        cuts=[refuses, cut(4), cut(8)],
        pinned=pinned(),
        history=HISTORY,
        mark=LONG.model_copy(update={"tokens": 100}),
    )
    await play(steps, on_thread())
    assert asked(steps) == [None, 4, 8]
    assert steps.thread.left[0].stand_in is None


async def test_the_agents_own_model_sums_up_where_the_other_one_can_not() -> None:
    """`compaction_model` is asked first."""
    refuses = model_fault(None, kind="model-auth")
    steps = FakeSteps(
        model=[answer("Done.")],
        cuts=[refuses, cut()],
        pinned=pin(compaction=policy(model="groq/small")),
        history=HISTORY,
        mark=LONG,
    )
    await play(steps, on_thread())
    assert [compact.call.model for compact in steps.compacts] == ["groq/small", "openai/x"]


async def test_what_is_too_long_to_sum_up_is_read_in_part() -> None:
    """The model that sums up gets half as much each time it refuses, and no other is bothered."""
    steps = FakeSteps(
        model=[answer("Done.")],
        cuts=[TOO_LONG, TOO_LONG, cut()],
        pinned=pinned(),
        history=HISTORY,
        mark=LONG,
    )
    await play(steps, on_thread())
    assert [compact.halvings for compact in steps.compacts] == [0, 1, 2]
    assert not steps.sleeps

"""Which model is asked next when one fails: durable, bounded, and the same on every replay."""

from collections.abc import Sequence
from typing import Any

import pytest

from fakes.records import answer, model_fault, pin, result
from fakes.steps import FakeSteps
from outlast.events import ModelFallback
from outlast.protocol import Run, RunErrorType, Usage
from outlast_worker.engine.records import ModelOutcome
from unit.worker.engine.playing import play

A, B, C = "openai/x", "anthropic/y", "groq/z"


async def played(
    *model: ModelOutcome, fallbacks: Sequence[str] = (B, C), **pinned: Any
) -> tuple[Run, FakeSteps]:
    steps = FakeSteps(
        pinned=pin("f", fallbacks=fallbacks, **pinned),
        model=model,
        tools={"1.0": result("{}", at_s=30)},
    )
    return await play(steps), steps


def asked(steps: FakeSteps) -> list[tuple[str, int]]:
    return [(call.model, call.attempt) for call in steps.calls]


@pytest.mark.parametrize(
    "kind",
    [
        "model-auth",
        "model-not-found",
        "model-unavailable",
        "model-rejected",
        "model-malformed",
        "context-too-long",
    ],
)
async def test_a_model_that_refuses(kind: RunErrorType) -> None:
    """The next one is asked at once, and watchers learn which and why."""
    run, steps = await played(model_fault(None, kind=kind), answer("Done.", at_s=4))
    assert (run.status, run.output) == ("completed", "Done.")
    assert asked(steps) == [(A, 1), (B, 1)]
    assert steps.sleeps == []
    [fallback] = [event for event in steps.events if isinstance(event, ModelFallback)]
    assert (fallback.turn, fallback.model, fallback.instead_of) == (1, B, A)
    assert fallback.error.type == kind
    assert all(said.refused is None for said in run.messages or [])


async def test_a_model_that_is_away_for_a_moment() -> None:
    """It is asked again before another one is."""
    run, steps = await played(model_fault(5), model_fault(10, at_s=9), answer("Done.", at_s=20))
    assert run.output == "Done."
    assert asked(steps) == [(A, 1), (A, 2), (A, 3)]
    assert steps.sleeps == [5.0, 10.0]


async def test_a_model_that_stays_away() -> None:
    """Once it took its time, the next one is asked without a further wait."""
    faults = [model_fault(14, at_s=at_s) for at_s in (2, 17, 32)]
    run, steps = await played(*faults, answer("Done.", at_s=40))
    assert run.output == "Done."
    assert asked(steps) == [(A, 1), (A, 2), (A, 3), (B, 1)]
    assert steps.sleeps == [14.0, 14.0]


async def test_a_call_that_took_all_its_time() -> None:
    """A model that fell silent for ten minutes is not given ten more while there is another."""
    silent = model_fault(0.5, at_s=602).model_copy(
        update={"started_at": model_fault(1, at_s=3).started_at}
    )
    run, steps = await played(silent, answer("Done.", at_s=610), model_retry_for_s=600)
    assert run.output == "Done."
    assert asked(steps) == [(A, 1), (B, 1)]


async def test_a_long_wait_is_not_waited_for() -> None:
    """A model that says to come back in an hour is left at once."""
    run, steps = await played(model_fault(3600), answer("Done.", at_s=4))
    assert run.output == "Done."
    assert (asked(steps), steps.sleeps) == ([(A, 1), (B, 1)], [])


async def test_all_are_away() -> None:
    """The one that is free first is asked next, and the run waits for it durably."""
    run, steps = await played(
        model_fault(90), model_fault(40, at_s=4), model_fault(100, at_s=6), answer("Done.", at_s=60)
    )
    assert run.output == "Done."
    assert asked(steps) == [(A, 1), (B, 1), (C, 1), (B, 1)]
    # C took no time of the turn: it was its first call.
    assert steps.sleeps == [40.0]


async def test_away_for_too_long() -> None:
    """They go round for as long as one model would be tried, then the run fails, retryable."""
    run, steps = await played(
        *(model_fault(40, at_s=2 + 42 * n) for n in range(6)),
        fallbacks=[B],
        model_retry_for_s=100,
    )
    assert run.status == "failed"
    assert run.error is not None
    assert (run.error.type, run.error.retryable) == ("model-unavailable", True)
    assert asked(steps)[:3] == [(A, 1), (B, 1), (A, 1)]
    assert sum(steps.sleeps) <= 100


async def test_all_refuse() -> None:
    """The error is that of the agent's own model, and tells of the others."""
    run, _ = await played(
        model_fault(None, kind="context-too-long"),
        model_fault(None, kind="model-auth", at_s=4),
        fallbacks=[B],
    )
    assert run.error is not None
    assert (run.error.type, run.error.retryable) == ("context-too-long", False)
    assert A in run.error.message
    assert B in run.error.message
    assert [said.refused for said in run.messages or []] == ["context-too-long"]


async def test_one_refuses_and_one_is_away() -> None:
    """A fallback that can't be called does not keep the run from waiting for its own model."""
    run, steps = await played(
        model_fault(60),
        model_fault(None, kind="model-auth", at_s=4),
        answer("Done.", at_s=70),
        fallbacks=[B],
    )
    assert run.output == "Done."
    assert asked(steps) == [(A, 1), (B, 1), (A, 1)]
    assert steps.sleeps == [60.0]


async def test_the_run_stays_with_the_model_that_answered() -> None:
    """The next turn asks it first; if it fails there, the first one gets another chance."""
    run, steps = await played(
        model_fault(None, kind="model-auth"),
        answer("", ("f", "{}"), at_s=4),
        model_fault(None, kind="model-unavailable", at_s=40),
        model_fault(None, kind="model-auth", at_s=42),
        answer("Done.", at_s=44),
        fallbacks=[B, C],
    )
    assert run.output == "Done."
    assert [model for model, _ in asked(steps)] == [A, B, B, C, A]


@pytest.mark.parametrize("asked_for", [False, True])
async def test_what_a_filter_refuses(asked_for: bool) -> None:
    """Another provider is asked for what one's filter refuses only if the agent says so."""
    run, steps = await played(
        model_fault(None, kind="content-policy"),
        answer("Done.", at_s=4),
        fallback_on_refusal=asked_for,
    )
    assert run.status == ("completed" if asked_for else "failed")
    assert len(steps.calls) == (2 if asked_for else 1)


@pytest.mark.parametrize("asked_for", [False, True])
async def test_a_filtered_answer(asked_for: bool) -> None:
    """So it is with an answer that the filter cut; it is paid for all the same."""
    paid = Usage(input_tokens=5, model_calls=1, cost_usd=0.25)
    run, steps = await played(
        answer("I", finish_reason="content_filter", usage=paid),
        answer("Done.", at_s=4, usage=paid),
        fallback_on_refusal=asked_for,
    )
    assert run.status == ("completed" if asked_for else "incomplete")
    assert len(steps.calls) == (2 if asked_for else 1)
    assert run.usage.cost_usd == (0.5 if asked_for else 0.25)


async def test_malformed_answers_are_counted_by_model() -> None:
    """A model begins anew, with its own three tries."""
    malformed = [model_fault(1, kind="model-malformed", at_s=2 * n) for n in (1, 2)]
    last = model_fault(None, kind="model-malformed", at_s=8)
    run, steps = await played(*malformed, last, answer("Done.", at_s=10))
    assert run.output == "Done."
    assert [(call.model, call.malformed) for call in steps.calls] == [
        (A, 0),
        (A, 1),
        (A, 2),
        (B, 0),
    ]

"""Where a run stops short, and how large it may become."""

import json
from dataclasses import replace
from typing import Any

import pytest
from pydantic_core import to_json

from fakes.records import NOON, after, answer, decided, model_fault, pin, result, steering
from fakes.steps import FakeSteps
from outlast.protocol import Resolution, Usage
from outlast_worker.engine.exceptions import Cancelled
from outlast_worker.engine.run_size import MAX_RUN_BYTES, RunSize
from unit.worker.engine.playing import assert_valid_for_a_model, play

USED = Usage(input_tokens=60, output_tokens=40, model_calls=1, cost_usd=0.1)


def busy(turns: int, *calls: str, usage: Usage = USED, **limits: Any) -> FakeSteps:
    """Return a run that would go on for ever, of which so many turns are scripted.

    Each turn takes ten seconds; of its calls, `bad` ones have arguments that nobody can read.
    """
    return FakeSteps(
        pinned=pin("f", **limits),
        model=[
            answer(
                f"Turn {turn}",
                *[("f", "{" if call == "bad" else "{}") for call in calls or ("ok",)],
                at_s=10 * turn,
                usage=usage,
            )
            for turn in range(1, turns + 1)
        ],
        tools={
            f"{turn}.{index}": result("{}", at_s=10 * turn + 1)
            for turn in range(1, turns + 1)
            for index in range(len(calls) or 1)
        },
    )


@pytest.mark.parametrize(
    ("limits", "turns"),
    [
        ({"max_turns": 2}, 2),
        ({"max_tokens": 200}, 2),
        ({"max_tokens": 201}, 3),
        ({"max_cost_usd": 0.25}, 3),
        ({"max_duration_s": 20}, 2),  # it begins after 1 s, and its second turn ends after 21
        ({"max_duration_s": 20.1}, 3),
        ({"max_turns": 1, "max_tokens": 100}, 1),
    ],
    ids=str,
)
async def test_limits(limits: dict[str, Any], turns: int) -> None:
    """A run stops before the turn for which nothing is left; what was in flight is finished."""
    steps = busy(turns, **limits)
    run = await play(steps)
    reason = next(iter(limits))
    assert (run.status, run.incomplete_reason, run.turn) == ("incomplete", reason, turns)
    assert run.output == f"Turn {turns}"
    assert run.usage.tool_calls == turns
    assert steps.events[-1].type == "run.incomplete"
    assert_valid_for_a_model(run)


async def test_an_answer_counts_whatever_it_used() -> None:
    """A run whose answer has passed a limit has its answer: it is completed."""
    steps = FakeSteps(pinned=pin(max_tokens=1), model=[answer("Done.", usage=USED)])
    assert (await play(steps)).status == "completed"


@pytest.mark.parametrize(
    ("most", "turns", "refused"),
    [(4, 2, []), (3, 2, ["2.1"]), (1, 1, ["1.1"]), (2, 2, ["2.0", "2.1"])],
)
async def test_max_tool_calls(most: int, turns: int, refused: list[str]) -> None:
    """So many calls are carried out, in the order in which the model named them, and no more."""
    steps = busy(3, "ok", "ok", max_tool_calls=most, max_turns=2)
    run = await play(steps)
    reason = "max_tool_calls" if refused else "max_turns"
    assert (run.incomplete_reason, run.turn) == (reason, turns)
    assert run.usage.tool_calls == most
    told = [m for m in run.messages or [] if m.role == "tool" and m.call_id in refused]
    assert len(told) == len(refused)
    assert all(m.is_error and f"{most} tool calls" in str(m.content) for m in told)
    assert_valid_for_a_model(run)


async def test_calls_that_never_run_are_not_counted() -> None:
    """A call that nobody can read is told to the model, and takes none of those that may run."""
    steps = busy(1, "bad", "ok", max_tool_calls=1, max_turns=1)
    run = await play(steps)
    assert (run.incomplete_reason, run.usage.tool_calls) == ("max_turns", 1)


async def test_waiting_for_people_is_not_work() -> None:
    """Days in which a run waited for a decision are not counted to its time."""
    steps = FakeSteps(
        pinned=pin("?f", max_duration_s=30),
        model=[answer("", ("f", "{}")), answer("Done.", at_s=7 * 24 * 3600 + 5)],
        tools={"1.0": result("{}", at_s=7 * 24 * 3600 + 2)},
        decisions={"1.0": decided("1.0", at_s=7 * 24 * 3600)},
    )
    assert (await play(steps)).status == "completed"


async def test_no_time_to_ask_again() -> None:
    """A run whose time would be over while it waits to ask the model again stops at once."""
    steps = FakeSteps(pinned=pin(max_duration_s=60), model=[model_fault(60)])
    run = await play(steps)
    assert (run.status, run.incomplete_reason) == ("incomplete", "max_duration_s")
    assert steps.sleeps == []


async def test_a_cost_that_is_lost() -> None:
    """A run whose cost is limited ends when nobody can say any more what it has cost."""
    run = await play(busy(1, usage=Usage(model_calls=1, cost_usd=None), max_cost_usd=1))
    assert run.error
    assert (run.status, run.error.type) == ("failed", "price-unknown")
    assert "MODEL_PRICES" in run.error.message
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


def raised(number: int, at_s: float, **limits: float) -> dict[str, Resolution]:
    decision = {"approval_id": f"limit{number}", "action": "raise", "at": after(at_s)}
    return {f"limit{number}": Resolution.model_validate({**decision, "limits": limits})}


def stopped(number: int) -> dict[str, Resolution]:
    return {f"limit{number}": Resolution(approval_id=f"limit{number}", action="stop", at=NOON)}


async def test_a_limit_that_is_raised() -> None:
    """A person may let the run go on, to a further limit; who asks is the run, not a call."""
    steps = busy(3, max_turns=1, on_limit="approve")
    steps.decisions = {**raised(1, 30, max_turns=3), **stopped(2)}
    run = await play(steps)
    assert (run.status, run.incomplete_reason, run.turn) == ("incomplete", "max_turns", 3)
    first, second = run.approvals
    assert (first.id, first.name, first.reason, first.call_id) == (
        *("limit1", "max_turns", "limit", None),
    )
    assert "max_turns = 1" in str(first.question)
    assert "max_turns = 3" in str(second.question)
    assert steps.log.count("save waiting") == 2


@pytest.mark.parametrize("limits", [{"max_tokens": 10**6}, {"max_turns": 1}])
async def test_a_limit_that_is_not_raised_far_enough(limits: dict[str, float]) -> None:
    """Where the decision changes nothing, the person is asked again."""
    steps = busy(1, max_turns=1, on_limit="approve")
    steps.decisions = {**raised(1, 30, **limits), **stopped(2)}
    assert [approval.id for approval in (await play(steps)).approvals] == ["limit1", "limit2"]


@pytest.mark.parametrize(("decision", "ran"), [("raise", 2), ("stop", 1)])
async def test_more_calls_than_allowed(decision: str, ran: int) -> None:
    """The person is asked before any of the turn's calls runs."""
    steps = busy(1, "ok", "ok", max_tool_calls=1, max_turns=1, on_limit="approve")
    more = raised(1, 30, max_tool_calls=2) if decision == "raise" else stopped(1)
    steps.decisions = {**more, **stopped(2)}
    run = await play(steps)
    assert run.usage.tool_calls == ran
    assert steps.log.index("approval.resolved") < steps.log.index("tool_call.started")
    assert_valid_for_a_model(run)


async def test_a_model_that_is_waited_for_longer() -> None:
    """A run that is given more time goes on to wait for its model."""
    steps = FakeSteps(
        pinned=pin(max_duration_s=5, on_limit="approve"),
        model=[model_fault(6), answer("Done.", at_s=20)],
        decisions=raised(1, 10, max_duration_s=60),
    )
    assert (await play(steps)).output == "Done."
    assert steps.sleeps == [6]


@pytest.mark.parametrize("at", ["decision limit1", "close_decision limit1"])
async def test_cancelled_while_a_limit_waits(at: str) -> None:
    """A cancellation withdraws the question, and each call has a result that says it never ran."""
    steps = replace(
        busy(1, "ok", "ok", max_tool_calls=1, on_limit="approve"),
        decisions=stopped(1),
        raising={"decision limit1": Cancelled(), at: Cancelled()},
    )
    run = await play(steps)
    assert (run.status, run.usage.tool_calls) == ("cancelled", 0)
    [approval] = run.approvals
    assert approval.resolution
    assert approval.resolution.action == "stop"
    results = [m for m in run.messages or [] if m.role == "tool"]
    assert all("before this call was run" in str(m.content) for m in results)
    assert_valid_for_a_model(run)


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

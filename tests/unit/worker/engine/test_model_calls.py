"""Model calls that fail: waited out, tried again, or the end of the run."""

import pytest

from fakes.orders import order
from fakes.records import after, answer, model_fault, pin, result
from fakes.steps import FakeSteps
from outlast.protocol import Engine, RunError, RunErrorType
from unit.worker.engine.playing import play

FAILURE = "model-unavailable: no answer"


async def test_a_fault_is_waited_out() -> None:
    """After a fault that may pass the run sleeps durably and asks again, as the next attempt."""
    steps = FakeSteps(model=[model_fault(2.5), model_fault(4, at_s=6), answer("Done.", at_s=12)])
    run = await play(steps)
    assert (run.status, run.output) == ("completed", "Done.")
    assert steps.sleeps == [2.5, 4.0]
    assert [(call.turn, call.attempt) for call in steps.calls] == [(1, 1), (1, 2), (1, 3)]
    assert run.usage.model_calls == 1
    assert [event.type for event in steps.events].count("turn.started") == 1
    said = [(shown.turn, shown.engine) for shown in steps.keep.runs if shown.engine]
    assert said == [
        (1, Engine(attempts=1, last_failure=FAILURE, next_retry_at=after(4.5))),
        (1, Engine(attempts=2, last_failure=FAILURE, next_retry_at=after(10))),
    ]
    assert run.engine is None


async def test_malformed_answers_are_counted_alone() -> None:
    """A provider that was away for a while does not use up the tries of an answer."""
    kinds: list[RunErrorType] = ["model-unavailable", "model-malformed"] * 2
    faults = [model_fault(1, kind=kind, at_s=2 * at) for at, kind in enumerate(kinds, start=1)]
    steps = FakeSteps(model=[*faults, answer("Done.", at_s=20)])
    assert (await play(steps)).status == "completed"
    assert [call.malformed for call in steps.calls] == [0, 0, 1, 1, 2]


async def test_the_budget_of_retries() -> None:
    """When the next attempt would begin past the budget, the run fails with the last error."""
    steps = FakeSteps(
        pinned=pin(model_retry_for_s=10),
        model=[model_fault(5, at_s=2), model_fault(5, kind="model-malformed", at_s=8)],
    )
    run = await play(steps)
    assert steps.sleeps == [5.0]
    assert run.status == "failed"
    assert run.error == RunError(type="model-malformed", message="no answer", retryable=True)
    assert steps.events[-1].type == "run.failed"


async def test_a_call_that_took_all_the_time() -> None:
    """Even a first call that used up the whole budget is tried again; a second one is not."""
    slow = [
        model_fault(5, at_s=at_s).model_copy(update={"started_at": after(at_s - 600)})
        for at_s in (600, 1205)
    ]
    steps = FakeSteps(pinned=pin(model_retry_for_s=600), model=slow)
    run = await play(steps)
    assert (run.status, len(steps.calls)) == ("failed", 2)


async def test_a_clock_that_is_set_is_no_time_tried() -> None:
    """What counts is how long calls and waits took, however the clock jumps between them."""
    steps = FakeSteps(
        pinned=pin(model_retry_for_s=10),
        model=[model_fault(3, at_s=2), model_fault(3, at_s=5000), answer("Done.", at_s=7)],
    )
    run = await play(steps)
    assert (run.status, steps.sleeps) == ("completed", [3.0, 3.0])


async def test_the_budget_is_of_one_turn() -> None:
    """Time that earlier turns took does not count for the retries of a later one."""
    steps = FakeSteps(
        pinned=pin(model_retry_for_s=10),
        model=[
            answer("", ("f", "{}"), at_s=2),
            model_fault(5, at_s=1000),
            answer("Done.", at_s=1010),
        ],
        tools={"1.0": result("{}", at_s=990)},
    )
    assert (await play(steps)).status == "completed"


async def test_a_name_for_the_conversation() -> None:
    """All calls of one have the same, which says nothing of it; other conversations have others."""
    keys: list[str] = []
    for thread_id in ("ana", "ben", None):
        steps = FakeSteps(
            model=[answer("", ("f", "{}")), answer("Done.")], tools={"1.0": result("{}")}
        )
        await play(steps, order(thread_id=thread_id))
        [key] = {call.cache_key for call in steps.calls}
        assert "ana" not in key
        keys.append(key)
    assert len(set(keys)) == 3
    assert all(len(key) == 32 for key in keys)


async def test_a_fault_that_stays() -> None:
    """A fault that no retry can mend ends the run at once, with its error."""
    steps = FakeSteps(model=[model_fault(None, kind="model-auth")])
    run = await play(steps)
    assert (run.status, run.turn) == ("failed", 1)
    assert run.error == RunError(type="model-auth", message="no answer", retryable=False)
    assert steps.sleeps == []
    assert [m.content for m in run.messages or []] == ["Where is my order?"]


@pytest.mark.parametrize("kind", ["content-policy", "context-too-long", "model-rejected"])
async def test_what_a_provider_refuses(kind: RunErrorType) -> None:
    """What no model has answered yet is marked, so that later runs don't fail on it again."""
    steps = FakeSteps(
        model=[answer("", ("f", "{}")), model_fault(None, kind=kind)],
        tools={"1.0": result("{}")},
    )
    run = await play(steps)
    assert [(said.role, said.refused) for said in run.messages or []] == [
        ("user", None),
        ("assistant", None),
        ("tool", kind),
    ]


@pytest.mark.parametrize("kind", ["model-auth", "model-not-found", "model-unavailable", "internal"])
async def test_what_is_not_the_messages_fault(kind: RunErrorType) -> None:
    """After any other fault the next run says it again."""
    run = await play(FakeSteps(model=[model_fault(None, kind=kind)]))
    assert [said.refused for said in run.messages or []] == [None]


async def test_a_pause() -> None:
    """A provider that pauses in the middle of its work is asked for the rest."""
    steps = FakeSteps(model=[answer("One moment.", finish_reason="pause"), answer("Done.")])
    run = await play(steps)
    assert (run.status, run.output, run.turn) == ("completed", "Done.", 2)

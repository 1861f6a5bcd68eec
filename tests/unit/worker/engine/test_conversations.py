"""A run that goes on with a conversation which its worker may remember."""

import pytest

from fakes.orders import on_thread
from fakes.records import answer, model_fault, result
from fakes.steps import FakeSteps
from outlast.contract import ConversationMark
from outlast_worker.engine.exceptions import Cancelled, StepFailed
from outlast_worker.engine.records import Forgotten, ModelOutcome
from unit.worker.engine.playing import TWO_CALLS, assert_valid_for_a_model, play, remembered

MARK = ConversationMark(digest="d", messages=2, bytes=100)
HISTORY = [remembered("user", "Hi."), remembered("assistant", "Hello.")]
RESULTS = {"1.0": result("first"), "1.1": result("second")}


def asked(steps: FakeSteps) -> list[tuple[bool, int]]:
    """Return, of each call, whether the worker had to remember, and how much it was told."""
    return [(call.unread is not None, len(call.messages)) for call in steps.calls]


async def test_nothing_is_read_that_the_worker_remembers() -> None:
    """Each call names the conversation, and says what the run has added."""
    steps = FakeSteps(model=[TWO_CALLS, answer("Done.")], tools=RESULTS, history=HISTORY, mark=MARK)
    await play(steps, on_thread())
    assert "read_conversation" not in steps.log
    assert asked(steps) == [(True, 1), (True, 4)]
    assert all(call.unread == MARK for call in steps.calls)


@pytest.mark.parametrize("at", [0, 1])
async def test_what_is_forgotten_is_read_once(at: int) -> None:
    """A worker that remembers nothing says so; then the run reads, and asks again."""
    outcomes: list[ModelOutcome] = [TWO_CALLS, answer("Done.")]
    outcomes.insert(at, Forgotten())
    steps = FakeSteps(model=outcomes, tools=RESULTS, history=HISTORY, mark=MARK)
    run = await play(steps, on_thread())
    assert (run.status, run.usage.model_calls) == ("completed", 2)
    assert steps.log.count("read_conversation") == 1
    assert (
        asked(steps)
        == [[(True, 1), (False, 3), (False, 6)], [(True, 1), (True, 4), (False, 6)]][at]
    )
    assert [call.attempt for call in steps.calls] == [1, 1, 1]
    assert_valid_for_a_model(run)


async def test_a_fault_after_what_was_forgotten() -> None:
    """What was read stays for the next attempt; what was forgotten is no attempt."""
    steps = FakeSteps(
        model=[Forgotten(), model_fault(1), answer("Done.")], history=HISTORY, mark=MARK
    )
    await play(steps, on_thread())
    assert asked(steps) == [(True, 1), (False, 3), (False, 3)]
    assert [call.attempt for call in steps.calls] == [1, 1, 2]


async def test_what_is_not_known_is_read_at_once() -> None:
    """Without a mark the run reads before it asks."""
    steps = FakeSteps(model=[answer("Done.")], history=HISTORY)
    await play(steps, on_thread())
    assert steps.log[:2] == ["acquire_thread", "read_conversation"]
    assert asked(steps) == [(False, 3)]


@pytest.mark.parametrize(
    ("error", "status"),
    [(Cancelled(), "cancelled"), (StepFailed("too long", 413), "failed")],
    ids=["cancel", "refusal"],
)
async def test_the_reading_is_cut(error: Exception, status: str) -> None:
    """A run that can't read what was said ends, adds its input, and leaves the thread."""
    steps = FakeSteps(
        model=[Forgotten()], history=HISTORY, mark=MARK, raising={"read_conversation": error}
    )
    run = await play(steps, on_thread())
    assert run.status == status
    [(items, _)] = steps.thread.released
    assert [item.role for item in items] == ["user"]
    assert len(steps.calls) == 1

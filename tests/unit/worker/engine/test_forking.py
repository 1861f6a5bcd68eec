"""Where a run can be gone on from, and how a fork goes on."""

from typing import Any

import pytest

from fakes.orders import on_thread, order
from fakes.records import after, answer, model_fault, pin, result, steering
from fakes.steps import FakeSteps
from outlast.contract import RunOrder
from outlast.protocol import ForkedFrom, Limits, Run
from outlast_worker.engine.exceptions import Cancelled, StepFailed
from outlast_worker.engine.forking import messages_after_turn, turns_of
from outlast_worker.engine.loop import AgentLoop
from outlast_worker.engine.records import ForkSource, PinFailure
from outlast_worker.engine.run_size import MAX_RUN_BYTES
from unit.worker.engine.playing import TWO_CALLS, play, remembered, script_with_tools

SOURCE = f"support.{'b' * 26}"
HISTORY = [remembered("user", "Hi."), remembered("assistant", "Hello.")]
KEPT = pin("refund")


def fork(**changes: Any) -> RunOrder:
    definition = changes.pop("definition", "pinned")
    forked = ForkedFrom(run_id=SOURCE, after_turn=1, definition=definition)
    return order(**{"forked_from": forked, **changes})


def forked(**script: Any) -> FakeSteps:
    source = ForkSource(history=HISTORY, pin=KEPT)
    return FakeSteps(**{"model": [answer("Done.")], "forked": source, **script})


async def played(**script: Any) -> tuple[FakeSteps, Run]:
    steps = script_with_tools(**script)
    return steps, await AgentLoop(steps, order()).run()


# Where.


async def test_turns() -> None:
    """Each turn that has ended is whole; what was said by then is what the next one was asked."""
    steps, run = await played()
    turns = turns_of(steps.events)
    assert turns.last_whole == 2
    assert [turns.is_whole(turn) for turn in (0, 1, 2, 3)] == [True, True, True, False]
    for turn in (0, 1):
        said = messages_after_turn(order(), run, steps.events, turn)
        asked = steps.calls[turn].messages
        assert [m.id for m in said] == [m.id for m in asked]
        assert [m.content for m in said] == [m.content for m in asked]
    last = messages_after_turn(order(), run, steps.events, 2)
    assert [m.id for m in last] == [m.id for m in run.messages or []]


async def test_what_was_said_in_between() -> None:
    """A message that the next turn was to hear belongs to what was said before it."""
    steps, run = await played(said={"tool 1.1": [steering("Hurry.")]})
    said = messages_after_turn(order(), run, steps.events, 1)
    assert [m.content for m in said][-1] == "Hurry."
    assert [m.id for m in said] == [m.id for m in steps.calls[1].messages]


async def test_a_turn_that_failed() -> None:
    """A turn without an answer is none to go on from; the one before it is."""
    steps = FakeSteps(
        model=[TWO_CALLS, model_fault(None)],
        tools={"1.0": result("first"), "1.1": result("second")},
    )
    run = await AgentLoop(steps, order()).run()
    assert run.status == "failed"
    turns = turns_of(steps.events)
    assert (turns.last_whole, turns.is_whole(2)) == (1, False)
    assert [m.role for m in messages_after_turn(order(), run, steps.events, 1)] == [
        "user",
        "assistant",
        "tool",
        "tool",
    ]


@pytest.mark.parametrize("at", ["tool 1.0", "tool 1.1"])
async def test_open_calls(at: str) -> None:
    """Nobody knows what came of calls that a cancellation cut."""
    steps, run = await played(raising={at: Cancelled()})
    assert run.status == "cancelled"
    turns = turns_of(steps.events)
    assert turns.last_whole == 0
    assert turns.open_calls[1][-1] == "1.1"


async def test_a_broken_answer() -> None:
    """What a model had said when it was broken off is no whole turn."""
    steps, _ = await played(raising={"model 2.1": Cancelled()}, partial="Do")
    turns = turns_of(steps.events)
    assert (turns.last_whole, turns.is_whole(2)) == (1, False)


# How.


async def test_a_fork_goes_on() -> None:
    """It reads what the other run had said, takes over its definition, and begins at turn 1."""
    steps = forked()
    run = await play(steps, fork())
    assert (run.status, run.turn, run.usage.model_calls) == ("completed", 1, 1)
    assert run.forked_from == ForkedFrom(run_id=SOURCE, after_turn=1)
    assert steps.adopted == KEPT
    [call] = steps.calls
    assert [m.content for m in call.messages[:2]] == ["Hi.", "Hello."]
    assert len(run.messages or []) == 2  # its own: what was asked, and the answer
    assert steps.log[:2] == ["read_fork", "pin"]


async def test_without_an_input() -> None:
    """The model is asked what the other run would have asked it."""
    steps = forked()
    run = await play(steps, fork(input=[]))
    assert [m.content for m in steps.calls[0].messages] == ["Hi.", "Hello."]
    assert (run.input_preview, [m.content for m in run.messages or []]) == (None, ["Done."])


async def test_the_definition_of_now() -> None:
    """If asked for, the agent is pinned as any other run's."""
    steps = forked()
    await play(steps, fork(definition="current"))
    assert steps.adopted is None


async def test_on_a_thread_of_its_own() -> None:
    """The thread gets all that the fork goes on from, with what it adds."""
    steps = forked()
    forked_from = ForkedFrom(run_id=SOURCE, after_turn=1)
    await play(steps, on_thread(forked_from=forked_from))
    [(items, _)] = steps.thread.released
    assert [item.role for item in items] == ["user", "assistant", "user", "assistant"]
    assert items[:2] == HISTORY


async def test_a_run_that_is_gone() -> None:
    """A fork of a run that was forgotten meanwhile fails, and says why."""
    run = await play(forked(forked=ForkSource()), fork())
    assert run.error
    assert (run.status, run.error.type) == ("failed", "definition-missing")


@pytest.mark.parametrize(
    ("error", "status"), [(Cancelled(), "cancelled"), (StepFailed("too long", 413), "failed")]
)
async def test_the_reading_is_cut(error: Exception, status: str) -> None:
    """A fork that can't read what it goes on from ends, and asks no model."""
    steps = forked(raising={"read_fork": error})
    assert (await play(steps, fork())).status == status
    assert not steps.calls


async def test_a_definition_that_can_not_be_carried_out() -> None:
    """It fails as a run does whose agent can't be pinned."""
    failure = PinFailure(
        at=after(1),
        error={"type": "definition-missing", "message": "gone", "retryable": False},  # pyright: ignore[reportArgumentType]
    )
    run = await play(forked(pinned=failure), fork(limits=Limits()))
    assert (run.status, run.error and run.error.message) == ("failed", "gone")


@pytest.mark.parametrize(
    ("thread_id", "said"), [(None, "x"), ("t-1", "The result of find_order is")]
)
async def test_what_a_thread_can_be_handed(thread_id: str | None, said: str) -> None:
    """What a fork hands over to a thread is as large at most as what any run leaves to one."""
    long = remembered("user", "y" * (MAX_RUN_BYTES - 1_000_000))
    steps = FakeSteps(
        model=[TWO_CALLS, answer("Done.")],
        forked=ForkSource(history=[long, *HISTORY], pin=KEPT),
        tools={"1.0": result("x" * 2_000_000), "1.1": result("short")},
    )
    run = await play(steps, fork(thread_id=thread_id, admission="granted"))
    first, second = [str(m.content) for m in run.messages or [] if m.role == "tool"]
    assert (first.startswith(said), second) == (True, "short")
    assert run.status == "completed"

"""Runs whose prompts grow too long."""

import pytest

from fakes.orders import on_thread, order
from fakes.records import answer, cut, model_fault, pin, result, steering
from fakes.step_parts import NOTHING_SAID
from fakes.steps import FakeSteps
from outlast.contract import ConversationMark
from outlast.events import MessageCompleted
from outlast.protocol import Run, Usage
from outlast_worker.engine.exceptions import Cancelled
from outlast_worker.engine.records import Forgotten, Pin
from unit.worker.engine.compacting import (
    HISTORY,
    LONG,
    TOO_LONG,
    asked,
    compacted,
    counted,
    pinned,
    policy,
    said,
)
from unit.worker.engine.playing import play

# When.


async def test_a_long_thread_is_summed_up_before_the_model_is_asked() -> None:
    """The count that the last answer left says so; one event tells it, before the answer."""
    steps = FakeSteps(
        model=[answer("Done.")], cuts=[cut()], pinned=pinned(), history=HISTORY, mark=LONG
    )
    run = await play(steps, on_thread())
    assert (run.status, asked(steps)) == ("completed", [4])
    [event] = compacted(steps)
    assert (event.how, event.messages, event.turn, event.model) == ("summary", 4, 1, "x-2026")
    # The new question was estimated, and the model's own count scaled to what stays.
    assert 800 < event.tokens_before < 820
    assert event.tokens_after == round(event.tokens_before / 4)
    order_of = [name for name in steps.log if name in ("compact 1.1", "compacted", "model 1.1")]
    assert order_of == ["compact 1.1", "compacted", "model 1.1"]
    assert "read_conversation" not in steps.log


@pytest.mark.parametrize(
    ("mark", "pinned_"),
    [
        (LONG.model_copy(update={"tokens": 600}), pinned()),
        (LONG.model_copy(update={"tokens": None}), pinned()),
        (LONG, pin("find")),
        (LONG, pin("find", compaction=policy(windows={"openai/other": 1_000}))),
        (NOTHING_SAID, pinned()),
    ],
    ids=["short", "not counted", "off", "unknown window", "nothing said"],
)
async def test_a_prompt_is_left_alone(mark: ConversationMark, pinned_: Pin) -> None:
    """Nothing is asked or told where nothing says that it is too long."""
    steps = FakeSteps(model=[answer("Done.")], pinned=pinned_, history=HISTORY, mark=mark)
    await play(steps, on_thread())
    assert not steps.compacts
    assert asked(steps) == [None]


async def test_a_run_that_is_itself_too_long() -> None:
    """Its own messages are summed up between turns, by the count of its last answer."""
    turns = [counted("", 500, ("find", "{}")), counted("", 720, ("find", "{}")), answer("Done.")]
    results = {"1.0": result("a"), "2.0": result("b")}
    steps = FakeSteps(model=turns, tools=results, cuts=[cut(3)], pinned=pinned())
    run = await play(steps)
    assert (run.status, asked(steps)) == ("completed", [None, None, 3])
    assert len(run.messages or []) == 6  # what was said stays with the run
    [call] = [compact.call for compact in steps.compacts]
    assert (call.turn, len(call.messages), call.unread) == (3, 5, None)


async def test_what_was_said_since_the_last_count_is_estimated() -> None:
    """A large result counts at once: nobody has to be refused first."""
    turns = [counted("", 300, ("find", "{}")), answer("Done.")]
    steps = FakeSteps(
        model=turns, tools={"1.0": result("x" * 2_000)}, cuts=[cut(1)], pinned=pinned()
    )
    await play(steps)
    assert asked(steps) == [None, 1]


async def test_an_answer_that_nobody_has_counted() -> None:
    """The worker's estimate counts in place of a provider that gives none."""
    uncounted = answer("", ("find", "{}"), usage=Usage(model_calls=1, cost_usd=None))
    turns = [uncounted.model_copy(update={"estimated_tokens": 900}), answer("Done.")]
    steps = FakeSteps(model=turns, tools={"1.0": result("a")}, cuts=[cut(1)], pinned=pinned())
    await play(steps)
    assert asked(steps) == [None, 1]


async def test_it_is_not_summed_up_again_at_once() -> None:
    """Once shorter, a prompt has to grow anew; then the summary is summed up, too."""
    turns = [
        counted("", 300, ("find", "{}")),
        counted("", 650, ("find", "{}")),
        counted("", 720, ("find", "{}")),
        answer("Done."),
    ]
    results = {f"{turn}.0": result("a") for turn in (1, 2, 3)}
    steps = FakeSteps(
        model=turns,
        tools=results,
        cuts=[cut(5), cut(12)],
        pinned=pinned(),
        history=HISTORY,
        mark=LONG,
    )
    await play(steps, on_thread())
    assert asked(steps) == [5, 5, 5, 12]
    second = steps.compacts[1].call
    assert second.stand_in is not None
    assert (second.stand_in.covers, second.unread) == (5, LONG)


# What it costs.


async def test_its_use_is_the_runs() -> None:
    """Tokens, calls and cost of a summary are part of the run's usage."""
    used = Usage(model_calls=1, input_tokens=700, output_tokens=50, cost_usd=0.5)
    steps = FakeSteps(
        model=[answer("Done.")], cuts=[cut(usage=used)], pinned=pinned(), history=HISTORY, mark=LONG
    )
    run = await play(steps, on_thread())
    assert (run.usage.model_calls, run.usage.cost_usd) == (2, 0.5)
    assert compacted(steps)[0].usage == used


@pytest.mark.parametrize("covers", [4, 0], ids=["usable", "of no use"])
async def test_it_counts_towards_limits(covers: int) -> None:
    """A run that its summary takes to a limit stops there, before the model is asked again."""
    steps = FakeSteps(
        model=[answer("Done.")],
        cuts=[cut(covers)],
        pinned=pinned(max_tokens=700),
        history=HISTORY,
        mark=LONG,
    )
    run = await play(steps, on_thread())
    assert run.usage.input_tokens == 700
    assert (run.status, run.incomplete_reason) == ("incomplete", "max_tokens")
    assert not steps.calls


# What it leaves.


async def test_the_thread_keeps_it() -> None:
    """With how long the conversation is from then on."""
    steps = FakeSteps(
        model=[counted("Done.", 300)],
        cuts=[cut()],
        pinned=pinned(),
        history=HISTORY,
        mark=LONG,
    )
    await play(steps, on_thread())
    [left] = steps.thread.left
    assert left.stand_in is not None
    assert (left.stand_in.covers, left.stand_in.how, left.tokens) == (4, "summary", 300)
    assert left.stand_in.message.content == "In short: lamps."
    assert [item.role for item in left.items] == ["user", "assistant"]
    assert "keep_stand_in 1 4" in steps.log


async def test_an_unchanged_thread_only_learns_its_length() -> None:
    """What the last answer has counted, for the next run to begin with."""
    known = LONG.model_copy(update={"tokens": 250})
    steps = FakeSteps(model=[counted("Done.", 300)], pinned=pinned(), history=HISTORY, mark=known)
    await play(steps, on_thread())
    assert (steps.thread.left[0].stand_in, steps.thread.left[0].tokens) == (None, 300)


async def test_a_run_that_fails_leaves_it_too() -> None:
    """What was paid for is not lost."""
    refuses = model_fault(None, kind="model-auth")
    steps = FakeSteps(model=[refuses], cuts=[cut()], pinned=pinned(), history=HISTORY, mark=LONG)
    run = await play(steps, on_thread())
    assert run.status == "failed"
    assert steps.thread.left[0].stand_in is not None


# What comes between.


async def test_a_conversation_that_the_worker_has_forgotten() -> None:
    """It is read once, for the summary and for what follows."""
    steps = FakeSteps(
        model=[answer("Done.")],
        cuts=[Forgotten(), cut()],
        pinned=pinned(),
        history=HISTORY,
        mark=LONG,
    )
    await play(steps, on_thread())
    assert steps.log.count("read_conversation") == 1
    assert [len(compact.call.messages) for compact in steps.compacts] == [1, 7]
    assert (len(steps.calls[0].messages), asked(steps)) == (7, [4])


@pytest.mark.parametrize("at", ["compact 1.1", "sleep"])
async def test_a_cancellation_meanwhile(at: str) -> None:
    """The run ends cancelled, with its input, and leaves nothing in place of what was said."""
    steps = FakeSteps(
        cuts=[model_fault(1), cut()],
        pinned=pinned(),
        history=HISTORY,
        mark=LONG,
        raising={at: Cancelled()},
    )
    run = await play(steps, on_thread())
    assert (run.status, len(run.messages or [])) == ("cancelled", 1)
    assert (steps.calls, steps.thread.left[0].stand_in) == ([], None)


async def test_what_is_said_meanwhile_comes_next() -> None:
    """A message that comes while a model sums up is in the turn after."""
    heard = {"compact 1.1": [steering("And quickly!")]}
    steps = FakeSteps(
        model=[answer("Wait."), answer("Done.")],
        cuts=[cut()],
        said=heard,
        pinned=pinned(),
        history=HISTORY,
        mark=LONG,
    )
    run = await play(steps, on_thread())
    assert [message.content for message in run.messages or []][-2:] == ["And quickly!", "Done."]
    assert asked(steps) == [4, 4]


async def test_a_replay_says_the_same() -> None:
    """The same results make the same events, states and steps."""

    async def once() -> tuple[Run, FakeSteps]:
        steps = FakeSteps(
            model=[TOO_LONG, answer("Done.")],
            cuts=[model_fault(1), cut(4), cut(5)],
            pinned=pinned(),
            history=HISTORY,
            mark=LONG,
        )
        return await play(steps, on_thread()), steps

    (run, steps), (again, replayed) = await once(), await once()
    assert (run, steps.log, steps.events, steps.thread.left) == (
        again,
        replayed.log,
        replayed.events,
        replayed.thread.left,
    )


async def test_a_long_input_is_summed_up_before_anybody_counts() -> None:
    """A conversation that comes with the start is estimated: nothing has counted it yet."""
    messages = [message.model_copy(update={"content": "x" * 700}) for message in said(5)]
    steps = FakeSteps(model=[answer("Done.")], cuts=[cut(4)], pinned=pinned())
    await play(steps, order(input=messages))
    assert asked(steps) == [4]
    [completed] = [event for event in steps.events if isinstance(event, MessageCompleted)]
    assert completed.turn == 1

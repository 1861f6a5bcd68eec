"""Runs whose prompts grow too long."""

from typing import Any

import pytest

from fakes.orders import on_thread, order
from fakes.records import answer, cut, model_fault, pin, result, steering
from fakes.step_parts import NOTHING_SAID
from fakes.steps import FakeSteps
from outlast.contract import ConversationMark
from outlast.events import Compacted, MessageCompleted
from outlast.protocol import InputMessage, Run, Usage
from outlast_worker.engine.exceptions import Cancelled
from outlast_worker.engine.records import Forgotten, ModelRecord, Pin, PinnedCompaction
from unit.worker.engine.playing import play, remembered

LONG = ConversationMark(digest="d", messages=6, bytes=9_000, tokens=800)
HISTORY = [remembered("user" if n % 2 == 0 else "assistant", f"said {n}") for n in range(6)]
TOO_LONG = model_fault(None, kind="context-too-long")


def policy(how: Any = "summary", **fields: Any) -> PinnedCompaction:
    given: dict[str, Any] = {"how": how, "at": 0.7, "windows": {"openai/x": 1_000}}
    return PinnedCompaction(**{**given, **fields})


def pinned(how: Any = "summary", **limits: Any) -> Pin:
    return pin("find", compaction=policy(how), **limits)


def counted(text: str, tokens: int, *calls: tuple[str, str]) -> ModelRecord:
    usage = Usage(model_calls=1, input_tokens=tokens, output_tokens=0, cost_usd=0.0)
    return answer(text, *calls, usage=usage)


def said(count: int) -> list[InputMessage]:
    roles = ["user", "assistant"] * count
    return [InputMessage(role=roles[n], content=f"{n}") for n in range(count)]  # pyright: ignore[reportArgumentType]  # texts of a literal


def compacted(steps: FakeSteps) -> list[Compacted]:
    return [event for event in steps.events if isinstance(event, Compacted)]


def asked(steps: FakeSteps) -> list[int | None]:
    """Return of each model call how many messages were left out."""
    return [call.stand_in and call.stand_in.covers for call in steps.calls]


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

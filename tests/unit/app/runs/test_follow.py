"""How the followers of a run share what is read of it."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from fakes.watching import (
    COMPLETED,
    REF,
    RUN,
    Behind,
    completed,
    queued,
    read_to_end,
    read_until,
    said,
    started,
    turn_started,
)
from outlast.errors import UnknownRun, WorkerUnavailable
from outlast.live import Committed, Delta, Reset
from outlast.names import RunRef
from outlast_app.restate.outcomes import Broken, Ended, Unknown
from outlast_app.runs import committed, event_reader
from outlast_app.runs.follow import RunEvents

KILLED = Broken(killed=True, reason="killed")
BEGINNING = (queued(1), started(2), turn_started(3))


@pytest.fixture
def behind() -> Behind:
    return Behind()


@pytest.fixture
async def events(behind: Behind) -> AsyncIterator[RunEvents]:
    async with behind.serving() as events:
        yield events


async def test_many_followers_share_one_reader(behind: Behind, events: RunEvents):
    """However many follow a run, it is read as if one did, and all see the same."""
    followers = [events.follow(REF) for _ in range(100)]
    behind.commit(*BEGINNING)
    for follower in followers:
        await read_until(follower, "turn.started")
    reads = len(behind.reads)
    behind.commit(said(4), completed(5))
    shown = [await read_to_end(follower) for follower in followers]
    assert {tuple(e.seq for e in each) for each in shown} == {(4, 5)}
    assert len(behind.reads) - reads == 1
    assert reads <= 2
    assert behind.waits == 1
    await behind.heard_of(listening=0)


async def test_a_run_that_waits_is_not_read(
    behind: Behind, events: RunEvents, monkeypatch: pytest.MonkeyPatch
):
    """While nothing happens nobody is asked, but after a long silence, more and more rarely."""
    monkeypatch.setattr(event_reader, "_SILENCE_S", (0.2, 10))
    behind.commit_unheard(*BEGINNING)
    with events.follow(REF) as follower:
        await read_until(follower, "turn.started")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2):
                await follower.next()
        assert 2 <= len(behind.reads) <= 6
        assert (behind.waits, behind.outcomes) == (1, 0)


async def test_no_read_for_what_is_live(behind: Behind, events: RunEvents):
    """An answer of any length is passed on without a look at the run's state."""
    behind.commit_unheard(*BEGINNING)
    with events.follow(REF) as follower:
        await read_until(follower, "turn.started")
        behind.say(Reset(1, 7))
        for n in range(400):
            behind.say(Delta("text", 1, 7, n, f"{n} "))
        text = ""
        while not text.endswith("399 "):
            text += "".join(json.loads(e.data).get("text", "") for e in await follower.next())
        assert text == "".join(f"{n} " for n in range(400))
        assert len(behind.reads) == 1


async def test_a_word_of_what_is_being_read(behind: Behind, events: RunEvents):
    """What a read brings that is under way is not read again."""
    behind.slow_s = 0.05
    behind.commit_unheard(*BEGINNING)
    with events.follow(REF) as follower:
        await behind.heard_of()
        behind.say(Committed(3, 0), Reset(1, 7))
        await read_until(follower, "message.reset")
        await asyncio.sleep(0.05)  # in which it could be
        assert behind.reads == [0]


async def test_live_events_wait_for_what_was_committed_before(behind: Behind, events: RunEvents):
    """What comes after the channel's word is shown after the events that it told of."""
    with events.follow(REF) as follower:
        await behind.heard_of()
        behind.say(Committed(3, 0), Reset(1, 7), Delta("text", 1, 7, 0, "Hello"))
        await asyncio.sleep(0.05)
        behind.commit_unheard(*BEGINNING)
        shown = await read_until(follower, "message.delta")
    kinds = [event.type for event in shown]
    assert kinds == ["run.queued", "run.started", "turn.started", "message.reset", "message.delta"]


@pytest.mark.parametrize("told_by", ["the channel", "the run"])
async def test_previews_of_a_turn_that_is_over(behind: Behind, events: RunEvents, told_by: str):
    """Who has seen a turn's message is never shown its previews again, which channels may keep."""
    behind.commit_unheard(*BEGINNING, said(4), turn_started(5, 2))
    behind.run = RUN.model_copy(update={"turn": 2 if told_by == "the run" else 0})
    word = [Committed(6, 1)] if told_by == "the channel" else []
    with events.follow(REF, 5) as follower:
        await behind.heard_of()
        await asyncio.sleep(0.02)  # the first read
        reading = asyncio.create_task(read_until(follower, "message.reset"))
        behind.say(Reset(1, 7), Delta("text", 1, 7, 0, "old"), *word)
        await asyncio.sleep(0.02)  # they could be shown
        behind.commit(started(6))
        behind.say(Reset(2, 8))
        shown = await reading
    assert [event.type for event in shown] == ["run.started", "message.reset"]
    assert b'"turn":2' in shown[-1].data


async def test_a_word_that_comes_to_nothing(behind: Behind, events: RunEvents):
    """What a killed run never committed holds nothing up for long."""
    behind.commit_unheard(queued(1))
    with events.follow(REF) as follower:
        await read_until(follower, "run.queued")
        behind.say(Committed(2, 0), Reset(1, 7))
        await read_until(follower, "message.reset")


async def test_a_lost_word(behind: Behind, events: RunEvents, monkeypatch: pytest.MonkeyPatch):
    """What nobody told of is found after a silence."""
    monkeypatch.setattr(event_reader, "_SILENCE_S", (0.05, 0.1))
    with events.follow(REF) as follower:
        await behind.heard_of()
        behind.commit_unheard(queued(1))
        await read_until(follower, "run.queued")


async def test_a_channel_that_was_lost(behind: Behind, events: RunEvents):
    """Without the channel the state is asked now and then, and at once when it is back."""
    with events.follow(REF) as follower:
        await behind.heard_of()
        behind.lose_channel()
        behind.commit_unheard(queued(1))
        behind.say()
        await read_until(follower, "run.queued", within_s=1)
        behind.lose_channel()
        behind.commit_unheard(started(2))
        await read_until(follower, "run.started", within_s=1)


@pytest.mark.parametrize("outcome", [Ended(COMPLETED), KILLED])
async def test_the_end_comes_without_a_word(
    behind: Behind, events: RunEvents, outcome: Ended | Broken
):
    """A run's end is heard of at Restate, whatever becomes of the channel."""
    behind.commit_unheard(*BEGINNING)
    with events.follow(REF) as follower:
        await read_until(follower, "turn.started")
        if isinstance(outcome, Ended):
            behind.commit_unheard(completed(4))
        behind.end(outcome)
        shown = await read_to_end(follower, within_s=1)
    expected = "run.completed" if isinstance(outcome, Ended) else "run.failed"
    assert [(e.seq, e.type) for e in shown] == [(4, expected)]


async def test_events_that_came_just_before_the_end(behind: Behind, events: RunEvents):
    """What a run had committed comes before the end that it could not commit, for every reader."""
    behind.commit_unheard(queued(1))
    with events.follow(REF) as first, events.follow(REF) as second:
        await read_until(first, "run.queued")
        behind.commit_unheard(*BEGINNING[1:])
        behind.end(KILLED)
        for follower, seqs in ((first, [2, 3, 4]), (second, [1, 2, 3, 4])):
            shown = await read_to_end(follower)
            assert [event.seq for event in shown] == seqs
            assert shown[-1].type == "run.failed"


async def test_killed_while_it_returns(behind: Behind, events: RunEvents):
    """A run that had committed its end has one end, whatever came after."""
    with events.follow(REF) as follower:
        behind.commit_unheard(*BEGINNING, completed(4))
        behind.end(KILLED)
        shown = await read_to_end(follower)
    assert [(e.seq, e.type) for e in shown][-1] == (4, "run.completed")


@pytest.mark.parametrize(
    ("outcome", "last"), [(Ended(COMPLETED), 4), (KILLED, 4)], ids=["completed", "killed"]
)
async def test_who_comes_after_the_end(
    behind: Behind, events: RunEvents, outcome: Ended | Broken, last: int
):
    """They get what they have not seen, and nothing if that was all; also beside each other."""
    behind.commit_unheard(*BEGINNING)
    if isinstance(outcome, Ended):
        behind.commit_unheard(completed(4))
    behind.end(outcome)
    for after in (0, 1, last - 1):
        following = await events.open(REF, after)
        assert following
        with following:
            # One that names an event which never was misleads nobody.
            assert await events.open(REF, 10_000) is None
            assert [e.seq for e in await read_to_end(following)] == list(range(after + 1, last + 1))
    for after in (last, last + 1, 10_000):
        assert await events.open(REF, after) is None


async def test_a_number_that_never_was(behind: Behind, events: RunEvents):
    """Who asks for what comes after such an event misleads nobody who shares the reader."""
    behind.commit_unheard(*BEGINNING)
    odd = await events.open(REF, 10_000)
    assert odd
    with odd, events.follow(REF) as follower:
        assert [e.seq for e in await read_until(follower, "turn.started")] == [1, 2, 3]
        behind.commit(completed(4))
        assert [e.seq for e in await read_to_end(follower)] == [4]


async def test_a_number_that_never_was_while_nobody_answers(behind: Behind, events: RunEvents):
    """Nor does it while its own first read fails, and another's does not."""
    behind.commit_unheard(*BEGINNING)
    behind.problem = WorkerUnavailable("away")
    odd = await events.open(REF, 10_000)
    assert odd
    with odd:
        await behind.heard_of()
        behind.problem = None
        with events.follow(REF, 3) as follower:
            seen = asyncio.create_task(follower.next())
            await asyncio.sleep(0.05)
            behind.commit(completed(4))
            async with asyncio.timeout(5):
                assert [e.seq for e in await seen] == [4]


async def test_a_run_that_is_not_there(behind: Behind, events: RunEvents):
    """Whoever asks for it is told, each time."""
    behind.end(Unknown())
    for _ in range(2):
        with pytest.raises(UnknownRun):
            await events.open(REF, 0)


async def test_ended_and_nobody_answers(behind: Behind, events: RunEvents):
    """Whether anything is left to read is not made up."""
    behind.end(Ended(COMPLETED))
    behind.problem = WorkerUnavailable("away")
    with pytest.raises(WorkerUnavailable):
        await events.open(REF, 3)


async def test_reads_that_fail(behind: Behind, events: RunEvents, monkeypatch: pytest.MonkeyPatch):
    """They are repeated less and less often, and the stream goes on when there are answers."""
    monkeypatch.setattr(event_reader, "RETRY_S", (0.05, 10))
    behind.problem = WorkerUnavailable("away")
    with events.follow(REF) as follower:
        await asyncio.sleep(1)
        assert 3 <= len(behind.reads) <= 7
        behind.problem = None
        behind.commit(queued(1))
        await read_until(follower, "run.queued", within_s=1)


async def test_reads_in_flight(behind: Behind, events: RunEvents):
    """Of however many runs, only so many are read at once, and each has its turn."""
    behind.slow_s = 0.01
    behind.commit_unheard(*BEGINNING, completed(4))
    refs = [RunRef("t", f"tester.{index:026}") for index in range(100)]
    followers = [events.follow(ref) for ref in refs]
    for follower in followers:
        assert [e.seq for e in await read_to_end(follower)] == [1, 2, 3, 4]
    assert 1 < behind.most_in_flight <= 16


async def test_an_agent_whose_worker_is_away(
    behind: Behind, events: RunEvents, monkeypatch: pytest.MonkeyPatch
):
    """Its runs hold up nobody else, and who asks for one that has ended is told soon."""
    monkeypatch.setattr(committed, "READ_TIMEOUT_S", 0.1)
    behind.away.add("gone")
    waiting = [events.follow(RunRef("t", f"gone.{index:026}")) for index in range(40)]
    behind.commit_unheard(*BEGINNING, completed(4))
    with events.follow(REF) as follower:
        assert len(await read_to_end(follower)) == 4
    behind.outcome_now = Ended(COMPLETED)
    with pytest.raises(WorkerUnavailable):
        await events.open(RunRef("t", f"gone.{'z' * 26}"), 0)
    for follower in waiting:
        follower.leave()


async def test_a_long_log(behind: Behind, events: RunEvents):
    """It is read page by page, as its readers need it, and little of it is held."""
    behind.page_events = 2
    size = 300_000
    behind.commit_unheard(*(said(seq, seq, "x" * size) for seq in range(1, 21)), completed(21))
    with events.follow(REF) as silent, events.follow(REF) as follower:
        shown = await read_until(follower, "message.completed")
        assert len(behind.reads) <= 2  # nothing is read that nobody needs yet
        shown += await read_to_end(follower)
        assert [e.seq for e in shown] == list(range(1, 22))
        held = silent._feed.committed
        assert sum(len(event.data) for event in held) < 5 * size
        assert [e.seq for e in await read_to_end(silent)] == list(range(1, 22))


async def test_the_last_one_to_leave(behind: Behind, events: RunEvents):
    """With it the reader ends; who comes later has a new one."""
    first, second = events.follow(REF), events.follow(REF)
    await behind.heard_of()
    first.leave()
    first.leave()
    await asyncio.sleep(0.01)  # in which it could end, wrongly
    assert behind.listening == 1
    second.leave()
    await behind.heard_of(listening=0)
    behind.commit_unheard(*BEGINNING, completed(4))
    with events.follow(REF) as third:
        assert [e.seq for e in await read_to_end(third)] == [1, 2, 3, 4]


async def test_a_fault_of_ours(behind: Behind, events: RunEvents):
    """It ends the streams, so that clients ask again, and does not leave them hanging."""
    with events.follow(REF) as follower:
        await behind.heard_of()
        nonsense: Any = ["no item"]
        behind._channels[0].put_nowait(nonsense)
        assert await read_to_end(follower) == []

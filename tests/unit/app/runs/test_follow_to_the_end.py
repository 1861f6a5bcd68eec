"""What comes with a run's end: its last events, so that nobody has to read them."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from fakes.watching import (
    COMPLETED,
    REF,
    Behind,
    completed,
    queued,
    read_to_end,
    read_until,
    said,
    started,
    turn_started,
)
from outlast.contract import LastEvents
from outlast.events import ReadEvent
from outlast.live import Committed, Reset
from outlast_app.restate.outcomes import Broken, Ended
from outlast_app.runs import event_reader
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


def _ended_with(*last_events: ReadEvent) -> Ended:
    returned = LastEvents(last_events=list(last_events))
    return Ended(COMPLETED, returned.model_dump_json().encode())


async def test_the_end_brings_its_events(behind: Behind, events: RunEvents):
    """What the run committed last comes with its end and is not read, whoever told of it."""
    behind.commit_unheard(*BEGINNING)
    with events.follow(REF) as first, events.follow(REF, 3) as second:
        await read_until(first, "turn.started")
        reads = len(behind.reads)
        last = [said(4), completed(5)]
        behind.commit_unheard(*last)
        behind.say(Committed(4, 1, ending=True))
        behind.say(Committed(5, 1, ending=True))
        await asyncio.sleep(0.05)  # in which it would be read
        behind.end(_ended_with(*last))
        for follower in (first, second):
            assert [e.seq for e in await read_to_end(follower, within_s=1)] == [4, 5]
        assert len(behind.reads) == reads


async def test_an_end_that_lacks_events(behind: Behind, events: RunEvents):
    """What came before those that the end brings is read."""
    behind.commit_unheard(queued(1))
    with events.follow(REF) as follower:
        await read_until(follower, "run.queued")
        behind.commit_unheard(*BEGINNING[1:], said(4), completed(5))
        behind.end(_ended_with(said(4), completed(5)))
        assert [e.seq for e in await read_to_end(follower)] == [2, 3, 4, 5]


async def test_an_end_that_does_not_come(
    behind: Behind, events: RunEvents, monkeypatch: pytest.MonkeyPatch
):
    """The answer of a run that takes long to end is read meanwhile."""
    monkeypatch.setattr(event_reader, "_ENDING_S", 0.1)
    behind.commit_unheard(*BEGINNING)
    with events.follow(REF) as follower:
        await read_until(follower, "turn.started")
        behind.commit_unheard(said(4))
        behind.say(Committed(4, 1, ending=True))
        assert [e.seq for e in await read_until(follower, "message.completed")] == [4]


async def test_a_run_that_goes_on_after_its_answer(behind: Behind, events: RunEvents):
    """What is said to it in the last moment shows that it goes on, and it is read at once."""
    behind.commit_unheard(*BEGINNING)
    with events.follow(REF) as follower:
        await read_until(follower, "turn.started")
        behind.commit_unheard(said(4))
        behind.say(Committed(4, 1, ending=True))
        behind.commit_unheard(turn_started(5, 2))
        behind.say(Committed(5, 1), Reset(2, 8))
        shown = await read_until(follower, "message.reset", within_s=1)
        assert [e.seq for e in shown if e.seq] == [4, 5]


@pytest.mark.parametrize("after", [0, 2, 3, 4, 9])
async def test_a_short_run_that_has_ended(behind: Behind, events: RunEvents, after: int):
    """Whoever comes later needs no worker if the end brings all that there is."""
    log = [*BEGINNING, completed(4)]
    behind.commit_unheard(*log)
    behind.end(_ended_with(*log))
    following = await events.open(REF, after)
    if after >= 4:
        assert following is None
        return
    assert following
    with following:
        assert [e.seq for e in await read_to_end(following)] == list(range(after + 1, 5))
    assert not behind.reads

"""A run's committed events as they are now: all of them, once, and no wait for others."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from fakes.watching import COMPLETED, REF, Behind, completed, queued, said, started, turn_started
from outlast.errors import UnknownRun, WorkerUnavailable
from outlast_app.ndjson import EventLines
from outlast_app.restate.outcomes import Broken, Ended, Unknown
from outlast_app.runs.follow import RunEvents

KILLED = Broken(killed=True, reason="killed")
BEGINNING = (queued(1), started(2), turn_started(3), said(4))


@pytest.fixture
def behind() -> Behind:
    return Behind()


@pytest.fixture
async def events(behind: Behind) -> AsyncIterator[RunEvents]:
    async with behind.serving() as events:
        yield events


async def read(events: RunEvents, after: int = 0) -> list[tuple[int, str]]:
    """Return number and type of each line."""
    async with asyncio.timeout(5):
        answer = EventLines(await events.so_far(REF, after))
        parts = [part async for part in answer.body_iterator]
    text = b"".join(part for part in parts if isinstance(part, bytes)).decode()
    lines = [json.loads(line) for line in text.splitlines()]
    return [(line["seq"], line["type"]) for line in lines]


async def test_a_run_that_goes_on(behind: Behind, events: RunEvents):
    """What is there is read, page by page, and the answer ends there."""
    behind.page_events = 2
    behind.commit_unheard(*BEGINNING)
    assert [seq for seq, _ in await read(events)] == [1, 2, 3, 4]
    assert [seq for seq, _ in await read(events, after=3)] == [4]
    assert await read(events, after=4) == []
    assert behind.listening == 0


async def test_a_run_that_has_ended(behind: Behind, events: RunEvents):
    """The last line is the run's end; after it there is nothing."""
    behind.commit_unheard(*BEGINNING, completed(5))
    behind.end(Ended(COMPLETED))
    assert (await read(events))[-1] == (5, "run.completed")
    assert await read(events, after=5) == []


@pytest.mark.parametrize(
    ("after", "seqs"), [(0, [1, 2, 3, 4, 5]), (3, [4, 5]), (4, [5]), (5, []), (99, [])]
)
async def test_a_run_that_was_killed(
    behind: Behind, events: RunEvents, after: int, seqs: list[int]
):
    """Its end, which it could not commit, has the number that streams give it."""
    behind.page_events = 3
    behind.commit_unheard(*BEGINNING)
    behind.end(KILLED)
    found = await read(events, after)
    assert [seq for seq, _ in found] == seqs
    assert all(kind != "run.failed" or seq == 5 for seq, kind in found)


async def test_no_such_run(behind: Behind, events: RunEvents):
    """It is unknown before anything is sent."""
    behind.outcome_now = Unknown()
    with pytest.raises(UnknownRun):
        await events.so_far(REF, 0)


async def test_without_a_worker(behind: Behind, events: RunEvents):
    """What can't be read is no empty answer."""
    behind.commit_unheard(*BEGINNING)
    behind.problem = WorkerUnavailable("It is away.")
    with pytest.raises(WorkerUnavailable):
        await events.so_far(REF, 0)


@pytest.mark.parametrize("odd", ["\u2028", "\x85", "\n"])
async def test_one_line_for_each_event(behind: Behind, events: RunEvents, odd: str):
    """Whatever some program takes for the end of a line ends none."""
    behind.commit_unheard(said(1, text=f"ä{odd}after"))
    assert await read(events) == [(1, "message.completed")]

"""What runs below ask: which run is read when, and what is told of it."""

import asyncio
from collections.abc import Sequence

import pytest

from fakes.scenarios import (
    BELOW,
    DEPUTY,
    DOUBTS,
    KEPT,
    PAYS,
    REFUSED,
    SCOUT,
    called,
    called_in_vain,
    called_together,
    shown,
    tools,
)
from fakes.watching import REF
from outlast.errors import WorkerUnavailable
from outlast.events import ReadEvent
from outlast.names import RunRef
from outlast.protocol import Approval
from outlast_app.facades.called import CalledApproval, CalledRuns
from outlast_app.facades.ids import key_of
from outlast_app.facades.items import Committed, Item
from outlast_app.facades.reader import SegmentReader, with_called
from outlast_app.runs.feed import ShownEvent


class Below:
    """What runs below keep, and how often they were asked."""

    def __init__(self) -> None:
        self.reads: list[str] = []
        self.is_away = False
        self.kept = dict(KEPT)
        self.answers = asyncio.Event()
        self.answers.set()

    async def read(self, ref: RunRef) -> Sequence[Approval]:
        assert ref.tenant == REF.tenant
        self.reads.append(ref.run_id)
        await self.answers.wait()
        return [each for key, each in self.kept.items() if key.startswith(f"{ref.run_id}:")]

    async def read_once(self, ref: RunRef) -> Sequence[Approval]:
        if self.is_away:
            raise WorkerUnavailable("It is away.")
        return await self.read(ref)

    def follow(self) -> CalledRuns:
        return CalledRuns(REF.tenant, self.read, self.read_once)

    async def told(self, events: Sequence[ReadEvent]) -> list[CalledApproval]:
        return [each for item in await with_called(events, self.follow()) for each in item.called]


def events_of(happened: Sequence[object]) -> list[ReadEvent]:
    return [event for event in happened if not isinstance(event, tuple)]  # pyright: ignore[reportReturnType]


async def test_nothing_asked() -> None:
    """A run of which none below it asks costs no read."""
    below = Below()
    assert await below.told(events_of(tools())) == []
    assert below.reads == []


async def test_what_is_asked() -> None:
    """It has its name, its arguments, and in the end what became of it."""
    asked, ended = await Below().told(events_of(called()))
    assert (asked.name, asked.arguments, asked.is_open) == ("scout.pay", {"to": "ann"}, True)
    assert (asked.key, asked.agent, asked.tool) == (key_of(PAYS.id, SCOUT), "scout", "pay")
    assert (ended.key, ended.is_open) == (asked.key, False)
    assert ended.end == "Approved: the agent scout has gone on with it."
    [_, dropped] = await Below().told(events_of(called_in_vain()))
    assert (dropped.is_given_up, dropped.is_refused) == (True, False)
    assert dropped.end == "The agent scout waits for it no longer."


async def test_what_changes_when() -> None:
    """All that is waited for comes with each wait, and what is no longer once."""
    below = Below()
    told = await below.told(events_of(called_together()))
    pays, doubts, deep, no = (
        key_of(each.id, each.run_id) for each in (PAYS, DOUBTS, BELOW, REFUSED)
    )
    asked = [each.key for each in told if each.is_open]
    assert asked == [pays, doubts, deep, pays, doubts, deep, no, doubts, deep, deep]
    ended = [each.key for each in told if not each.is_open]
    assert ended == [pays, no, doubts, deep]
    assert {each.key for each in told if not each.is_yes_or_no} == {doubts}
    # Who replays it asks each run once.
    assert sorted(below.reads) == [DEPUTY, SCOUT]


async def test_what_is_not_known_yet_is_read_again() -> None:
    """What was open when it was read, and what was not asked then, is read when it matters."""
    below, events = Below(), events_of(called_together())
    follow, pays = below.follow(), key_of(PAYS.id, SCOUT)
    ended = below.kept.pop(pays).resolution
    below.kept[pays] = KEPT[pays].model_copy(update={"resolution": None})
    later = below.kept.pop(key_of(REFUSED.id, SCOUT))
    waits = [n for n, event in enumerate(events) if event.type == "run.waiting"]
    await with_called(events[: waits[1] + 1], follow)
    assert below.reads == [SCOUT, DEPUTY, SCOUT]
    below.kept |= {pays: KEPT[pays], key_of(REFUSED.id, SCOUT): later}
    *_, item = await with_called(events[waits[1] + 1 : waits[2] + 1], follow)
    assert below.reads == [SCOUT, DEPUTY, SCOUT, SCOUT]
    found = {(each.key, each.is_open): each for each in item.called}
    assert found[pays, False].resolution == ended
    assert found[key_of(REFUSED.id, SCOUT), True].name == "scout.send"


async def test_nobody_keeps_it() -> None:
    """A run that is not kept any more is named by its agent; nothing waits for it to come back."""
    below = Below()
    below.kept.clear()
    asked, ended = await below.told(events_of(called()))
    assert (asked.name, asked.arguments, asked.question) == ("scout", {}, None)
    assert (ended.is_refused, ended.is_given_up) == (False, False)
    assert "not known any more" in ended.end


async def test_an_end_that_cannot_be_read() -> None:
    """It holds nothing up: what is told of an end is no part of what follows."""
    below, events = Below(), events_of(called())
    follow, pays = below.follow(), key_of(PAYS.id, SCOUT)
    below.kept[pays] = KEPT[pays].model_copy(update={"resolution": None})
    waits = next(n for n, event in enumerate(events) if event.type == "run.waiting")
    await with_called(events[: waits + 1], follow)
    below.is_away = True
    rest = await with_called(events[waits + 1 :], follow)
    assert [each.is_open for item in rest for each in item.called] == [False]


class AllAtOnce:
    """Shows all that happened in one go."""

    def __init__(self, happened: Sequence[ShownEvent]) -> None:
        self._left = [[], list(happened)]

    async def next(self) -> list[ShownEvent]:
        return self._left.pop()

    def leave(self) -> None:
        pass


async def test_a_read_that_takes_long() -> None:
    """What came before is told meanwhile; who gives up waiting, and comes again, loses nothing."""
    below, happened = Below(), called()
    below.answers.clear()
    with SegmentReader(AllAtOnce(list(shown(happened))), None, below.follow()) as reader:
        items = await reader.next()
        waits = next(
            n for n, event in enumerate(events_of(happened)) if event.type == "run.waiting"
        )
        assert len([item for item in items if isinstance(item, Committed)]) == waits
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await reader.next()
        below.answers.set()
        while more := await reader.next():
            items += more
    assert [item.event for item in items if isinstance(item, Committed)] == events_of(happened)
    assert [len(called_by(item)) for item in items if called_by(item)] == [1, 1]


def called_by(item: Item) -> Sequence[CalledApproval]:
    return item.called if isinstance(item, Committed) else ()

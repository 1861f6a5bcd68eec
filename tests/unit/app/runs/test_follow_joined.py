"""How one stream follows a run and what it calls: who is followed, and what if one is not there."""

import asyncio
import json
from typing import Any, Self

import pytest

from outlast.errors import Problem, UnknownRun, WorkerUnavailable
from outlast.names import RunRef
from outlast_app.runs import follow_joined
from outlast_app.runs.feed import ShownEvent
from outlast_app.runs.follow_joined import JoinedFollowing
from outlast_app.runs.join_position import Position

REF = RunRef("t", "lead.aaaaaaaaaaaaaaaaaaaaaaaaaa")


def event(run_id: str, seq: int, kind: str, **fields: str) -> ShownEvent:
    return ShownEvent(kind, json.dumps({"run_id": run_id, "seq": seq, **fields}).encode(), seq)


class FakeFollowing:
    def __init__(self, log: list[ShownEvent], after: int, problem: Problem | None) -> None:
        self._rest = log[after:]
        self.problem = problem
        self._last = len(log)
        self.left = False

    async def next(self) -> list[ShownEvent]:
        if self.problem:
            return []
        new, self._rest = self._rest[:2], self._rest[2:]
        if not new:
            await asyncio.Event().wait()
        return new

    async def ready(self) -> None:
        if self.problem:
            raise self.problem

    def is_over_after(self, seq: int) -> bool:
        return seq >= self._last

    def leave(self) -> None:
        self.left = True


class Behind:
    """`RunEvents` of runs whose events are all there, some of which can't be read at first."""

    def __init__(self) -> None:
        top = REF.run_id
        self.logs = {
            top: [
                event(top, 1, "run.started"),
                event(top, 2, "child.started", call_id="1.0", child_run_id="child"),
                event(top, 3, "tool_call.completed", call_id="1.0"),
                event(top, 4, "run.completed"),
            ],
            "child": [event("child", 1, "run.started"), event("child", 2, "run.completed")],
        }
        self.problems: dict[str, list[Problem]] = {}
        self.followed: list[tuple[str, int]] = []
        self.all: list[FakeFollowing] = []

    def follow(self, ref: RunRef, after: int, *, found: bool) -> FakeFollowing:
        assert (ref.tenant, found) == ("t", False)
        self.followed.append((ref.run_id, after))
        problems = self.problems.get(ref.run_id, [])
        following = FakeFollowing(
            self.logs[ref.run_id], after, problems.pop(0) if problems else None
        )
        self.all.append(following)
        return following

    async def read(self, position: str = "0") -> list[str]:
        mine: Any = self
        joined = await JoinedFollowing.open(mine, REF, Position.read(position))
        if joined is None:
            return []
        with joined:
            shown: list[ShownEvent] = []
            async with asyncio.timeout(5):
                while new := await joined.next():
                    shown += new
        self.positions = [each.position or "" for each in shown]
        return [f"{json.loads(each.data)['run_id'].partition('.')[0]} {each.seq}" for each in shown]

    @classmethod
    def where(cls, **problems: list[Problem]) -> Self:
        behind = cls()
        behind.problems = problems
        return behind


WHOLE = ["lead 1", "lead 2", "child 1", "child 2", "lead 3", "lead 4"]


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow_joined, "_ARRIVAL_S", 0.0)


async def test_all_are_followed_to_their_ends() -> None:
    """A called run is followed from when it is told of, and nobody is followed any longer."""
    behind = Behind()
    assert await behind.read() == WHOLE
    assert behind.followed == [(REF.run_id, 0), ("child", 0)]
    assert all(following.left for following in behind.all)


async def test_resumed() -> None:
    """Only what is open is followed again: a run from the word of those that are open below it."""
    behind = Behind()
    await behind.read()
    positions = behind.positions
    for cut, followed in ((3, [(REF.run_id, 1), ("child", 1)]), (4, [(REF.run_id, 1)])):
        behind.followed.clear()
        assert await behind.read(positions[cut - 1]) == WHOLE[cut:]
        assert behind.followed == followed
    assert await behind.read(positions[-1]) == []


async def test_a_called_run_on_its_way() -> None:
    """One that is told of and not there yet is looked for again."""
    unknown = UnknownRun("not yet")
    behind = Behind.where(child=[unknown, unknown])
    behind.logs[REF.run_id] = behind.logs[REF.run_id][:2]
    mine: Any = behind
    joined = await JoinedFollowing.open(mine, REF, Position())
    assert joined
    with joined:
        shown: list[ShownEvent] = []
        async with asyncio.timeout(5):
            while len(shown) < 4:
                shown += await joined.next()
    assert len(behind.followed) == 4


async def test_a_called_run_that_is_gone() -> None:
    """One that was forgotten holds up nothing: its caller's word is there already."""
    assert await Behind.where(child=[UnknownRun("gone")] * 100).read() == [
        "lead 1",
        "lead 2",
        "lead 3",
        "lead 4",
    ]


async def test_a_called_run_that_can_not_be_read() -> None:
    """The stream stays, and goes on when the run can be read again."""
    behind = Behind.where(child=[WorkerUnavailable("it is away")] * 3)
    assert await behind.read() == WHOLE
    assert len(behind.followed) == 5
    assert all(following.left for following in behind.all)


async def test_the_run_itself_can_not_be_read() -> None:
    """The stream ends, and its client comes again with its position."""
    behind = Behind()
    mine: Any = behind
    joined = await JoinedFollowing.open(mine, REF, Position())
    assert joined
    with joined:
        assert [each.seq for each in await joined.next()] == [1, 2]
        behind.all[0].problem = WorkerUnavailable("it is away")
        while new := await joined.next():
            assert json.loads(new[0].data)["run_id"] == "child"


async def test_an_unknown_run() -> None:
    """There is no stream of a run that is not there."""
    behind = Behind()
    behind.problems = {REF.run_id: [UnknownRun("no such run")]}
    with pytest.raises(UnknownRun):
        await behind.read()
    assert all(following.left for following in behind.all)

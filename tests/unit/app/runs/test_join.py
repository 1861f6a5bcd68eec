"""The joined events of a run and of those below it: whole, in order, and resumed anywhere."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

import pytest

from outlast_app.runs.feed import ShownEvent
from outlast_app.runs.join import Join
from outlast_app.runs.join_position import NoPosition, Position

TOP = "top"


def event(run_id: str, seq: int | None, kind: str, **fields: str) -> ShownEvent:
    return ShownEvent(kind, json.dumps({"run_id": run_id, "seq": seq, **fields}).encode(), seq)


@dataclass
class Tree:
    """What runs have committed, each whole; `callers` tells which event waits for which run."""

    logs: dict[str, list[ShownEvent]] = field(default_factory=dict[str, list[ShownEvent]])

    def grow(self, chance: Random, run_id: str = TOP, depth: int = 0) -> None:
        """Make up a run: turns with calls side by side, some of them of runs of their own."""
        log: list[ShownEvent] = []
        self.logs[run_id] = log

        def commit(kind: str, **fields: str) -> None:
            log.append(event(run_id, len(log) + 1, kind, **fields))

        commit("run.started")
        was_cancelled = False
        for turn in range(1, chance.randint(1, 3) + 1):
            commit("turn.started")
            open_calls: list[str] = []
            for index in range(chance.randint(0, 4)):
                call_id = f"{turn}.{index}"
                commit("tool_call.started", call_id=call_id)
                open_calls.append(call_id)
                if depth < 3 and chance.random() < 0.4:
                    child = f"{run_id}/{call_id}"
                    commit("child.started", call_id=call_id, child_run_id=child)
                    self.grow(chance, child, depth + 1)
            if was_cancelled := chance.random() < 0.1:
                break
            chance.shuffle(open_calls)
            for call_id in open_calls:
                if chance.random() < 0.3:
                    commit("run.waiting")
                commit("tool_call.completed", call_id=call_id)
        commit("run.cancelled" if was_cancelled else "run.completed")


def play(tree: Tree, join: Join, chance: Random) -> Iterator[ShownEvent]:
    """Put in what is read of each run, in pieces and in any order, and yield what is shown."""
    read: dict[str, int] = {}
    while not join.top.ended:
        wanting = [run for run in join if run.wants_events]
        assert wanting, "nothing is read and nothing is shown"
        run = chance.choice(wanting)
        begin = read.get(run.run_id, run.read_after)
        piece = tree.logs[run.run_id][begin : begin + chance.randint(1, 4)]
        assert piece, f"{run.run_id} is read beyond its end"
        read[run.run_id] = begin + len(piece)
        run.put(piece)
        yield from join.pass_on()


def assert_whole(tree: Tree, shown: Sequence[ShownEvent]) -> None:
    """Each committed event came once, those of a run in order, and callers' words after ends."""
    seen: dict[str, int] = {}
    ended: set[str] = set()
    for each in shown:
        fields = json.loads(each.data)
        run_id = fields["run_id"]
        assert each.seq == seen.get(run_id, 0) + 1, f"{run_id} {each.seq}"
        seen[run_id] = each.seq or 0
        below = [name for name in tree.logs if name.startswith(f"{run_id}/")]
        if each.type == "tool_call.completed":
            answered = [name for name in below if name == f"{run_id}/{fields['call_id']}"]
            assert ended.issuperset(answered)
        if each.type in ("run.completed", "run.cancelled"):
            assert ended.issuperset(below)
            ended.add(run_id)
    assert seen == {run_id: len(log) for run_id, log in tree.logs.items()}


@pytest.mark.parametrize("seed", range(12))
def test_cut_anywhere(seed: int) -> None:
    """Whoever goes on from any event, once or many times, sees each event exactly once."""
    chance = Random(seed)
    tree = Tree()
    tree.grow(chance)
    shown = list(play(tree, Join(TOP, Position()), chance))
    assert_whole(tree, shown)
    for cut in chance.sample(range(1, len(shown)), min(len(shown) - 1, 40)):
        resumed = Join(TOP, Position.read(shown[cut - 1].position or ""))
        assert_whole(tree, [*shown[:cut], *play(tree, resumed, chance)])
    pieces: list[ShownEvent] = []
    position = "0"
    while (
        not pieces
        or pieces[-1].type not in ("run.completed", "run.cancelled")
        or (json.loads(pieces[-1].data)["run_id"] != TOP)
    ):
        rest = play(tree, Join(TOP, Position.read(position)), chance)
        for _, each in zip(range(chance.randint(1, 5)), rest, strict=False):
            pieces.append(each)
            position = each.position or position
    assert_whole(tree, pieces)


def test_live_events_have_no_position() -> None:
    """They are shown in their place among those of their run, and nobody goes on after them."""
    join = Join(TOP, Position())
    join.top.put([event(TOP, 1, "run.started"), event(TOP, None, "message.delta")])
    started, delta = join.pass_on()
    assert (started.position, delta.position) == (Position(1, told_after=1).write(), None)


def test_a_run_that_is_gone() -> None:
    """Its caller's word waits for it no longer, and what follows is shown."""
    join = Join(TOP, Position())
    join.top.put(
        [
            event(TOP, 1, "child.started", call_id="1.0", child_run_id="gone"),
            event(TOP, 2, "tool_call.completed", call_id="1.0"),
        ]
    )
    assert [each.seq for each in join.pass_on()] == [1]
    [_, gone] = list(join)
    assert gone.caller is join.top
    assert join.top.waits_for(gone)
    gone.end()
    assert [each.seq for each in join.pass_on()] == [2]


def test_an_event_costs_what_it_moves() -> None:
    """With many runs open, only where its own run and those above it are is put together anew."""
    join = Join(TOP, Position())
    join.top.put(
        [
            event(TOP, index + 1, "child.started", call_id=f"1.{index}", child_run_id=f"{index}")
            for index in range(64)
        ]
    )
    join.pass_on()
    moved, *others = [run for run in join if run is not join.top]
    before = {run.run_id: run.position for run in (join.top, moved, *others)}
    moved.put([event(moved.run_id, 1, "turn.started")])
    [shown] = join.pass_on()
    assert all(run.position is before[run.run_id] for run in others)
    assert (moved.position.seq, before[moved.run_id].seq) == (1, 0)
    assert Position.read(shown.position or "").called["1.0"].seq == 1


def test_a_position_is_small() -> None:
    """With as many runs as may be open it fits into a header of any proxy."""
    join = Join(TOP, Position())
    told = [
        event(
            TOP, 100_000 + index, "child.started", call_id=f"999.{index}", child_run_id=f"{index}"
        )
        for index in range(64)
    ]
    join.top.put(told)
    join.pass_on()
    for run in join:
        if run is not join.top:
            run.put([event(run.run_id, 100_000, "turn.started")])
    last = join.pass_on()[-1].position
    assert last
    assert len(last) < 2048
    assert Position.read(last).write() == last


def mapping() -> Mapping[str, Position]:
    return {"1.0": Position(7, told_after=7), "1.1": Position(3, ended=True, told_after=3)}


def test_a_position_is_read_as_it_was_written() -> None:
    """Nothing is lost on the way over a client."""
    for position in (
        Position(),
        Position(12, told_after=12),
        Position(12, ended=True, told_after=12),
        Position(12, told_after=8, called={**mapping(), "1.2": Position(9, False, 4, mapping())}),
    ):
        assert Position.read(position.write()) == position


@pytest.mark.parametrize(
    "written",
    [
        "",
        "x",
        "-1",
        "1!!",
        "1@0",
        "1@2(1.0:1)",
        "1@0(1.0:1",
        "1@0(1.0:1,)",
        "1@0(1.0:1,1.0:2)",
        "1@0(a.b:1)",
        "1@0(../x:1)",
        "1 ",
        "9" * 16,
        "1@0(1.0:" * 20 + "1" + ")" * 20,
        "1@0(" + ",".join(f"1.{index}:1" for index in range(10_000)) + ")",
    ],
)
def test_no_position(written: str) -> None:
    """What was never written is refused, whatever it names, and however deep or long it is."""
    with pytest.raises(NoPosition):
        Position.read(urlsafe_b64encode(written.encode()).decode().rstrip("="))


@pytest.mark.parametrize("text", ["", "12", "#", "M Q", "é", "MTI=="])
def test_no_text_of_a_position(text: str) -> None:
    """A number of the plain stream is none, nor is anything that is not written as one."""
    with pytest.raises(NoPosition):
        Position.read(text)

"""The line of a thread over its keys: what it costs, and what a killed handler leaves behind."""

import asyncio
from typing import Any

from fakes.records import NOON
from outlast_worker.services import state, thread_line
from outlast_worker.services.thread_state import Head, ThreadRun

EMPTY = Head(created_at=NOON, updated_at=NOON)


class Object:
    """A virtual object's state, which counts what is read and written."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}
        self.touched = 0

    def get(self, key: str, serde: Any) -> asyncio.Future[Any]:
        self.touched += 1
        found = asyncio.get_running_loop().create_future()
        found.set_result(serde.deserialize(self.kept[key]) if key in self.kept else None)
        return found

    def set(self, key: str, value: Any, serde: Any) -> None:
        self.touched += 1
        self.kept[key] = serde.serialize(value)

    def clear(self, key: str) -> None:
        self.touched += 1
        self.kept.pop(key, None)


def run(name: str, *, interrupts: bool = False) -> ThreadRun:
    return ThreadRun(
        run_id=name,
        agent="a",
        tenant="t",
        invocation_id=f"inv_{name}",
        body_hash="h",
        interrupts=interrupts,
    )


def enter(ctx: Any, head: Head, *runs: ThreadRun) -> Head:
    for each in runs:
        head = thread_line.enter(ctx, head, each)
    return head


async def names(ctx: Any, head: Head) -> list[str]:
    return [place.run.run_id async for place in thread_line.read(ctx, head)]


async def leave(ctx: Any, head: Head, name: str) -> Head:
    place = await thread_line.find(ctx, head, name)
    assert place
    thread_line.leave(ctx, head, place)
    kept = await state.HEAD.get(ctx)
    assert kept
    return kept


async def test_order_with_gaps() -> None:
    """Who is next is found behind any number of runs that have left."""
    ctx: Any = Object()
    runs = [run(f"r{index}") for index in range(60)]
    head = enter(ctx, EMPTY, run("holder"), *runs)
    assert await names(ctx, head) == [each.run_id for each in runs]
    for index in [*range(1, 40), 50]:
        head = await leave(ctx, head, f"r{index}")
    assert await names(ctx, head) == ["r0", *(f"r{i}" for i in range(40, 60) if i != 50)]
    head = await leave(ctx, head, "r0")
    following = await thread_line.first(ctx, head)
    assert following
    assert following.run.run_id == "r40"
    assert head.waiting == 19
    assert await thread_line.find(ctx, head, "r1") is None


async def test_a_long_line_costs_no_more() -> None:
    """To enter, to be found, to leave and to be next touch as many keys at any length."""

    async def cost(length: int) -> int:
        ctx: Any = Object()
        head = enter(ctx, EMPTY, run("holder"), *(run(f"r{index}") for index in range(length)))
        ctx.touched = 0
        head = enter(ctx, head, run("last"))
        head = await leave(ctx, head, f"r{length // 2}")
        assert await thread_line.first(ctx, head)
        assert await thread_line.interruptions(ctx, head) == []
        return ctx.touched

    assert await cost(1000) == await cost(100)


async def test_interruptions() -> None:
    """The last one to interrupt is next, and those before it are known."""
    ctx: Any = Object()
    head = enter(ctx, EMPTY, run("holder"), run("a"), run("b"))
    head = enter(ctx, head, run("urgent", interrupts=True))
    assert await thread_line.interruptions(ctx, head) == [run("urgent", interrupts=True)]
    head = enter(ctx, head, run("more", interrupts=True))
    assert await names(ctx, head) == ["more", "urgent", "a", "b"]


async def test_what_a_killed_handler_left_behind() -> None:
    """Keys that the head does not count are nobody's place, and are written over."""
    ctx: Any = Object()
    head = enter(ctx, EMPTY, run("holder"), run("a"))
    before = ctx.kept["head"]
    enter(ctx, head, run("lost"))
    ctx.kept["head"] = before
    assert await names(ctx, head) == ["a"]
    assert await thread_line.find(ctx, head, "lost") is None
    head = enter(ctx, head, run("b"))
    assert await names(ctx, head) == ["a", "b"]
    assert await thread_line.find(ctx, head, "lost") is None


async def test_the_line_of_an_older_worker() -> None:
    """Those in line when a worker of this version takes over keep their order and their turn."""
    ctx: Any = Object()
    line = [run("urgent", interrupts=True), run("more", interrupts=True), run("a")]
    older = {"holder": run("holder"), "queue": line}
    ctx.kept["head"] = EMPTY.model_copy(update=older).model_dump_json().encode()
    head = await thread_line.read_head(ctx)
    assert head
    assert await names(ctx, head) == ["urgent", "more", "a"]
    assert (head.waiting, await thread_line.find(ctx, head, "a")) == (3, (2, run("a")))
    head = enter(ctx, head, run("b"))
    assert await thread_line.read_head(ctx) == head
    assert await names(ctx, head) == ["urgent", "more", "a", "b"]

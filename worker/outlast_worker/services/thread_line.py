"""The line of runs that wait for a thread: one key each, so that its length costs nobody anything.

The head says which numbers count: `first` to before `after_last`. A number whose run has left is a
gap. So a key beyond them, which a killed handler left behind, is nobody's place.
"""

from collections.abc import AsyncIterator
from typing import NamedTuple

from restate import ObjectContext, ObjectSharedContext

from outlast_worker.services import state
from outlast_worker.services.thread_state import Head, ThreadRun

_AT_ONCE = 16


class Place(NamedTuple):
    """A run in line."""

    number: int
    run: ThreadRun


async def read_head(ctx: ObjectContext) -> Head | None:
    """Return the head; those whom an older worker had in line there get places of their own."""
    head = await state.HEAD.get(ctx)
    if head is None or not head.queue:
        return head
    line, head = head.queue, head.model_copy(update={"queue": []})
    for run in line:  # in that order: who interrupted is in front already
        head = _put_last(ctx, head, run)
    state.HEAD.set(ctx, head)
    return head


async def read(
    ctx: ObjectContext | ObjectSharedContext, head: Head, start: int | None = None
) -> AsyncIterator[Place]:
    """Yield the places from a number on, by default all, next one first."""
    begin = head.first if start is None else max(start, head.first)
    for batch in range(begin, head.after_last, _AT_ONCE):
        numbers = range(batch, min(batch + _AT_ONCE, head.after_last))
        # Asked for together and awaited one by one: `gather` looks at all of them for each.
        asked = [(number, state.place(number).get(ctx)) for number in numbers]
        for number, future in asked:
            if run := await future:
                yield Place(number, run)


async def first(ctx: ObjectContext, head: Head) -> Place | None:
    """Return who is next."""
    async for place in read(ctx, head):
        return place
    return None


async def interruptions(ctx: ObjectContext, head: Head) -> list[ThreadRun]:
    """Return the runs in line that interrupted: they are before all others."""
    found: list[ThreadRun] = []
    async for place in read(ctx, head):
        if not place.run.interrupts:
            break
        found.append(place.run)
    return found


async def find(ctx: ObjectContext, head: Head, run_id: str) -> Place | None:
    """Return the run's place, if it waits."""
    number = await state.number(run_id).get(ctx)
    if number is None or not head.first <= number < head.after_last:
        return None
    run = await state.place(number).get(ctx)
    return Place(number, run) if run and run.run_id == run_id else None


def enter(ctx: ObjectContext, head: Head, run: ThreadRun) -> Head:
    """Give a run the thread, or a place in line, and return the head, which is written last."""
    head, number = head.enter(run)
    if number is not None:
        _put(ctx, number, run)
    state.HEAD.set(ctx, head)
    return head


def _put_last(ctx: ObjectContext, head: Head, run: ThreadRun) -> Head:
    number = head.after_last
    _put(ctx, number, run)
    return head.model_copy(update={"after_last": number + 1, "waiting": head.waiting + 1})


def _put(ctx: ObjectContext, number: int, run: ThreadRun) -> None:
    state.place(number).set(ctx, run)
    state.number(run.run_id).set(ctx, number)


def leave(ctx: ObjectContext, head: Head, place: Place) -> None:
    """Take a run out of the line."""
    forget(ctx, place)
    state.HEAD.set(ctx, head.leave(place.number))


def forget(ctx: ObjectContext, place: Place) -> None:
    """Forget a place that counts no longer."""
    state.place(place.number).clear(ctx)
    state.number(place.run.run_id).clear(ctx)

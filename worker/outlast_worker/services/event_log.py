"""Reads a run's committed events: one entry of its state each."""

from collections.abc import AsyncIterator, Awaitable, Sequence

from pydantic import TypeAdapter
from restate import WorkflowSharedContext
from restate.serde import BytesSerde

from outlast.contract import EventPage
from outlast.events import ReadEvent
from outlast.protocol import Run
from outlast_worker.services import state

_EVENT: TypeAdapter[ReadEvent] = TypeAdapter(ReadEvent)
_BYTES = BytesSerde()
# One answer of a handler can't have more than 32 MiB, and the app waits for it.
_PAGE_BYTES = 4 * 1024 * 1024
_PAGE_EVENTS = 1000
_AT_ONCE = 64
_AT_FIRST = 6


async def read_events(ctx: WorkflowSharedContext) -> list[ReadEvent]:
    """Return all of them."""
    return [event async for event in _events(ctx)]


async def read_page(
    ctx: WorkflowSharedContext, after: int, asked_run: Awaitable[Run | None]
) -> EventPage:
    """Return those after a number, as many as go into one answer.

    Args:
        ctx: Of the run.
        after: The number.
        asked_run: The run, asked for before: if it has ended, its last event is found here.
    """
    # Mostly few are new: then one question to Restate is enough.
    asked = _ask(ctx, range(after + 1, after + 1 + _AT_FIRST))
    run = await asked_run
    events: list[ReadEvent] = []
    size = 0
    while True:
        for future in asked:
            found = await future
            if not found:  # numbers have no gap
                return EventPage(events=events, run=run)
            events.append(_EVENT.validate_json(found))
            size += len(found)
            if size > _PAGE_BYTES or len(events) == _PAGE_EVENTS:
                return EventPage(events=events, run=run, more=True)
        after += len(asked)
        asked = _ask(ctx, range(after + 1, after + 1 + _AT_ONCE))


async def _events(ctx: WorkflowSharedContext) -> AsyncIterator[ReadEvent]:
    prefix = state.EVENT_PREFIX
    keys = await ctx.state_keys()
    seqs = sorted(int(key.removeprefix(prefix)) for key in keys if key.startswith(prefix))
    for begin in range(0, len(seqs), _AT_ONCE):
        for future in _ask(ctx, seqs[begin : begin + _AT_ONCE]):
            if found := await future:
                yield _EVENT.validate_json(found)


def _ask(ctx: WorkflowSharedContext, seqs: Sequence[int]) -> list[Awaitable[bytes | None]]:
    """Ask for events, to be awaited one by one: `gather` looks at all of them for each."""
    return [ctx.get(state.event(seq).key, serde=_BYTES) for seq in seqs]

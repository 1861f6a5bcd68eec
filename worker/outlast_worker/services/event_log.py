"""Reads a run's committed events: one entry of its state each."""

from collections.abc import AsyncIterator

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


async def read_events(ctx: WorkflowSharedContext) -> list[ReadEvent]:
    """Return all of them."""
    return [event async for event, _ in _events(await _seqs(ctx, 0), ctx)]


async def read_page(ctx: WorkflowSharedContext, after: int, run: Run | None) -> EventPage:
    """Return those after a number, as many as go into one answer."""
    seqs = await _seqs(ctx, after)
    events: list[ReadEvent] = []
    size = 0
    async for event, event_size in _events(seqs, ctx):
        events.append(event)
        size += event_size
        if size > _PAGE_BYTES or len(events) == _PAGE_EVENTS:
            break
    return EventPage(events=events, run=run, more=len(events) < len(seqs))


async def _seqs(ctx: WorkflowSharedContext, after: int) -> list[int]:
    prefix = state.EVENT_PREFIX
    keys = await ctx.state_keys()
    seqs = [int(key.removeprefix(prefix)) for key in keys if key.startswith(prefix)]
    return sorted(seq for seq in seqs if seq > after)


async def _events(
    seqs: list[int], ctx: WorkflowSharedContext
) -> AsyncIterator[tuple[ReadEvent, int]]:
    """Yield events and their sizes."""
    for begin in range(0, len(seqs), _AT_ONCE):
        # Asked for together and awaited one by one: `gather` looks at all of them for each.
        asked = [
            ctx.get(state.event(seq).key, serde=_BYTES) for seq in seqs[begin : begin + _AT_ONCE]
        ]
        for future in asked:
            if found := await future:
                yield _EVENT.validate_json(found), len(found)

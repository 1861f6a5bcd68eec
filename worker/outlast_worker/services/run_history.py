"""What a run goes on with: what was said before it, on its thread or in the run that it forks."""

from collections.abc import Sequence

from restate import TerminalError, WorkflowSharedContext

from outlast.contract import RunOrder
from outlast.events import HandedOver, ReadEvent
from outlast.names import key_of
from outlast.protocol import Message
from outlast_worker.engine.records import Pin, StoredMessage
from outlast_worker.services import calls, state
from outlast_worker.services.cancellation import is_own_cancellation
from outlast_worker.services.thread_state import NOTHING_SAID, extend


async def read_history(
    ctx: WorkflowSharedContext, prefix: str, order: RunOrder
) -> Sequence[StoredMessage] | None:
    """Return what was said before a run; None if that is there no longer."""
    if order.forked_from:
        return await state.FORKED_HISTORY.get(ctx)
    mark = await state.CONVERSATION.get(ctx) or NOTHING_SAID
    if not mark.messages:
        return []
    said = await read_thread(ctx, prefix, order)
    if said is None:
        return None
    before = said[: mark.messages]
    return before if extend(NOTHING_SAID, before) == mark else None


async def read_thread(
    ctx: WorkflowSharedContext, prefix: str, order: RunOrder
) -> Sequence[StoredMessage] | None:
    """Return what the thread of a run has now; None if it has grown too long to be read at once."""
    target = calls.thread_target(prefix, key_of(order.tenant, order.thread_id or ""))
    try:
        return await calls.CONVERSATION.call(ctx, target, None)
    except TerminalError as error:
        if is_own_cancellation(error):
            raise
        return None


async def pin_in(ctx: WorkflowSharedContext, turn: int, events: Sequence[ReadEvent]) -> Pin | None:
    """Return the definition that counted in a turn of a run, or would have."""
    ends = [e.turn for e in events if isinstance(e, HandedOver) and e.turn >= turn]
    kept = state.former_definition(min(ends)) if ends else state.DEFINITION
    return await kept.get(ctx)


async def with_told(ctx: WorkflowSharedContext, message: Message) -> StoredMessage:
    """Return a message as models read it, where clients see less or other words."""
    told = await state.told(message.call_id or message_key(message.id)).get(ctx)
    return StoredMessage(**message.model_dump(), told=told)


def message_key(message_id: str) -> str:
    """Return by what it is found what models read in place of a message that has no call."""
    return f"message:{message_id}"

"""What a run goes on with: what was said before it, on its thread or in the run that it forks."""

from collections.abc import Sequence
from typing import TypeVar

from restate import TerminalError, WorkflowSharedContext

from outlast.contract import RunOrder
from outlast.events import HandedOver, ReadEvent
from outlast.names import key_of
from outlast.protocol import Message
from outlast_worker.engine.records import Pin, StandIn, StoredMessage
from outlast_worker.services import calls, state
from outlast_worker.services.calls import Call
from outlast_worker.services.cancellation import is_own_cancellation
from outlast_worker.services.thread_calls import WholeThread
from outlast_worker.services.thread_state import NOTHING_SAID

I = TypeVar("I")  # noqa: E741  # as in `calls`
O = TypeVar("O")  # noqa: E741


async def read_history(
    ctx: WorkflowSharedContext, prefix: str, order: RunOrder
) -> Sequence[StoredMessage] | None:
    """Return what was said before a run; None if that is there no longer."""
    if order.forked_from:
        return await state.FORKED_HISTORY.get(ctx)
    mark = await state.CONVERSATION.get(ctx) or NOTHING_SAID
    if not mark.messages:
        return []
    return await _ask_thread(ctx, prefix, order, calls.CONVERSATION_THEN, mark)


async def read_thread(
    ctx: WorkflowSharedContext, prefix: str, order: RunOrder
) -> WholeThread | None:
    """Return all that the thread of a run has now; None if it is too much to be read at once."""
    return await _ask_thread(ctx, prefix, order, calls.WHOLE_THREAD, None)


async def _ask_thread(
    ctx: WorkflowSharedContext, prefix: str, order: RunOrder, question: Call[I, O | None], value: I
) -> O | None:
    target = calls.thread_target(prefix, key_of(order.tenant, order.thread_id or ""))
    try:
        return await question.call(ctx, target, value)
    except TerminalError as error:
        if is_own_cancellation(error):
            raise
        return None


async def find_stand_in(ctx: WorkflowSharedContext, turn: int) -> StandIn | None:
    """Return what models read by a turn in place of what was said first; 0 is before all turns.

    None if that was all of what the run goes on with.
    """
    prefix = state.STAND_IN_PREFIX
    keys = [key.removeprefix(prefix) for key in await ctx.state_keys() if key.startswith(prefix)]
    last = max((made for made in map(int, keys) if made <= turn), default=None)
    return None if last is None else await state.stand_in(last).get(ctx)


async def pin_in(ctx: WorkflowSharedContext, turn: int, events: Sequence[ReadEvent]) -> Pin | None:
    """Return the definition that counted in a turn of a run, or would have."""
    ends = [e.turn for e in events if isinstance(e, HandedOver) and e.turn >= turn]
    kept = state.former_definition(min(ends)) if ends else state.DEFINITION
    return await kept.get(ctx)


async def with_told(
    ctx: WorkflowSharedContext, order: RunOrder, said: Sequence[Message]
) -> list[StoredMessage]:
    """Return a run's messages, from the first, as models read them where clients see other words.

    Results that its start has brought along may be of calls named as the run's own are.
    """
    given, own = said[: len(order.input)], said[len(order.input) :]
    names = [message_key(message.id) for message in given]
    names += [message.call_id or message_key(message.id) for message in own]
    asked = [state.told(name).get(ctx) for name in names]
    # Asked for together and awaited one by one: `gather` looks at all of them for each.
    return [
        StoredMessage(**message.model_dump(), told=await told)
        for message, told in zip(said, asked, strict=True)
    ]


def message_key(message_id: str) -> str:
    """Return by what it is found what models read in place of a message that has no call."""
    return f"message:{message_id}"

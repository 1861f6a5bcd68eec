"""Forks: what another run needs to go on from the middle of this one, which stays as it is."""

from collections.abc import Sequence
from dataclasses import dataclass

from restate import TerminalError, Workflow, WorkflowSharedContext

from outlast.contract import ForkPoint, ForkQuestion, RunOrder
from outlast.protocol import Message
from outlast_worker.engine.forking import messages_after_turn, turns_of
from outlast_worker.engine.records import ForkSource, StandIn, StoredMessage
from outlast_worker.services import calls, state
from outlast_worker.services.event_log import read_events
from outlast_worker.services.policies import READ_POLICY
from outlast_worker.services.run_history import (
    find_stand_in,
    pin_in,
    read_history,
    read_thread,
    with_told,
)
from outlast_worker.services.serde import json_handler
from outlast_worker.services.thread_calls import WholeThread
from outlast_worker.services.thread_state import MAX_BYTES, NOTHING_SAID, extend, in_thread


class _TooLong(TerminalError):
    def __init__(self) -> None:
        super().__init__(
            f"What was said is more than the {MAX_BYTES} bytes that a run can read.",
            status_code=413,
        )


def add_forking(workflow: Workflow, prefix: str) -> None:
    """Add the handlers."""

    @json_handler(workflow.handler, invocation_retry_policy=READ_POLICY)
    async def fork_point(ctx: WorkflowSharedContext, question: ForkQuestion) -> ForkPoint:
        """Tell whether the run, which has ended, can be gone on from after a turn."""
        order, run = await state.ORDER.get(ctx), await state.RUN.get(ctx)
        if order is None or run is None:
            return ForkPoint(outcome="unknown_turn")
        events, turn = await read_events(ctx), question.after_turn
        turns = turns_of(events)
        if turn in turns.open_calls:
            return ForkPoint(
                outcome="open_calls", last_turn=turns.last_whole, call_ids=turns.open_calls[turn]
            )
        if not turns.is_whole(turn):
            return ForkPoint(outcome="unknown_turn", last_turn=turns.last_whole)
        before = await read_history(ctx, prefix, order)
        if before is None:
            return ForkPoint(outcome="lost")
        said = [*before, *messages_after_turn(order, run, events, turn)]
        return ForkPoint(
            outcome="there",
            is_answered=bool(said) and said[-1].role == "assistant",
            has_definition=await pin_in(ctx, turn + 1, events) is not None,
        )

    @json_handler(workflow.handler, calls.FORK_SOURCE.name, ingress_private=True)
    async def fork_source(ctx: WorkflowSharedContext, question: ForkQuestion) -> ForkSource:
        """Return what a fork goes on from; no history if that is not there any more."""
        order, run = await state.ORDER.get(ctx), await state.RUN.get(ctx)
        if order is None or run is None:
            return ForkSource()
        events = await read_events(ctx)
        pin = await pin_in(ctx, question.after_turn + 1, events)
        said = messages_after_turn(order, run, events, question.after_turn)
        kept = await _read_kept(ctx, prefix, order, said)
        if kept is None:
            return ForkSource(pin=pin)
        if extend(NOTHING_SAID, kept.messages).bytes > MAX_BYTES:
            raise _TooLong
        own = await find_stand_in(ctx, question.after_turn)
        stand_in = in_thread(own, kept.summed_up) if own else kept.stand_in
        lasts = stand_in is not None and stand_in.lasts
        return ForkSource(
            history=list(kept.messages), stand_in=stand_in if lasts else None, pin=pin
        )


@dataclass(frozen=True)
class _Kept:
    """What a fork goes on from.

    Attributes:
        stand_in: What the run has read in place of the first messages, if its thread had it.
        summed_up: How many those were.
    """

    messages: Sequence[StoredMessage]
    stand_in: StandIn | None = None
    summed_up: int = 0


async def _read_kept(
    ctx: WorkflowSharedContext, prefix: str, order: RunOrder, said: Sequence[Message]
) -> _Kept | None:
    """Return what was said before a run and in it; None if something is not there any more."""
    before = await read_history(ctx, prefix, order)
    if before is None:
        return None
    own = await with_told(ctx, order, said)
    if order.thread_id is None:
        return _Kept([*before, *own])
    mark = await state.CONVERSATION.get(ctx) or NOTHING_SAID
    thread = await read_thread(ctx, prefix, order)
    if thread is None and mark.covers:
        raise _TooLong
    thread = thread or WholeThread(messages=[])
    # The thread alone keeps what only the model's provider reads.
    opaque = {message.id: message.opaque for message in thread.messages}
    own = [message.model_copy(update={"opaque": opaque.get(message.id)}) for message in own]
    if not mark.covers:
        return _Kept([*before, *own])
    # The messages themselves go along, and not only what the run has read of them.
    found = next((each for each in thread.stand_ins if each.covers == mark.covers), None)
    messages = [*thread.messages[: mark.covers], *before[1:], *own]
    return found and _Kept(messages, found, mark.covers)

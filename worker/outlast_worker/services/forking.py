"""Forks: what another run needs to go on from the middle of this one, which stays as it is."""

from collections.abc import Sequence

from restate import TerminalError, Workflow, WorkflowSharedContext

from outlast.contract import ForkPoint, ForkQuestion, RunOrder
from outlast.protocol import Message
from outlast_worker.engine.forking import messages_after_turn, turns_of
from outlast_worker.engine.records import ForkSource, StoredMessage
from outlast_worker.services import calls, state
from outlast_worker.services.event_log import read_events
from outlast_worker.services.policies import READ_POLICY
from outlast_worker.services.run_history import (
    pin_in,
    read_history,
    read_thread,
    with_told,
)
from outlast_worker.services.serde import json_handler
from outlast_worker.services.thread_state import MAX_BYTES, NOTHING_SAID, extend


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
        before, events = await read_history(ctx, prefix, order), await read_events(ctx)
        pin = await pin_in(ctx, question.after_turn + 1, events)
        if before is None:
            return ForkSource(pin=pin)
        said = messages_after_turn(order, run, events, question.after_turn)
        history = [*before, *await _as_kept(ctx, prefix, order, said)]
        if (size := extend(NOTHING_SAID, history).bytes) > MAX_BYTES:
            raise TerminalError(
                f"What was said has {size} bytes; a run can read {MAX_BYTES}.", status_code=413
            )
        return ForkSource(history=history, pin=pin)


async def _as_kept(
    ctx: WorkflowSharedContext, prefix: str, order: RunOrder, said: Sequence[Message]
) -> list[StoredMessage]:
    """Return what a run had said with what is not for clients."""
    own = [await with_told(ctx, message) for message in said]
    if order.thread_id is None:
        return own
    # The thread alone keeps what only the model's provider reads.
    kept = {message.id: message.opaque for message in await read_thread(ctx, prefix, order) or ()}
    return [message.model_copy(update={"opaque": kept.get(message.id)}) for message in own]

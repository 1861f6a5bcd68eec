"""Messages to a run that goes on: numbered promises that the run awaits, one after the other.

Whoever resolves one first counts, so an answer that it was taken is never wrong.
"""

from restate import WorkflowSharedContext

from outlast.contract import SteerAnswer, SteeringMessage, SteerOrder
from outlast_worker.services import promises, state


async def take_message(ctx: WorkflowSharedContext, order: SteerOrder) -> SteerAnswer:
    """Put a message into the first free place of the run's inbox, unless that is closed."""
    run = await state.RUN.get(ctx)
    ended = run is not None and run.ended
    if ended and not order.key:
        return SteerAnswer(outcome="ended")
    # A request that may be a repeated one is looked for among all messages.
    index = 0 if order.key else await state.MESSAGES_TAKEN.get(ctx) or 0
    while True:
        place = promises.inbox(index)
        message = SteeringMessage(
            message_id=f"{order.run_id}:in.{index}", **order.model_dump(exclude={"run_id"})
        )
        if not ended and await place.resolve_once(ctx, message):
            return SteerAnswer(outcome="accepted", message_id=message.message_id)
        earlier = await place.peek(ctx)
        if earlier is None:
            return SteerAnswer(outcome="ended")
        if order.key and earlier.key == order.key:
            outcome = "accepted" if earlier.body_hash == order.body_hash else "different"
            return SteerAnswer(outcome=outcome, message_id=earlier.message_id)
        index += 1


async def close_inbox(ctx: WorkflowSharedContext) -> list[SteeringMessage]:
    """Take no more messages for a run, and return those that were taken, read or not."""
    taken: list[SteeringMessage] = []
    while True:
        place = promises.inbox(len(taken))
        if await place.resolve_once(ctx, None):
            return taken
        message = await place.peek(ctx)
        if message is None:
            return taken
        taken.append(message)

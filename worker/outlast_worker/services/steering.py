"""Messages to a run that goes on: numbered promises that the run awaits, one after the other.

Whoever resolves one first counts, so an answer that it was taken is never wrong.
"""

from restate import WorkflowSharedContext

from outlast.contract import SteerAnswer, SteeringMessage, SteerOrder
from outlast_worker.services import promises, state
from outlast_worker.services.promises import SteeringClaim


async def take_message(ctx: WorkflowSharedContext, order: SteerOrder) -> SteerAnswer:
    """Put a message into the first free place of the run's inbox, unless that is closed."""
    run = await state.RUN.get(ctx)
    ended = run is not None and run.ended
    if ended and not order.key:
        return SteerAnswer(outcome="ended")
    index = await state.MESSAGES_TAKEN.get(ctx) or 0
    if order.key:
        claim = await _claim(ctx, order.key, SteeringClaim(body_hash=order.body_hash, first=index))
        if claim.body_hash != order.body_hash:
            return SteerAnswer(outcome="different")
        index = claim.first
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
            return SteerAnswer(outcome="accepted", message_id=earlier.message_id)
        index += 1


async def _claim(ctx: WorkflowSharedContext, key: str, claim: SteeringClaim) -> SteeringClaim:
    """Return the claim of the first request with this key: its message is there or behind.

    Whoever has the same claim tries the same places in the same order, and stops at the message:
    so it is put into one, however many requests try at once.
    """
    promise = promises.steering_claim(key)
    if await promise.resolve_once(ctx, claim):
        return claim
    return await promise.peek(ctx) or claim


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

"""Results that clients send of calls that they run: durable promises that the run awaits.

Whoever resolves one first counts, so an answer that it was taken is never wrong.
"""

from restate import WorkflowSharedContext

from outlast.contract import ClientResult, ResultAnswer, ResultOrder
from outlast.protocol import ClientCall, Decider
from outlast_worker.services import promises, state


async def take_result(ctx: WorkflowSharedContext, order: ResultOrder) -> ResultAnswer:
    """Take the result of a call that waits for one; the same result again is taken, too."""
    asked_run, asked_call = state.RUN.get(ctx), state.client_call(order.call_id).get(ctx)
    run, call = await asked_run, await asked_call
    if run is None or call is None:
        return ResultAnswer(outcome="unknown")
    promise = promises.client_result(order.call_id)
    if not run.ended:
        # Of one that has ended, or was answered, the promise is resolved already.
        result = _as_sent(order, call)
        if await promise.resolve_once(ctx, result):
            return ResultAnswer(
                outcome="taken" if result.outcome == "answered" else "conflict",
                answer=result.answer,
            )
    counts = await promise.peek(ctx)
    if counts is None:
        return ResultAnswer(outcome="ended")
    taken = ("answered", order.output, order.is_error)
    same = (counts.outcome, counts.output, counts.is_error) == taken
    return ResultAnswer(outcome="taken" if same else "conflict", answer=counts.answer)


def _as_sent(order: ResultOrder, call: ClientCall) -> ClientResult:
    """Return what a result comes to: one that comes too late is none, whoever sees it first."""
    if order.at >= call.expires_at:
        return ClientResult(call_id=call.call_id, outcome="expired", at=call.expires_at)
    by = Decider(key=order.key, said=order.by) if order.key or order.by else None
    return ClientResult(
        call_id=call.call_id,
        outcome="answered",
        output=order.output,
        is_error=order.is_error,
        at=order.at,
        by=by,
    )

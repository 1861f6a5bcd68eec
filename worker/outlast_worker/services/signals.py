"""Signals: what somebody sends to a durable call of a run. The first value counts, and is kept."""

from restate import WorkflowSharedContext

from outlast.contract import SignalAnswer, SignalOrder
from outlast.names import RunRef
from outlast_worker.services import calls, state
from outlast_worker.services.durable_calls import GivenSignal, OpenDurable


async def take_signal(ctx: WorkflowSharedContext, prefix: str, order: SignalOrder) -> SignalAnswer:
    """Hand a signal to the call that takes it; nothing is kept that no open call declares."""
    run = await state.RUN.get(ctx)
    if run is None:
        return SignalAnswer(outcome="unknown")
    if run.ended:
        return SignalAnswer(outcome="ended")
    takers = {
        call_id: call
        for call_id, call in (await _open_calls(ctx)).items()
        if order.name in call.signals and order.call_id in (None, call_id)
    }
    if not takers:
        return SignalAnswer(outcome="unknown")
    if len(takers) > 1:
        return SignalAnswer(outcome="ambiguous", call_ids=sorted(takers))
    ref = RunRef.from_key(ctx.key())
    if ref is None:  # made by hand
        return SignalAnswer(outcome="unknown")
    given = GivenSignal(name=order.name, value=order.value)
    [(call_id, taker)] = takers.items()
    target = calls.durable_target(prefix, ref, call_id, taker.agent)
    counts = await calls.GIVE_SIGNAL.call(ctx, target, given)
    return SignalAnswer(outcome="taken" if counts else "different", call_ids=[call_id])


async def _open_calls(ctx: WorkflowSharedContext) -> dict[str, OpenDurable]:
    prefix = state.OPEN_DURABLE_PREFIX
    call_ids = [
        key.removeprefix(prefix) for key in await ctx.state_keys() if key.startswith(prefix)
    ]
    # Asked for together and awaited one by one: `gather` looks at all of them for each.
    asked = [(call_id, state.open_durable(call_id).get(ctx)) for call_id in call_ids]
    return {call_id: call for call_id, future in asked if (call := await future)}

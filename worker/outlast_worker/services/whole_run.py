"""Reads a run from its state, where what is large has keys of its own."""

from collections.abc import Awaitable, Iterable, Sequence
from typing import TypeVar

from restate import WorkflowSharedContext

from outlast.contract import (
    ANSWER_PREFIX,
    APPROVAL_PREFIX,
    CALL_PREFIX,
    OPEN_CALL_PREFIX,
    PENDING_PREFIX,
    RESOLUTION_PREFIX,
    RunOrder,
    whole_run,
)
from outlast.protocol import SETTLING, Approval, CallAnswer, Engine, Resolution, Run
from outlast.trace import trace_id_of
from outlast_worker.engine.salvage import messages_so_far
from outlast_worker.services import promises, state
from outlast_worker.services.event_log import read_events

T = TypeVar("T")


async def read_whole_run(ctx: WorkflowSharedContext) -> Run | None:
    """Return the run as it is now, without its messages; None before it has begun."""
    asked_run, asked_metadata = state.RUN.get(ctx), state.METADATA.get(ctx)
    keys = await ctx.state_keys()
    approvals = [state.approval(each).get(ctx) for each in _ids(keys, APPROVAL_PREFIX)]
    resolutions = [state.resolution(each).get(ctx) for each in _ids(keys, RESOLUTION_PREFIX)]
    calls = [state.client_call(each).get(ctx) for each in _ids(keys, CALL_PREFIX)]
    answers = [state.call_answer(each).get(ctx) for each in _ids(keys, ANSWER_PREFIX)]
    run, metadata = await asked_run, await asked_metadata
    found = {each.id: each for each in await _all(resolutions)}
    answered = {each.call_id: each for each in await _all(answers)}
    return run and whole_run(
        run, metadata, await _all(approvals), found, await _all(calls), answered
    )


async def add_decisions(ctx: WorkflowSharedContext, run: Run) -> Run:
    """Add decisions that were taken and that the run has not got round to yet."""
    waiting = [each.id for each in run.approvals if each.resolution is None]
    open_calls = [call.call_id for call in run.calls if call.answer is None]
    taken = {} if run.ended else await decisions_on(ctx, waiting)
    sent = {} if run.ended else await answers_to(ctx, open_calls)
    if not (taken or sent):
        return run
    calls = [
        call.model_copy(update={"answer": sent.get(call.call_id, call.answer)})
        for call in run.calls
    ]
    approvals = [
        each.model_copy(update={"resolution": taken.get(each.id, each.resolution)})
        for each in run.approvals
    ]
    going_on = {"status": "running", "waiting_for": None, "waiting": None}
    return run.model_copy(update={**going_on, "approvals": approvals, "calls": calls})


async def add_engine(ctx: WorkflowSharedContext, run: Run) -> Run:
    """Add what only operators ask for: the run's trace, and which definition it keeps."""
    asked_order, pin = state.ORDER.get(ctx), await state.DEFINITION.get(ctx)
    order = await asked_order
    trace_id = trace_id_of(order.ref, order.trace) if order else None
    engine = (run.engine or Engine()).model_copy(update={"digest": pin and pin.digest})
    return run.model_copy(update={"engine": engine, "trace_id": trace_id})


async def add_messages(ctx: WorkflowSharedContext, order: RunOrder, run: Run) -> Run:
    """Add what was said so far: as the run has kept it, or as its events tell it."""
    said = await state.MESSAGES.get(ctx)
    if said is None:
        said = messages_so_far(order, run, await read_events(ctx))
    return run.model_copy(update={"messages": said, "origin": order.origin})


async def waits_for_people(ctx: WorkflowSharedContext, run: Run) -> bool:
    """Tell whether somebody outside still has to answer before the run goes on."""
    if run.waiting_for in ("child", "signal"):  # what was called tells the run when it goes on
        return True
    if run.waiting_for not in SETTLING:
        return False
    keys = await ctx.state_keys()
    waiting = _ids(keys, PENDING_PREFIX)
    waiting = waiting or [each.id for each in run.approvals if each.resolution is None]
    if len(await decisions_on(ctx, waiting)) < len(waiting):
        return True
    open_calls = _ids(keys, OPEN_CALL_PREFIX)
    return len(await answers_to(ctx, open_calls)) < len(open_calls)


def kept_with_run(run: Run, approval_id: str) -> Approval | None:
    """Return an approval of a run that an older worker executes: it keeps them with the run."""
    return next((each for each in run.approvals if each.id == approval_id), None)


async def decisions_on(
    ctx: WorkflowSharedContext, approval_ids: Sequence[str]
) -> dict[str, Resolution]:
    """Return the decisions that were taken on these, by approval."""
    asked = [promises.decision(approval_id).peek(ctx) for approval_id in approval_ids]
    return {each.id: each for each in await _all(asked)}


async def answers_to(ctx: WorkflowSharedContext, call_ids: Sequence[str]) -> dict[str, CallAnswer]:
    """Return the results that clients have sent of these, without their contents, by call."""
    asked = [promises.client_result(call_id).peek(ctx) for call_id in call_ids]
    return {each.call_id: each.answer for each in await _all(asked)}


def _ids(keys: Iterable[str], prefix: str) -> list[str]:
    return [key.removeprefix(prefix) for key in keys if key.startswith(prefix)]


async def _all(asked: Iterable[Awaitable[T | None]]) -> list[T]:
    # Asked for together and awaited one by one: `gather` looks at all of them for each.
    return [found for future in asked if (found := await future) is not None]

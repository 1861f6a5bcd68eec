"""Tells those who wait for a run when there is no more to wait for, so that nobody has to poll.

The run itself resolves a promise before it waits for a person, and at its end. A run in line hears
from its thread, which hears from the run that holds it.
"""

from datetime import timedelta
from typing import Any

from restate import RestateDurableFuture, WorkflowSharedContext, select

from outlast.contract import SettledAnswer, SettledQuestion
from outlast.protocol import Run
from outlast_worker.services import promises, state
from outlast_worker.services.decisions import add_decisions
from outlast_worker.services.suspend import suspending_after


async def await_settled(ctx: WorkflowSharedContext, question: SettledQuestion) -> SettledAnswer:
    """Wait until the run has ended or waits for a person, or its thread for one."""
    # The segment first: if the run settles before it is looked at, the promise says so.
    segment = await state.SEGMENT.get(ctx) or 1
    run = await state.RUN.get(ctx)
    if run and (run.ended or await _waits_for_people(ctx, run)):
        return SettledAnswer(outcome="settled")
    awaited: dict[str, RestateDurableFuture[Any]] = {
        "settled": promises.settled(segment).value(ctx),
        "neither": ctx.sleep(timedelta(seconds=question.wait_s)),
    }
    if question.in_line:
        awaited["parked"] = promises.PARKED.value(ctx)
    with suspending_after(ctx, 0):
        outcome, _ = await select(**awaited)
    return SettledAnswer(outcome=outcome)


async def _waits_for_people(ctx: WorkflowSharedContext, run: Run) -> bool:
    if run.waiting_for != "approval":
        return False
    decided = await add_decisions(ctx, run)
    return any(approval.resolution is None for approval in decided.approvals)

"""Tells those who wait for a run when there is no more to wait for, so that nobody has to poll.

The run itself resolves a promise before it waits for a person, and at its end. A run in line hears
from its thread, which hears from the run that holds it.
"""

from datetime import timedelta
from typing import Any

from restate import RestateDurableFuture, WorkflowSharedContext, select

from outlast.contract import SettledAnswer, SettledQuestion
from outlast_worker.services import promises, state
from outlast_worker.services.suspend import suspending_after
from outlast_worker.services.whole_run import waits_for_people


async def await_settled(ctx: WorkflowSharedContext, question: SettledQuestion) -> SettledAnswer:
    """Wait until the run has ended or waits for people or clients, or its thread does."""
    # The segment first: if the run settles before it is looked at, the promise says so.
    segment = await state.SEGMENT.get(ctx) or 1
    run = await state.RUN.get(ctx)
    if run and run.ended:
        return SettledAnswer(outcome="ended")
    if run and await waits_for_people(ctx, run):
        return SettledAnswer(outcome="settled")
    awaited: dict[str, RestateDurableFuture[Any]] = {
        "settled": promises.settled(segment).value(ctx),
        "neither": ctx.sleep(timedelta(seconds=question.wait_s)),
    }
    if question.in_line:
        awaited["parked"] = promises.PARKED.value(ctx)
    with suspending_after(ctx, 0):
        outcome, value = await select(**awaited)
    if outcome == "settled":
        return SettledAnswer(outcome="settled" if value else "ended")
    return SettledAnswer(outcome=outcome)

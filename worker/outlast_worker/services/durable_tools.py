"""The workflow of an agent's durable tools: each call is one invocation, with its own journal."""

import json
from datetime import timedelta
from typing import Any

from pydantic import JsonValue
from restate import RunOptions, TerminalError, Workflow, WorkflowContext, WorkflowSharedContext

from outlast.agent import Agent
from outlast.durable_context import DurableContext
from outlast.logging import bound_in_logs
from outlast.names import durable_tools_service, key_of
from outlast.protocol import Time
from outlast.tool import AnyTool
from outlast_worker.deps import Dependencies
from outlast_worker.engine.names import TIME
from outlast_worker.engine.planned_calls import PlannedCall
from outlast_worker.engine.records import ToolRecord
from outlast_worker.services import calls, promises
from outlast_worker.services.cancellation import is_own_cancellation
from outlast_worker.services.durable_calls import DurableOrder, GivenSignal
from outlast_worker.services.durable_journal import RestateJournal
from outlast_worker.services.policies import NO_JOURNAL, WRITE_POLICY
from outlast_worker.services.serde import json_handler, serde_of
from outlast_worker.stopwatch import Stopwatch, tell_time
from outlast_worker.tools.durable import carry_out

_MARGIN = timedelta(seconds=60)
# The run has the result in its own journal; what comes later is refused by its state.
_RETENTION = timedelta(seconds=60)


def build_durable_tools(agent: Agent, dependencies: Dependencies) -> Workflow | None:
    """Make the workflow that carries out an agent's durable tools, if it has any."""
    durable = [tool for tool in agent.functions if tool.durable]
    if not durable:
        return None
    settings = dependencies.settings
    longest_step = max(tool.step_timeout for tool in durable) + _MARGIN
    configured_s = settings.inactivity_timeout_s
    workflow = Workflow(
        durable_tools_service(agent.name, settings.service_prefix),
        description=f"Durable tools of the agent {agent.name}.",
        inactivity_timeout=longest_step
        if configured_s is None
        else timedelta(seconds=configured_s),
        abort_timeout=longest_step + _MARGIN,
        journal_retention=NO_JOURNAL,
        idempotency_retention=NO_JOURNAL,
        ingress_private=True,
        invocation_retry_policy=WRITE_POLICY,
    )

    @json_handler(workflow.main, calls.CALL_TOOL.name, workflow_retention=_RETENTION)
    async def call_tool(ctx: WorkflowContext, order: DurableOrder) -> ToolRecord:
        """Carry out a call. Whatever becomes of it, a record comes back."""
        with bound_in_logs(run_id=order.run_id, agent=order.agent, call_id=order.call_id):
            return await _carry_out(ctx, agent, order, dependencies)

    @json_handler(workflow.handler, calls.GIVE_SIGNAL.name)
    async def give_signal(ctx: WorkflowSharedContext, given: GivenSignal) -> bool:
        """Keep a signal for the call; False if another value came first."""
        promise = promises.signal(given.name)
        if await promise.resolve_once(ctx, given):
            return True
        counts = await promise.peek(ctx)
        return counts is not None and _as_json(counts.value) == _as_json(given.value)

    return workflow


def _as_json(value: JsonValue) -> str:
    """Return a value in which 1 is not true, and the order of names means nothing."""
    return json.dumps(value, sort_keys=True)


async def _carry_out(
    ctx: WorkflowContext, agent: Agent, order: DurableOrder, dependencies: Dependencies
) -> ToolRecord:
    began_at = order.created_at
    try:
        began_at = await _tell_time(ctx)
        record = await _run(ctx, agent, order, dependencies, _At(began_at))
        return record.model_copy(update={"ended_at": await _tell_time(ctx)})
    except TerminalError as error:
        # Raised on, it would look to the run like a cancellation of its own.
        if is_own_cancellation(error):
            return ToolRecord.cancelled(began_at)
        return ToolRecord.crashed(error, began_at)


async def _run(
    ctx: WorkflowContext,
    agent: Agent,
    order: DurableOrder,
    dependencies: Dependencies,
    watch: Stopwatch,
) -> ToolRecord:
    call = PlannedCall(order.turn, order.call_id, order.name, order.arguments, known=True)

    def make_context(tool: AnyTool) -> DurableContext[Any]:
        return _context(ctx, tool, order, dependencies)

    return await carry_out(agent, call, make_context, watch)


def _context(
    ctx: WorkflowContext, tool: AnyTool, order: DurableOrder, dependencies: Dependencies
) -> DurableContext[Any]:
    live = dependencies.live
    return DurableContext(
        run_id=order.run_id,
        thread_id=order.thread_id,
        tenant=order.tenant,
        agent=order.agent,
        turn=order.turn,
        call_id=order.call_id,
        idempotency_key=f"{order.run_id}:{order.call_id}",
        context=order.context,
        metadata=order.metadata,
        resources=dependencies.resources,
        on_progress=live.make_reporter(key_of(order.tenant, order.run_id), order.call_id),
        journal=RestateJournal(ctx, tool, order, dependencies),
    )


async def _tell_time(ctx: WorkflowContext) -> Time:
    return await ctx.run_typed(TIME, tell_time, RunOptions[Time](serde=serde_of(Time)))


class _At(Stopwatch):
    """Stands still: the times of a call are journaled."""

    def __init__(self, at: Time) -> None:
        self.started_at = at

    def read(self) -> Time:
        """Return when the call began."""
        return self.started_at

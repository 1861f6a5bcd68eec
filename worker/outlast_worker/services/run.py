"""Restate services: one workflow per agent. Handlers parse, call the loop, and answer."""

from datetime import timedelta
from typing import Any

import structlog
from restate import (
    RunOptions,
    Service,
    VirtualObject,
    Workflow,
    WorkflowContext,
    WorkflowSharedContext,
    select,
)

from outlast.agent import Agent
from outlast.contract import (
    DIGEST,
    CancelOrder,
    DecideAnswer,
    DecideOrder,
    EventPage,
    EventsQuestion,
    RunOrder,
    SameAnswer,
    SameQuestion,
    StatusQuestion,
    SteerAnswer,
    SteerOrder,
)
from outlast.logging import get_logger
from outlast.names import key_of, service_of
from outlast.protocol import Run, Time
from outlast_worker.deps import Dependencies
from outlast_worker.engine.loop import AgentLoop
from outlast_worker.engine.names import (
    ABORT,
    ACCEPTED,
    ADMISSION,
    ADMIT,
    CANCEL,
    CANCELLED_AT,
    ORDER_KEY,
    RUN,
    RUN_KEY,
    SALVAGE,
    SAME,
    STEER,
)
from outlast_worker.engine.records import StoredMessage
from outlast_worker.engine.salvage import messages_so_far, salvage_messages
from outlast_worker.services.decisions import (
    last_messages,
    resolve_once,
    take_decision,
    take_message,
    with_decisions,
)
from outlast_worker.services.event_log import read_events, read_page
from outlast_worker.services.policies import NO_JOURNAL, READ_POLICY, WRITE_POLICY
from outlast_worker.services.run_steps import RestateSteps
from outlast_worker.services.serde import JsonSerde
from outlast_worker.services.thread import build_thread, build_thread_watch
from outlast_worker.tools.runner import total_timeout_s

_MARGIN = timedelta(seconds=60)

_logger = get_logger()

_ORDER = JsonSerde[RunOrder](RunOrder)
_RUN = JsonSerde[Run](Run)
_MAYBE_RUN = JsonSerde[Run | None](Run | None)
_STATUS_QUESTION = JsonSerde[StatusQuestion](StatusQuestion)
_EVENTS_QUESTION = JsonSerde[EventsQuestion](EventsQuestion)
_PAGE = JsonSerde[EventPage](EventPage)
_SAME_QUESTION = JsonSerde[SameQuestion](SameQuestion)
_SAME_ANSWER = JsonSerde[SameAnswer](SameAnswer)
_CANCEL_ORDER = JsonSerde[CancelOrder](CancelOrder)
_MESSAGES = JsonSerde[list[StoredMessage]](list[StoredMessage])
_TEXT = JsonSerde[str](str)
_TIME = JsonSerde[Time](Time)
_DECIDE_ORDER = JsonSerde[DecideOrder](DecideOrder)
_DECIDED = JsonSerde[DecideAnswer](DecideAnswer)
_STEER_ORDER = JsonSerde[SteerOrder](SteerOrder)
_STEERED = JsonSerde[SteerAnswer](SteerAnswer)
_NOTHING = JsonSerde[None](None)


def build_services(dependencies: Dependencies) -> list[Workflow | VirtualObject | Service]:
    """Make all services of this worker."""
    prefix = dependencies.settings.service_prefix
    agents = [build_agent(agent, dependencies) for agent in dependencies.registry]
    return [*agents, build_thread(prefix), build_thread_watch(prefix)]


def build_agent(agent: Agent, dependencies: Dependencies) -> Workflow:
    """Make the workflow that runs one agent."""
    settings = dependencies.settings
    workflow = Workflow(
        service_of(agent.name, settings.service_prefix),
        description=agent.description or f"The agent {agent.name}.",
        metadata={DIGEST: dependencies.registry.agent_digest(agent)},
        inactivity_timeout=_inactivity_timeout(agent, dependencies),
        abort_timeout=_longest_step(agent, dependencies) + _MARGIN,
        journal_retention=NO_JOURNAL,
        idempotency_retention=NO_JOURNAL,
        state_preload=False,
    )
    write: dict[str, Any] = {"invocation_retry_policy": WRITE_POLICY}

    @workflow.main(
        RUN,
        input_serde=_ORDER,
        output_serde=_RUN,
        journal_retention=timedelta(seconds=settings.journal_retention_s),
        workflow_retention=timedelta(seconds=settings.run_retention_s),
        **write,
    )
    async def run(ctx: WorkflowContext, order: RunOrder) -> Run:
        """Run the agent to its end."""
        key = key_of(order.tenant, order.run_id)
        with (
            structlog.contextvars.bound_contextvars(**_log_context(ctx, order)),
            dependencies.live.running(key, order.run_id),
        ):
            _logger.info("run_started")
            steps = RestateSteps(ctx, order, agent, dependencies)
            steps.accept()
            ended = await AgentLoop(steps, order).run()
            _logger.info("run_ended", status=ended.status, turns=ended.turn)
            return ended

    @workflow.handler(ADMIT, output_serde=_NOTHING, ingress_private=True, **write)
    async def admit(ctx: WorkflowSharedContext) -> None:
        """Tell the run that it holds its thread now."""
        await resolve_once(ctx, ADMISSION, "granted", _TEXT)

    async def abort(run_id: str) -> None:
        dependencies.inflight.abort(run_id)

    @workflow.handler(CANCEL, input_serde=_CANCEL_ORDER, output_serde=_NOTHING, **write)
    async def cancel(ctx: WorkflowSharedContext, order: CancelOrder) -> None:
        """Cancel the run, and leave word when that was asked for."""
        # A second cancellation would cut the run while it finishes after the first.
        if await resolve_once(ctx, CANCELLED_AT, order.at, _TIME):
            ctx.cancel_invocation(order.invocation_id)
        await ctx.run_typed(ABORT, abort, RunOptions(serde=_NOTHING), order.run_id)

    @workflow.handler(input_serde=_DECIDE_ORDER, output_serde=_DECIDED, **write)
    async def decide(ctx: WorkflowSharedContext, order: DecideOrder) -> DecideAnswer:
        """Take a person's decision on a tool call."""
        return await take_decision(ctx, agent, order)

    @workflow.handler(STEER, input_serde=_STEER_ORDER, output_serde=_STEERED, **write)
    async def steer(ctx: WorkflowSharedContext, order: SteerOrder) -> SteerAnswer:
        """Take a message for a run that is going on."""
        return await take_message(ctx, order)

    @workflow.handler(SALVAGE, output_serde=_MESSAGES, ingress_private=True, **write)
    async def salvage(ctx: WorkflowSharedContext) -> list[StoredMessage]:
        """Return what a killed run would have added to its thread."""
        order = await ctx.get(ORDER_KEY, serde=_ORDER)
        run = await ctx.get(RUN_KEY, serde=_RUN)
        if order is None or run is None:
            return []
        return salvage_messages(order, run, await read_events(ctx), await last_messages(ctx))

    _add_questions(workflow)
    return workflow


def _add_questions(workflow: Workflow) -> None:
    """Add the handlers that only read."""
    read: dict[str, Any] = {"invocation_retry_policy": READ_POLICY}

    @workflow.handler(input_serde=_STATUS_QUESTION, output_serde=_MAYBE_RUN, **read)
    async def status(ctx: WorkflowSharedContext, question: StatusQuestion) -> Run | None:
        """Return the run as it is now; None before it has begun."""
        run = await ctx.get(RUN_KEY, serde=_RUN)
        if run is None:
            return None
        if not question.killed:
            run = await with_decisions(ctx, run)
        order = await ctx.get(ORDER_KEY, serde=_ORDER) if question.messages else None
        if order is None:
            return run
        said = messages_so_far(order, run, await read_events(ctx))
        return run.model_copy(update={"messages": said})

    @workflow.handler(input_serde=_EVENTS_QUESTION, output_serde=_PAGE, **read)
    async def events(ctx: WorkflowSharedContext, question: EventsQuestion) -> EventPage:
        """Return the committed events after a number."""
        # The run first: if it has ended, its last event is there when the events are read.
        run = await ctx.get(RUN_KEY, serde=_RUN)
        return await read_page(ctx, question.after, run)

    # `Thread.submit` waits for this one: given up, it would take an accepted run along.
    @workflow.handler(
        SAME,
        input_serde=_SAME_QUESTION,
        output_serde=_SAME_ANSWER,
        invocation_retry_policy=WRITE_POLICY,
    )
    async def same(ctx: WorkflowSharedContext, question: SameQuestion) -> SameAnswer:
        """Tell whether this run was started by the same request."""
        accepted = ctx.promise(ACCEPTED, serde=_TEXT)
        body_hash = await accepted.peek()
        if body_hash is None and question.wait_s:
            waited = ctx.sleep(timedelta(seconds=question.wait_s))
            match await select(value=accepted.value(), waited=waited):
                case ["value", value]:
                    body_hash = value
                case _:
                    pass
        if body_hash is None:
            return SameAnswer(answer="unknown")
        return SameAnswer(answer="same" if body_hash == question.body_hash else "different")


def _inactivity_timeout(agent: Agent, dependencies: Dependencies) -> timedelta:
    """Return when Restate closes a run's input: after any step, so that it hears of a cancel."""
    configured_s = dependencies.settings.inactivity_timeout_s
    if configured_s is not None:
        return timedelta(seconds=configured_s)
    return _longest_step(agent, dependencies) + _MARGIN


def _longest_step(agent: Agent, dependencies: Dependencies) -> timedelta:
    """Return a time that no step of this agent exceeds: Restate would repeat it for ever."""
    tools_s = [total_timeout_s(tool) for tool in agent.tools]
    return timedelta(seconds=max([dependencies.settings.model_timeout_s, *tools_s]))


def _log_context(ctx: WorkflowContext, order: RunOrder) -> dict[str, str]:
    context = {"run_id": order.run_id, "agent": order.agent}
    if order.thread_id:
        context["thread_id"] = order.thread_id
    if traceparent := ctx.request().headers.get("traceparent"):
        context["traceparent"] = traceparent
    return context

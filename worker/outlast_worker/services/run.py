"""An agent's workflow: each run is one invocation of it, keyed by tenant and run id."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import chain
from typing import Any

from restate import RunOptions, Workflow, WorkflowContext, WorkflowSharedContext, select

from outlast.agent import Agent
from outlast.contract import (
    DIGEST,
    CancelOrder,
    DecideAnswer,
    DecideOrder,
    EventPage,
    EventsQuestion,
    ResultAnswer,
    ResultOrder,
    ReturnedRun,
    RunOrder,
    SameAnswer,
    SameQuestion,
    SettledAnswer,
    SettledQuestion,
    SignalAnswer,
    SignalOrder,
    StatusQuestion,
    SteerAnswer,
    SteerOrder,
    WaitReport,
)
from outlast.logging import bound_in_logs, get_logger
from outlast.names import key_of, service_of
from outlast.protocol import Run
from outlast_worker.contexts import run_context
from outlast_worker.deps import Dependencies
from outlast_worker.engine.budget_book import BudgetNews
from outlast_worker.engine.loop import AgentLoop
from outlast_worker.engine.records import StoredMessage
from outlast_worker.engine.salvage import salvage_messages
from outlast_worker.hooks import HookCaller
from outlast_worker.instructions import INSTRUCTIONS_TIMEOUT
from outlast_worker.mcp.tools import longest_s
from outlast_worker.services import calls, client_results, promises, state
from outlast_worker.services.decisions import take_decision
from outlast_worker.services.durable_calls import NumberedReport
from outlast_worker.services.event_log import read_events, read_page
from outlast_worker.services.forking import add_forking
from outlast_worker.services.inspection import add_inspection
from outlast_worker.services.policies import (
    NO_JOURNAL,
    READ_POLICY,
    REPEATED_WITHIN,
    WRITE_POLICY,
)
from outlast_worker.services.serde import json_handler, serde_of
from outlast_worker.services.settling import await_settled
from outlast_worker.services.signals import take_signal
from outlast_worker.services.steering import close_inbox, take_message
from outlast_worker.services.suspend import suspending_soon
from outlast_worker.services.webhook_calls import RunWatch
from outlast_worker.services.whole_run import (
    add_decisions,
    add_engine,
    add_messages,
    read_whole_run,
)
from outlast_worker.tools.attempts import total_timeout_s

_MARGIN = timedelta(seconds=60)
_ABORT = "abort"

_logger = get_logger()


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
        invocation_retry_policy=WRITE_POLICY,
    )

    @json_handler(
        workflow.main,
        calls.RUN.name,
        journal_retention=timedelta(seconds=settings.journal_retention_s),
        workflow_retention=timedelta(seconds=settings.run_retention_s),
    )
    async def run(ctx: WorkflowContext, order: RunOrder) -> ReturnedRun:
        """Run the agent to its end."""
        key = key_of(order.tenant, order.run_id)
        with (
            bound_in_logs(**_log_context(ctx, order)),
            dependencies.live.running(key, order.run_id),
        ):
            _logger.info("run_started")
            promises.ACCEPTED.resolve(ctx, order.body_hash)  # not awaited: nobody else does it
            state.ORDER.set(ctx, order)
            if order.metadata:
                state.METADATA.set(ctx, order.metadata)
            if order.webhooks:
                _watch_for_webhooks(ctx, settings.service_prefix, order)
            steps = dependencies.make_steps(ctx, order, agent, dependencies)
            loop = AgentLoop(steps, order)
            ended = await loop.run()
            dependencies.effects.forget_run(order.run_id)
            dependencies.servers.let_go(order.run_id)
            _logger.info("run_ended", status=ended.status, turns=ended.turn)
            if order.parent is None:
                return ReturnedRun.of(ended, loop.last_events())
            state.MESSAGES.set(ctx, ended.messages or [])
            return ReturnedRun.for_caller(ended)

    _add_news(workflow)
    _add_messages(workflow, agent, dependencies)
    _add_durable_calls(workflow, dependencies)
    _add_questions(workflow)
    add_inspection(workflow, settings.service_prefix)
    add_forking(workflow, settings.service_prefix)
    return workflow


def _watch_for_webhooks(ctx: WorkflowContext, prefix: str, order: RunOrder) -> None:
    """See to it that the run's webhooks hear of its end, however it comes."""
    watch = RunWatch(invocation_id=ctx.request().id, webhooks=order.webhooks or [])
    calls.BEGIN_WATCH.send(ctx, calls.webhook_watch_target(prefix, order.ref), watch)


def _add_news(workflow: Workflow) -> None:
    """Add the handlers by which threads and other runs tell a run what it waits for."""

    @json_handler(workflow.handler, calls.ADMIT.name, ingress_private=True)
    async def admit(ctx: WorkflowSharedContext) -> None:
        """Tell the run that it holds its thread now."""
        await promises.ADMISSION.resolve_once(ctx, "granted")

    @json_handler(workflow.handler, calls.PARK.name, ingress_private=True)
    async def park(ctx: WorkflowSharedContext) -> None:
        """Tell those who wait for this run that it is in line behind one that waits for people."""
        await promises.PARKED.resolve_once(ctx, True)  # noqa: FBT003  # its name says what it means

    @json_handler(workflow.handler, calls.CHILD_WAITS.name, ingress_private=True)
    async def child_waits(ctx: WorkflowSharedContext, report: WaitReport) -> None:
        """Tell the run that one which it has called waits, or goes on."""
        # Said here and not by the called run: what that has journaled without it stays as it was,
        # and so does what its caller has made of it.
        taken = report.model_copy(update={"holds_up_line": True})
        await promises.child_report(report.call_id, report.index).resolve_once(ctx, taken)

    @json_handler(workflow.handler, calls.GRANT.name, ingress_private=True)
    async def grant(ctx: WorkflowSharedContext, news: BudgetNews) -> None:
        """Tell the run whether a model call that had to wait may be made."""
        await promises.grant(news.turn, news.attempt).resolve_once(ctx, news.answer)


def _add_messages(workflow: Workflow, agent: Agent, dependencies: Dependencies) -> None:
    """Add the handlers by which others reach a run that goes on."""

    def speaker_of(run: Run) -> Agent:
        return dependencies.registry.get(run.handed_over_to or agent.name) or agent

    def hooks_of(order: RunOrder, speaker: Agent) -> HookCaller:
        context = run_context(order, speaker, dependencies.resources)
        return HookCaller(speaker, dependencies.tools, context)

    async def abort(run_id: str) -> None:
        dependencies.inflight.abort(run_id)

    @json_handler(workflow.handler, calls.CANCEL.name)
    async def cancel(ctx: WorkflowSharedContext, order: CancelOrder) -> None:
        """Cancel the run, and leave word when that was asked for."""
        # A second cancellation would cut the run while it finishes after the first.
        if await promises.CANCELLED_AT.resolve_once(ctx, order.at):
            ctx.cancel_invocation(order.invocation_id)
        await ctx.run_typed(_ABORT, abort, RunOptions(serde=serde_of(None)), order.run_id)

    @json_handler(workflow.handler)
    async def decide(ctx: WorkflowSharedContext, order: DecideOrder) -> DecideAnswer:
        """Take a person's decision on a tool call."""
        return await take_decision(ctx, speaker_of, order, hooks_of)

    @json_handler(workflow.handler)
    async def take_result(ctx: WorkflowSharedContext, order: ResultOrder) -> ResultAnswer:
        """Take the result of a call that a client has run."""
        return await client_results.take_result(ctx, order)

    # The app makes a call again whose answer it has not heard in time: that says nothing new.
    @json_handler(workflow.handler, calls.STEER.name, idempotency_retention=REPEATED_WITHIN)
    async def steer(ctx: WorkflowSharedContext, order: SteerOrder) -> SteerAnswer:
        """Take a message for a run that is going on."""
        return await take_message(ctx, order)

    @json_handler(workflow.handler, calls.SALVAGE.name, ingress_private=True)
    async def salvage(ctx: WorkflowSharedContext) -> list[StoredMessage]:
        """Return what a killed run would have added to its thread."""
        order = await state.ORDER.get(ctx)
        run = await state.RUN.get(ctx)
        if order is None or run is None:
            return []
        before = await state.FORKED_HISTORY.get(ctx) or []
        own = salvage_messages(order, run, await read_events(ctx), await close_inbox(ctx))
        return [*before, *own]


def _add_durable_calls(workflow: Workflow, dependencies: Dependencies) -> None:
    """Add the handlers by which durable calls are reached, and tell what they wait for."""

    @json_handler(workflow.handler)
    async def signal(ctx: WorkflowSharedContext, order: SignalOrder) -> SignalAnswer:
        """Take a signal for one of the run's durable calls."""
        return await take_signal(ctx, dependencies.settings.service_prefix, order)

    @json_handler(workflow.handler, calls.REPORT.name, ingress_private=True)
    async def report(ctx: WorkflowSharedContext, numbered: NumberedReport) -> None:
        """Take a report of a durable call's."""
        promise = promises.report(numbered.call_id, numbered.index)
        await promise.resolve_once(ctx, numbered.report)


def _add_questions(workflow: Workflow) -> None:
    """Add the handlers that only read."""
    read: dict[str, Any] = {"invocation_retry_policy": READ_POLICY}

    @json_handler(workflow.handler, **read)
    async def status(ctx: WorkflowSharedContext, question: StatusQuestion) -> Run | None:
        """Return the run as it is now; None before it has begun."""
        run = await read_whole_run(ctx)
        if run is None:
            return None
        if question.engine:
            run = await add_engine(ctx, run)
        if not question.killed:
            run = await add_decisions(ctx, run)
        order = await state.ORDER.get(ctx) if question.messages else None
        if order is None:
            return run
        return await add_messages(ctx, order, run)

    @json_handler(workflow.handler, **read)
    async def events(ctx: WorkflowSharedContext, question: EventsQuestion) -> EventPage:
        """Return the committed events after a number."""
        return await read_page(ctx, question.after, state.RUN.get(ctx))

    # Tried for ever, or for as long as the question says: a caller waits while workers are away.
    @json_handler(workflow.handler)
    async def settled(ctx: WorkflowSharedContext, question: SettledQuestion) -> SettledAnswer:
        """Tell when the run has ended, or waits for a person."""
        return await await_settled(ctx, question)

    # Tried for ever: `Thread.submit` waits for it, and given up would lose an accepted run.
    @json_handler(workflow.handler, calls.SAME.name)
    async def same(ctx: WorkflowSharedContext, question: SameQuestion) -> SameAnswer:
        """Tell whether this run was started by the same request."""
        body_hash = await promises.ACCEPTED.peek(ctx)
        if body_hash is None and question.wait_s:
            waited = ctx.sleep(timedelta(seconds=question.wait_s))
            with suspending_soon(ctx):
                first = await select(value=promises.ACCEPTED.value(ctx), waited=waited)
            match first:
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
    """Return a time that no step of this agent's runs exceeds: Restate would repeat it for ever."""
    made_s = INSTRUCTIONS_TIMEOUT.total_seconds()
    model_s = dependencies.settings.model_timeout_s
    speakers = dependencies.registry.teams.speakers_of(agent)
    return timedelta(seconds=max([model_s, made_s, *chain.from_iterable(map(_steps_s, speakers))]))


def _steps_s(agent: Agent) -> Iterator[float]:
    """Yield how long the steps that an agent declares can take."""
    for tool in agent.functions:
        yield tool.step_timeout.total_seconds() if tool.durable else total_timeout_s(tool)
    yield from map(longest_s, agent.mcp)
    yield from (hook.timeout.total_seconds() for hook in agent.hooks)


def _log_context(ctx: WorkflowContext, order: RunOrder) -> dict[str, str]:
    context = {"run_id": order.run_id, "agent": order.agent}
    if order.thread_id:
        context["thread_id"] = order.thread_id
    if traceparent := ctx.request().headers.get("traceparent"):
        context["traceparent"] = traceparent
    return context

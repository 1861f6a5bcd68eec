"""The loop's steps on Restate: what is journaled, in which order.

Names of steps come from constants and journaled data only, since a replay compares them.
"""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar, cast

from restate import RunOptions, WorkflowContext

from outlast.agent import Agent
from outlast.contract import (
    CancelOrder,
    ClientResult,
    ForkQuestion,
    RunOrder,
    SteeringMessage,
    WaitReport,
)
from outlast.events import AnyEvent
from outlast.names import RunRef, key_of
from outlast.protocol import Resolution, Time
from outlast_worker.deps import Dependencies
from outlast_worker.engine.names import CANCELLED, partial_answer_step
from outlast_worker.engine.operations import Operation, RunOnce
from outlast_worker.engine.planned_calls import PlannedCall
from outlast_worker.engine.records import DurableReport, ForkSource, KeptResolution, Pin, ToolRecord
from outlast_worker.engine.steps import ChildEnd, Pending
from outlast_worker.execution import Execution
from outlast_worker.services import calls, promises, state
from outlast_worker.services.durable_calls import DurableOrder, OpenDurable
from outlast_worker.services.promises import Promise
from outlast_worker.services.run_budget import RestateBudget
from outlast_worker.services.run_futures import Begun, CalledAgent, CalledTool, RunFutures
from outlast_worker.services.run_keeping import RestateKeeping
from outlast_worker.services.run_thread import RestateThread
from outlast_worker.services.serde import JsonSerde, serde_of
from outlast_worker.services.webhook_calls import news_of
from outlast_worker.stopwatch import tell_time

T = TypeVar("T")


class RestateSteps:
    """The `Steps` of one attempt at one run."""

    def __init__(
        self, ctx: WorkflowContext, order: RunOrder, agent: Agent, dependencies: Dependencies
    ) -> None:
        self._ctx = ctx
        self._order = order
        self._dependencies = dependencies
        self._key = key_of(order.tenant, order.run_id)
        self._prefix = dependencies.settings.service_prefix
        self._futures = RunFutures(ctx, order.run_id, dependencies)
        self.thread = RestateThread(
            ctx, order, self._prefix, self._futures, dependencies.conversations
        )
        self.keep = RestateKeeping(ctx)
        self.budget = RestateBudget(ctx, order, self._prefix)
        self._execution = Execution(
            order=order,
            agent=agent,
            registry=dependencies.registry,
            settings=dependencies.settings,
            model=dependencies.model,
            tools=dependencies.tools,
            effects=dependencies.effects,
            resources=dependencies.resources,
            remember=self.thread.recall,
            preview=partial(dependencies.live.begin, self._key),
            reporter=partial(dependencies.live.make_reporter, self._key),
        )

    async def read_fork(self) -> ForkSource:
        """Return what the run goes on from, and keep it: the other one may be forgotten."""
        forked = self._order.forked_from
        if forked is None:
            return ForkSource()
        source = RunRef(self._order.tenant, forked.run_id)
        target = calls.run_target(self._prefix, source)
        question = ForkQuestion(after_turn=forked.after_turn)
        found = await self._futures.wait(calls.FORK_SOURCE.call(self._ctx, target, question))
        if found.history is not None:
            state.FORKED_HISTORY.set(self._ctx, found.history)
        return found

    def begin(self, operation: Operation[T]) -> Pending[T]:
        """Begin a step, which a cancellation breaks off."""
        serde: JsonSerde[T] = serde_of(operation.record)
        execution = self._execution  # of the agent that speaks now

        async def execute() -> T:
            record = await execution.execute(operation)
            serde.serialize(record)  # one that can't be written is a fault like any other
            return record

        async def closure() -> T:
            return await self._dependencies.inflight.run(
                self._order.run_id, operation, execute, self._order.above or ()
            )

        future = self._ctx.run_typed(operation.step, closure, RunOptions(serde=serde))
        forget = None
        if isinstance(operation, RunOnce):
            forget = partial(self._dependencies.effects.forget, operation.claim)
        return Begun(future, in_process=True, when_read=forget)

    def expect_decision(self, approval_id: str) -> Pending[Resolution]:
        """Begin to wait for a person's decision."""
        return Begun(promises.decision(approval_id).value(self._ctx))

    def expect_result(self, call_id: str) -> Pending[ClientResult]:
        """Begin to wait for the result of a call that a client runs."""
        return Begun(promises.client_result(call_id).value(self._ctx))

    def expect_message(self, index: int) -> Pending[SteeringMessage | None]:
        """Begin to wait for the steering message of this number; None closes the inbox."""
        if index:
            state.MESSAGES_TAKEN.set(self._ctx, index)
        return Begun(promises.inbox(index).value(self._ctx))

    def call_agent(self, order: RunOrder) -> Pending[ChildEnd]:
        """Call an agent's workflow: a cancellation of this run cancels it, a kill kills it."""
        target = calls.run_target(self._prefix, order)
        future = calls.RUN.begin(self._ctx, target, order)
        return CalledAgent(future, self._ctx, target, order.run_id)

    def expect_child_report(self, call_id: str, index: int) -> Pending[WaitReport]:
        """Begin to wait for what a called run reports of its waits."""
        return Begun(promises.child_report(call_id, index).value(self._ctx))

    def report_wait(self, report: WaitReport) -> None:
        """Tell the run that has called this one, one-way, that it waits or goes on."""
        if self._order.parent is None:
            return
        parent = RunRef(self._order.tenant, self._order.parent.run_id)
        calls.CHILD_WAITS.send(self._ctx, calls.run_target(self._prefix, parent), report)

    async def cancel_agent(self, child: Pending[ChildEnd], at: Time) -> None:
        """Cancel a called agent's run as a caller of ours would."""
        called = cast("CalledAgent", child)
        invocation_id = await self._futures.wait(called.future.invocation_id())
        order = CancelOrder(run_id=called.run_id, invocation_id=invocation_id, at=at)
        calls.CANCEL.send(self._ctx, called.target, order)

    def call_durable(self, call: PlannedCall, signals: Sequence[str]) -> Pending[ToolRecord]:
        """Call the handler of an agent's durable tools: a cancellation reaches it."""
        order, agent = self._order, self._execution.agent.name
        other = None if agent == order.agent else agent
        opened = OpenDurable(name=call.name, signals=list(signals), agent=other)
        state.open_durable(call.call_id).set(self._ctx, opened)
        durable = DurableOrder(
            run_id=order.run_id,
            tenant=order.tenant,
            agent=agent,
            thread_id=order.thread_id,
            turn=call.turn,
            call_id=call.call_id,
            name=call.name,
            arguments=dict(call.arguments),
            context=order.context,
            metadata=order.metadata,
            above=[order.run_id, *(order.above or ())],
            created_at=order.created_at,
        )
        target = calls.durable_target(self._prefix, order.ref, call.call_id, other)
        return CalledTool(calls.CALL_TOOL.begin(self._ctx, target, durable), order.created_at)

    async def cancel_durable(self, called: Pending[ToolRecord]) -> None:
        """Cancel a durable tool's call: it ends at what it waits for."""
        future = cast("CalledTool", called).future
        self._ctx.cancel_invocation(await self._futures.wait(future.invocation_id()))

    def close_durable(self, call_id: str) -> None:
        """Take no more signals for the call."""
        state.open_durable(call_id).clear(self._ctx)

    def expect_report(self, call_id: str, index: int) -> Pending[DurableReport]:
        """Begin to wait for a report of the call's."""
        return Begun(promises.report(call_id, index).value(self._ctx))

    def start_timer(self, delay: timedelta) -> Pending[None]:
        """Begin a durable wait."""
        return Begun(self._ctx.sleep(delay))

    async def wait_for_any(self, pending: Sequence[Pending[Any]]) -> list[Pending[Any]]:
        """Wait until some of these are done, and return those."""
        return await self._futures.wait_for_any(pending)

    async def result_of(self, pending: Pending[T]) -> T:
        """Return what came of something that is done."""
        return await self._futures.result_of(pending)

    async def close_decision(self, resolution: Resolution) -> Resolution:
        """End the wait for a decision; return the decision that was first."""
        promise = promises.decision(resolution.id)
        return await self._resolve(promise, KeptResolution.of(resolution)) or resolution

    async def close_result(self, result: ClientResult) -> ClientResult:
        """End the wait for a client's result; return the result that was first."""
        return await self._resolve(promises.client_result(result.call_id), result) or result

    async def close_inbox(self, index: int) -> SteeringMessage | None:
        """Take no message of this number; return the one that came first, if there is one."""
        return await self._resolve(promises.inbox(index), None)

    async def next_message(self, index: int) -> SteeringMessage | None:
        """Return the steering message of this number if it is there already."""
        return await self._futures.wait(promises.inbox(index).peek(self._ctx))

    def settle(self, segment: int, *, ended: bool) -> None:
        """Tell those who wait in this segment that the run has ended, or waits for a person."""
        state.SEGMENT.set(self._ctx, segment + 1)
        promises.settled(segment).resolve(self._ctx, not ended)  # not awaited: nobody else does it

    async def partial_answer(self, turn: int) -> str:
        """Return the text that a model call which was broken off had streamed."""

        async def read() -> str:
            return self._dependencies.live.partial_answer(self._key, turn)

        options = RunOptions[str](serde=serde_of(str))
        future = self._ctx.run_typed(partial_answer_step(turn), read, options)
        return await self._futures.wait(future)

    async def cancelled_at(self) -> Time | None:
        """Return when somebody asked for the cancellation; when it came, if nobody has told us."""
        asked_at = await self._futures.wait(promises.CANCELLED_AT.peek(self._ctx))
        if asked_at:
            return asked_at
        options = RunOptions[Time](serde=serde_of(Time))
        return await self._futures.wait(self._ctx.run_typed(CANCELLED, tell_time, options))

    def emit(self, event: AnyEvent) -> None:
        """Commit an event."""
        state.event(event.seq).set(self._ctx, event)
        self._dependencies.live.announce(self._key, event)
        if news := news_of(self._order, event, self.keep.saved):
            target = calls.webhook_watch_target(self._prefix, self._order.ref)
            calls.TELL_WEBHOOKS.send(self._ctx, target, news)

    def keep_definition(self, pin: Pin) -> None:
        """Keep the definition that counts now, and execute what follows as its agent."""
        self._execution = self._execution.played_by(pin.agent)
        state.DEFINITION.set(self._ctx, pin)

    async def _resolve(self, promise: Promise[T], value: T) -> T | None:
        """Resolve a promise; if somebody else was first, return what it holds."""
        if await self._futures.wait(promise.resolve_once(self._ctx, value)):
            return None
        return await self._futures.wait(promise.peek(self._ctx))

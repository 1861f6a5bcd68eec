"""The loop's steps on Restate: what is journaled, in which order.

Names of steps come from constants and journaled data only, since a replay compares them.
"""

from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar, cast

import restate
from restate import (
    RestateDurableCallFuture,
    RestateDurableFuture,
    RunOptions,
    TerminalError,
    WorkflowContext,
)

from outlast.agent import Agent
from outlast.contract import (
    CancelOrder,
    ClientResult,
    ConversationMark,
    ForkQuestion,
    RunOrder,
    StatusQuestion,
    SteeringMessage,
    SubmitAnswer,
    WaitReport,
)
from outlast.events import AnyEvent
from outlast.names import RunRef, key_of
from outlast.protocol import Approval, CallAnswer, ClientCall, Resolution, Run, Time
from outlast_worker.deps import Dependencies
from outlast_worker.engine.budget_book import BudgetAnswer, Reservation, Settlement
from outlast_worker.engine.exceptions import Cancelled, StepFailed
from outlast_worker.engine.names import CANCELLED, partial_answer_step
from outlast_worker.engine.operations import Operation, RunOnce
from outlast_worker.engine.planned_calls import PlannedCall
from outlast_worker.engine.records import (
    DurableReport,
    EffectClaim,
    ForkSource,
    KeptResolution,
    Pin,
    StandIn,
    StoredMessage,
    ToolRecord,
)
from outlast_worker.engine.steps import ChildEnd, Left, Pending
from outlast_worker.execution import Execution
from outlast_worker.services import calls, promises, state
from outlast_worker.services.cancellation import is_own_cancellation
from outlast_worker.services.durable_calls import DurableOrder, OpenDurable
from outlast_worker.services.promises import Promise
from outlast_worker.services.serde import JsonSerde, serde_of
from outlast_worker.services.suspend import suspending_after, suspending_soon
from outlast_worker.services.thread_state import (
    NOTHING_SAID,
    HoldUp,
    Join,
    Release,
    extend,
    in_thread,
)
from outlast_worker.services.webhook_calls import news_of
from outlast_worker.stopwatch import tell_time

T = TypeVar("T")

# Only for a release that somebody kills in Restate.
_RELEASE_PATIENCE = timedelta(seconds=10)


@dataclass(eq=False)
class _Begun(Pending[T]):
    """A future of Restate; `in_process` if a closure in this process completes it.

    `claim` is that of a `once` call, whose result it is.
    """

    future: RestateDurableFuture[T]
    in_process: bool = False
    claim: EffectClaim | None = None


@dataclass(eq=False)
class _Child(Pending[ChildEnd]):
    """The run of an agent that was called."""

    future: RestateDurableCallFuture[bytes]
    target: calls.Target
    run_id: str


@dataclass(eq=False)
class _Asked(Pending[T]):
    """A handler that was called."""

    future: RestateDurableCallFuture[bytes]
    read: Callable[[bytes], T]


@dataclass(eq=False)
class _Called(Pending[ToolRecord]):
    """A handler that was called, and answers with what a tool's call came to."""

    future: RestateDurableCallFuture[bytes]
    began_at: Time


class RestateSteps:
    """The `Steps` of one attempt at one run."""

    def __init__(
        self, ctx: WorkflowContext, order: RunOrder, agent: Agent, dependencies: Dependencies
    ) -> None:
        self._ctx = ctx
        self._order = order
        self._agent = agent
        self._dependencies = dependencies
        self._key = key_of(order.tenant, order.run_id)
        self._thread_key = key_of(order.tenant, order.thread_id or "")
        self._mark: ConversationMark | None = None
        self._saved: Run | None = None
        self._execution = Execution(
            order=order,
            agent=agent,
            registry=dependencies.registry,
            settings=dependencies.settings,
            model=dependencies.model,
            tools=dependencies.tools,
            effects=dependencies.effects,
            resources=dependencies.resources,
            remember=partial(dependencies.conversations.find, self._thread_key),
            preview=partial(dependencies.live.begin, self._key),
            reporter=partial(dependencies.live.make_reporter, self._key),
        )

    async def acquire_thread(self) -> ConversationMark | None:
        """Wait until the run holds its thread, and return which conversation it goes on with."""
        admission, mark = self._order.admission, self._order.conversation
        if admission == "join":
            joined = await self._join()
            admission, mark = joined.outcome, joined.conversation
        if admission == "queued":
            with suspending_soon(self._ctx):
                await self._wait(promises.ADMISSION.value(self._ctx))
            mark = await self._wait(calls.CONVERSATION_MARK.call(self._ctx, self._thread, None))
        self._mark = NOTHING_SAID if self._order.history == "replace" else mark
        if self._mark and self._mark.messages:
            state.CONVERSATION.set(self._ctx, self._mark)
        return self._mark

    async def read_conversation(self) -> list[StoredMessage]:
        """Return what was said on the thread before, and remember it."""
        said = await self._wait(calls.CONVERSATION.call(self._ctx, self._thread, None))
        if self._mark:
            self._dependencies.conversations.keep(self._thread_key, self._mark, said)
            return said
        covers = said[0].stands_for if said else None
        self._mark = extend(NOTHING_SAID, said).model_copy(update={"covers": covers})
        if said:
            state.CONVERSATION.set(self._ctx, self._mark)
        return said

    async def find_speaker(self) -> str | None:
        """Return to whom the thread's runs of this agent were handed over last."""
        return await self._wait(calls.SPEAKER.call(self._ctx, self._thread, self._order.agent))

    async def read_fork(self) -> ForkSource:
        """Return what the run goes on from, and keep it: the other one may be forgotten."""
        forked = self._order.forked_from
        if forked is None:
            return ForkSource()
        source = RunRef(self._order.tenant, forked.run_id)
        prefix = self._dependencies.settings.service_prefix
        target = calls.Target(source.service(prefix), source.key)
        question = ForkQuestion(after_turn=forked.after_turn)
        found = await self._wait(calls.FORK_SOURCE.call(self._ctx, target, question))
        if found.history is not None:
            state.FORKED_HISTORY.set(self._ctx, found.history)
        return found

    async def release_thread(self, left: Left, at: Time) -> None:
        """Hold the thread no longer, and wait until it has what the run adds to it.

        A one-way send, answered by an awakeable: no cancellation cuts it, however many come.
        """
        name, released = self._ctx.awakeable(serde_of(bool))
        self._remember(left)
        release = Release(
            run_id=self._order.run_id,
            items=list(left.items),
            at=at,
            awakeable=name,
            stand_in=left.stand_in,
            follows=self._mark.digest if self._mark and left.stand_in else None,
            tokens=left.tokens,
        )
        calls.RELEASE.send(self._ctx, self._thread, release)
        waited = self._ctx.sleep(_RELEASE_PATIENCE)
        while True:
            with suppress(Cancelled), suspending_soon(self._ctx):
                await self._wait(restate.select(released=released, waited=waited))
                return

    def _remember(self, left: Left) -> None:
        """Remember what the next run on the thread will find there."""
        conversations = self._dependencies.conversations
        before = self._mark and conversations.find(self._thread_key, self._mark)
        if self._mark is None or before is None:
            return
        said = [*before, *left.items]
        if left.stand_in is None:
            mark = extend(self._mark, left.items)
        else:
            stand_in = in_thread(left.stand_in, self._mark.covers or 0)
            said = [stand_in.message, *said[left.stand_in.covers :]]
            mark = extend(NOTHING_SAID, said)
        conversations.keep(self._thread_key, mark, said)

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
        claim = operation.claim if isinstance(operation, RunOnce) else None
        return _Begun(future, in_process=True, claim=claim)

    def expect_decision(self, approval_id: str) -> Pending[Resolution]:
        """Begin to wait for a person's decision."""
        return _Begun(promises.decision(approval_id).value(self._ctx))

    def expect_result(self, call_id: str) -> Pending[ClientResult]:
        """Begin to wait for the result of a call that a client runs."""
        return _Begun(promises.client_result(call_id).value(self._ctx))

    def expect_message(self, index: int) -> Pending[SteeringMessage | None]:
        """Begin to wait for the steering message of this number; None closes the inbox."""
        if index:
            state.MESSAGES_TAKEN.set(self._ctx, index)
        return _Begun(promises.inbox(index).value(self._ctx))

    def call_agent(self, order: RunOrder) -> Pending[ChildEnd]:
        """Call an agent's workflow: a cancellation of this run cancels it, a kill kills it."""
        target = calls.run_target(self._dependencies.settings.service_prefix, order)
        return _Child(calls.RUN.begin(self._ctx, target, order), target, order.run_id)

    def expect_child_report(self, call_id: str, index: int) -> Pending[WaitReport]:
        """Begin to wait for what a called run reports of its waits."""
        return _Begun(promises.child_report(call_id, index).value(self._ctx))

    def report_wait(self, report: WaitReport) -> None:
        """Tell the run that has called this one, one-way, that it waits or goes on."""
        if self._order.parent is None:
            return
        parent = RunRef(self._order.tenant, self._order.parent.run_id)
        prefix = self._dependencies.settings.service_prefix
        target = calls.Target(parent.service(prefix), parent.key)
        calls.CHILD_WAITS.send(self._ctx, target, report)

    async def cancel_agent(self, child: Pending[ChildEnd], at: Time) -> None:
        """Cancel a called agent's run as a caller of ours would."""
        called = cast("_Child", child)
        invocation_id = await self._wait(called.future.invocation_id())
        order = CancelOrder(run_id=called.run_id, invocation_id=invocation_id, at=at)
        calls.CANCEL.send(self._ctx, called.target, order)

    def reserve(self, reservation: Reservation) -> Pending[BudgetAnswer]:
        """Ask the tree's book for a model call."""
        call = calls.RESERVE
        return _Asked(call.begin(self._ctx, self._budget, reservation), call.read)

    def expect_grant(self, turn: int, attempt: int) -> Pending[BudgetAnswer]:
        """Begin to wait for the book's word on a call."""
        return _Begun(promises.grant(turn, attempt).value(self._ctx))

    def settle_budget(self, settlement: Settlement) -> None:
        """Tell the book, one-way, what a call did use."""
        calls.SETTLE.send(self._ctx, self._budget, settlement)

    def close_reservations(self, run_id: str) -> None:
        """Tell the book, one-way, that a called run says no more."""
        calls.CLOSE_RUN.send(self._ctx, self._budget, run_id)

    def close_allowance(self, account: str) -> None:
        """Tell the book, one-way, that the called runs have ended."""
        calls.CLOSE_ACCOUNT.send(self._ctx, self._budget, account)

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
        prefix = self._dependencies.settings.service_prefix
        target = calls.durable_target(prefix, order.ref, call.call_id, other)
        return _Called(calls.CALL_TOOL.begin(self._ctx, target, durable), order.created_at)

    async def cancel_durable(self, called: Pending[ToolRecord]) -> None:
        """Cancel a durable tool's call: it ends at what it waits for."""
        future = cast("_Called", called).future
        self._ctx.cancel_invocation(await self._wait(future.invocation_id()))

    def close_durable(self, call_id: str) -> None:
        """Take no more signals for the call."""
        state.open_durable(call_id).clear(self._ctx)

    def expect_report(self, call_id: str, index: int) -> Pending[DurableReport]:
        """Begin to wait for a report of the call's."""
        return _Begun(promises.report(call_id, index).value(self._ctx))

    def start_timer(self, delay: timedelta) -> Pending[None]:
        """Begin a durable wait."""
        return _Begun(self._ctx.sleep(delay))

    async def wait_for_any(self, pending: Sequence[Pending[Any]]) -> list[Pending[Any]]:
        """Wait until some of these are done, and return those."""
        begun = {
            item.future: item
            for item in pending
            if isinstance(item, _Begun | _Child | _Called | _Asked)
        }
        with self._while_waiting_for(pending):
            done, _ = await self._wait(restate.wait_completed(*begun))
        return [begun[future] for future in done]

    async def result_of(self, pending: Pending[T]) -> T:
        """Return what came of something that is done."""
        if isinstance(pending, _Child):
            return cast("T", await self._end_of(pending))
        if isinstance(pending, _Called):
            return cast("T", await self._record_of(pending))
        if isinstance(pending, _Asked):
            return pending.read(await self._wait(pending.future))
        begun = cast("_Begun[T]", pending)
        result = await self._wait(begun.future)
        if begun.claim:
            self._dependencies.effects.forget(begun.claim)  # its result is journaled
        return result

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
        return await self._wait(promises.inbox(index).peek(self._ctx))

    def settle(self, segment: int, *, ended: bool) -> None:
        """Tell those who wait in this segment that the run has ended, or waits for a person."""
        state.SEGMENT.set(self._ctx, segment + 1)
        promises.settled(segment).resolve(self._ctx, not ended)  # not awaited: nobody else does it

    def hold_up_thread(self, *, waits: bool) -> None:
        """Tell the thread, one-way, that the run waits for a person, or no longer."""
        calls.HOLD_UP.send(self._ctx, self._thread, HoldUp(run_id=self._order.run_id, waits=waits))

    async def partial_answer(self, turn: int) -> str:
        """Return the text that a model call which was broken off had streamed."""

        async def read() -> str:
            return self._dependencies.live.partial_answer(self._key, turn)

        options = RunOptions[str](serde=serde_of(str))
        return await self._wait(self._ctx.run_typed(partial_answer_step(turn), read, options))

    async def cancelled_at(self) -> Time | None:
        """Return when somebody asked for the cancellation; when it came, if nobody has told us."""
        asked_at = await self._wait(promises.CANCELLED_AT.peek(self._ctx))
        if asked_at:
            return asked_at
        options = RunOptions[Time](serde=serde_of(Time))
        return await self._wait(self._ctx.run_typed(CANCELLED, tell_time, options))

    def emit(self, event: AnyEvent) -> None:
        """Commit an event."""
        state.event(event.seq).set(self._ctx, event)
        self._dependencies.live.announce(self._key, event)
        if news := news_of(self._order, event, self._saved):
            prefix = self._dependencies.settings.service_prefix
            target = calls.webhook_watch_target(prefix, self._order.ref)
            calls.TELL_WEBHOOKS.send(self._ctx, target, news)

    def save(self, run: Run) -> None:
        """Keep the run as it is now, for whoever asks, without what has keys of its own."""
        self._saved = run
        elsewhere: dict[str, Any] = {"metadata": {}, "approvals": [], "calls": []}
        state.RUN.set(self._ctx, run.model_copy(update=elsewhere))

    def keep_definition(self, pin: Pin) -> None:
        """Keep the definition that counts now, and execute what follows as its agent."""
        self._execution = self._execution.played_by(pin.agent)
        state.DEFINITION.set(self._ctx, pin)

    def keep_former_definition(self, pin: Pin, last_turn: int) -> None:
        """Keep a definition that has counted, for who may look behind the run."""
        state.former_definition(last_turn).set(self._ctx, pin)

    def keep_stand_in(self, turn: int, stand_in: StandIn) -> None:
        """Keep what models read in place of what was said first, for who may look behind it."""
        state.stand_in(turn).set(self._ctx, stand_in)

    def keep_told(self, call_id: str, text: str) -> None:
        """Keep what the model is told of a call, where clients see less."""
        state.told(call_id).set(self._ctx, text)

    def keep_approval(self, approval: Approval) -> None:
        """Keep an approval that waits from now on, so that it is found among those of all runs."""
        state.approval(approval.id).set(self._ctx, approval)
        state.pending(approval.id).set(self._ctx, approval.requested_at)

    def keep_resolution(self, resolution: Resolution) -> None:
        """Keep what an approval came to."""
        state.resolution(resolution.id).set(self._ctx, resolution)
        state.pending(resolution.id).clear(self._ctx)

    def keep_client_call(self, call: ClientCall) -> None:
        """Keep a call that waits for a client, so that it is found among those of all runs."""
        state.client_call(call.call_id).set(self._ctx, call)
        state.open_call(call.call_id).set(self._ctx, call.requested_at)

    def keep_answer(self, answer: CallAnswer) -> None:
        """Keep how a client's call ended."""
        state.call_answer(answer.call_id).set(self._ctx, answer)
        state.open_call(answer.call_id).clear(self._ctx)

    @property
    def _budget(self) -> calls.Target:
        return calls.budget_target(self._dependencies.settings.service_prefix, self._order)

    @property
    def _thread(self) -> calls.Target:
        prefix = self._dependencies.settings.service_prefix
        return calls.thread_target(prefix, self._thread_key)

    async def _join(self) -> SubmitAnswer:
        """Join the line on the thread: a delayed run does so when its delay is over."""
        join = Join(
            run_id=self._order.run_id,
            agent=self._order.agent,
            tenant=self._order.tenant,
            invocation_id=self._ctx.request().id,
            body_hash=self._order.body_hash,
            at=self._order.created_at + timedelta(seconds=self._order.after_s),
            interrupts=self._order.on_busy == "interrupt",
            replaces=self._order.history == "replace" or None,
        )
        return await self._wait(calls.JOIN.call(self._ctx, self._thread, join))

    async def _resolve(self, promise: Promise[T], value: T) -> T | None:
        """Resolve a promise; if somebody else was first, return what it holds."""
        if await self._wait(promise.resolve_once(self._ctx, value)):
            return None
        return await self._wait(promise.peek(self._ctx))

    async def _record_of(self, called: _Called) -> ToolRecord:
        try:
            return calls.CALL_TOOL.read(await self._wait(called.future))
        except StepFailed as failed:  # somebody killed it in Restate
            text = f"The call was ended from outside: {failed}. It may have run in part."
            return ToolRecord.failed(text, "stopped", called.began_at)

    async def _end_of(self, child: _Child) -> ChildEnd:
        """Return how a child has ended; one that was killed can't say what it has used."""
        try:
            return ChildEnd(calls.RUN.read(await self._wait(child.future)))
        except StepFailed:
            asked = calls.STATUS.call(self._ctx, child.target, StatusQuestion(killed=True))
        try:
            return ChildEnd(await self._wait(asked), was_killed=True)
        except StepFailed:
            return ChildEnd(None, was_killed=True)

    def _while_waiting_for(self, pending: Sequence[Pending[Any]]) -> AbstractContextManager[None]:
        """Suspend the run, unless a closure in this process would be lost by that."""
        if any(isinstance(item, _Begun) and item.in_process for item in pending):
            return nullcontext()
        if any(isinstance(item, _Child | _Called | _Asked) for item in pending):
            return suspending_soon(self._ctx)
        return suspending_after(self._ctx, self._dependencies.settings.suspend_after_s)

    async def _wait(self, awaitable: Awaitable[T]) -> T:
        with self._cancellable():
            return await awaitable

    @contextmanager
    def _cancellable(self) -> Generator[None]:
        """Turn Restate's terminal errors into the loop's, and stop what is in flight."""
        try:
            yield
        except TerminalError as error:
            if not is_own_cancellation(error):
                raise StepFailed(error.message, error.status_code) from error
            # The closures would go on to the end, since only the wait for them was cut.
            self._dependencies.inflight.drop(self._order.run_id)
            raise Cancelled from error

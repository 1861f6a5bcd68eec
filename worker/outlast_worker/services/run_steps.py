"""The loop's steps on Restate: one method for each journaled side effect.

Names of steps come from constants and journaled data only, since a replay compares them.
Closures return values and never raise: a failed one would repeat its siblings in flight.
"""

from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, TypeVar, cast

import restate
from restate import RestateDurableFuture, RunOptions, TerminalError, WorkflowContext

from outlast.agent import Agent
from outlast.contract import RunOrder, SteeringMessage, SubmitAnswer
from outlast.events import AnyEvent
from outlast.logging import get_logger
from outlast.names import key_of, thread_service
from outlast.protocol import Approval, Resolution, Run, Time
from outlast.tool_context import ToolContext
from outlast_worker.deps import Parts
from outlast_worker.engine.names import (
    ACCEPTED,
    APPROVALS_KEY,
    CANCEL,
    CONVERSATION,
    FINISH,
    INPUT_KEY,
    JOIN,
    RUN_KEY,
    TAKEN_KEY,
    TURN,
    check_step,
    decision_promise,
    event_key,
    inbox_promise,
    tool_step,
)
from outlast_worker.engine.records import (
    ApprovalCheck,
    ModelOutcome,
    PinOutcome,
    StoredMessage,
    ToolRecord,
    aborted_call,
    broken_call,
    broken_tool,
    stopped_call,
    unchecked_call,
)
from outlast_worker.engine.steps import Cancelled, ModelCall, Pending, PlannedCall, StepFailed
from outlast_worker.live.hub import LiveAnswer
from outlast_worker.pin import pin_agent
from outlast_worker.services.serde import JsonSerde
from outlast_worker.services.suspend import suspending_after
from outlast_worker.services.thread_state import Finish, Join

T = TypeVar("T")

_logger = get_logger()

_EVENT = JsonSerde[AnyEvent](AnyEvent)
_RUN = JsonSerde[Run](Run)
_INPUT = JsonSerde[RunOrder](RunOrder)
_TEXT = JsonSerde[str](str)
_TIME = JsonSerde[Time](Time)
_PIN = JsonSerde[PinOutcome](PinOutcome)
_MODEL = JsonSerde[ModelOutcome](ModelOutcome)
_TOOL = JsonSerde[ToolRecord](ToolRecord)
_MESSAGES = JsonSerde[list[StoredMessage]](list[StoredMessage])
_JOIN = JsonSerde[Join](Join)
_ANSWER = JsonSerde[SubmitAnswer](SubmitAnswer)
_FINISH = JsonSerde[Finish](Finish)
_CHECK = JsonSerde[ApprovalCheck](ApprovalCheck)
_APPROVALS = JsonSerde[list[Approval]](list[Approval])
_RESOLUTION = JsonSerde[Resolution](Resolution)
_STEERING = JsonSerde[SteeringMessage | None](SteeringMessage | None)
_NUMBER = JsonSerde[int](int)


def is_own_cancellation(error: TerminalError) -> bool:
    """Tell a cancellation of this invocation from other conflicts, such as a killed callee."""
    return error.status_code == 409 and error.message == "cancelled"


@dataclass(eq=False)
class _Begun(Pending[T]):
    """A future of Restate; `works` if a closure in this process completes it."""

    future: RestateDurableFuture[T]
    works: bool = False


@dataclass(frozen=True)
class _Ends(Generic[T]):
    """What an action ends with that a cancellation broke off, or that failed by a fault of ours."""

    aborted: Callable[[], T]
    broken: Callable[[Exception], T]


class RestateSteps:
    """The `Steps` of one attempt at one run."""

    def __init__(self, ctx: WorkflowContext, order: RunOrder, agent: Agent, parts: Parts) -> None:
        self._ctx = ctx
        self._order = order
        self._agent = agent
        self._parts = parts
        self._key = key_of(order.tenant, order.run_id)
        self._shown_approvals: list[Approval] = []

    def accept(self) -> None:
        """Record the request, so that a repeated one can be told from a different one."""
        # Not awaited: nobody else resolves this promise.
        self._ctx.promise(ACCEPTED, serde=_TEXT).resolve(self._order.body_hash)
        self._ctx.set(INPUT_KEY, self._order, serde=_INPUT)

    async def take_turn(self) -> list[StoredMessage]:
        """Wait for the turn on the thread, and return the conversation so far."""
        turn = self._order.turn
        if turn == "join":
            turn = await self._join()
        if turn == "queued":
            with self._suspending():
                await self._wait(self._ctx.promise(TURN, serde=_TEXT).value())
        history = self._ctx.generic_call(self._thread, CONVERSATION, b"", key=self._thread_key)
        return _MESSAGES.deserialize(await self._wait(history)) or []

    def pin(self) -> Pending[PinOutcome]:
        """Fix the agent's definition for this run."""

        async def read() -> PinOutcome:
            return pin_agent(self._parts.registry, self._agent, self._order, self._parts.settings)

        return _Begun(self._ctx.run_typed("pin", read, RunOptions(serde=_PIN)), works=True)

    def call_model(self, call: ModelCall) -> Pending[ModelOutcome]:
        """Call the model once."""

        def begin() -> LiveAnswer:
            return self._parts.live.begin(self._key, self._order.run_id, call.turn)

        async def complete() -> ModelOutcome:
            return await self._parts.model.complete(call, begin)

        ends = _Ends[ModelOutcome](aborted_call, broken_call)
        return self._closure(f"model {call.turn}", complete, ends, _MODEL)

    def check_approval(self, call: PlannedCall) -> Pending[ApprovalCheck]:
        """Find out whether a person must approve a call."""

        async def check() -> ApprovalCheck:
            return await self._parts.tools.check(self._agent, call, self._context(call))

        ends = _Ends(unchecked_call, lambda _: unchecked_call())
        return self._closure(check_step(call.name), check, ends, _CHECK)

    def call_tool(self, call: PlannedCall) -> Pending[ToolRecord]:
        """Run a tool call."""

        async def execute() -> ToolRecord:
            return await self._parts.tools.execute(self._agent, call, self._context(call))

        ends = _Ends(stopped_call, broken_tool)
        return self._closure(tool_step(call.name), execute, ends, _TOOL)

    def decision(self, call_id: str) -> Pending[Resolution]:
        """Begin to wait for a person's decision on a call."""
        return _Begun(self._ctx.promise(decision_promise(call_id), serde=_RESOLUTION).value())

    def message(self, index: int) -> Pending[SteeringMessage | None]:
        """Begin to wait for the steering message of this number; None closes the inbox."""
        if index:
            self._ctx.set(TAKEN_KEY, index, serde=_NUMBER)
        return _Begun(self._ctx.promise(inbox_promise(index), serde=_STEERING).value())

    def timer(self, delay: timedelta) -> Pending[None]:
        """Begin a durable wait."""
        return _Begun(self._ctx.sleep(delay))

    async def first(self, pending: Sequence[Pending[Any]]) -> list[Pending[Any]]:
        """Wait until some of these are done, and return those."""
        begun = {item.future: item for item in pending if isinstance(item, _Begun)}
        works = any(item.works for item in begun.values())
        with nullcontext() if works else self._suspending():
            done, _ = await self._wait(restate.wait_completed(*begun))
        return [begun[future] for future in done]

    async def value(self, pending: Pending[T]) -> T:
        """Return what came of something that is done."""
        return await self._wait(cast("_Begun[T]", pending).future)

    async def settle(self, resolution: Resolution) -> Resolution:
        """End the wait for a decision; return the decision that was first."""
        name = decision_promise(resolution.call_id)
        return await self._resolve(name, resolution, _RESOLUTION) or resolution

    async def close_inbox(self, index: int) -> SteeringMessage | None:
        """Take no message of this number; return the one that came first, if there is one."""
        return await self._resolve(inbox_promise(index), None, _STEERING)

    async def next_message(self, index: int) -> SteeringMessage | None:
        """Return the steering message of this number if it is there already."""
        return await self._wait(self._ctx.promise(inbox_promise(index), serde=_STEERING).peek())

    async def partial_answer(self, turn: int) -> str:
        """Return the text that a model call which was broken off had streamed."""

        async def read() -> str:
            return self._parts.live.partial_answer(self._key, turn)

        name = f"partial {turn}"
        return await self._wait(self._ctx.run_typed(name, read, RunOptions(serde=_TEXT)))

    def emit(self, event: AnyEvent) -> None:
        """Commit an event."""
        self._ctx.set(event_key(event.seq), event, serde=_EVENT)
        self._parts.live.committed(self._key, event)

    def save(self, run: Run) -> None:
        """Keep the run as it is now, for whoever asks."""
        self._ctx.set(RUN_KEY, run, serde=_RUN)
        waiting = [] if run.ended else [a for a in run.approvals if a.resolution is None]
        if waiting == self._shown_approvals:
            return
        # A key of its own, so that what waits can be found among all runs.
        if waiting:
            self._ctx.set(APPROVALS_KEY, waiting, serde=_APPROVALS)
        else:
            self._ctx.clear(APPROVALS_KEY)
        self._shown_approvals = waiting

    def leave_thread(self, items: Sequence[StoredMessage], at: Time) -> None:
        """Give the turn back, by a one-way send: a second cancellation does not cut it."""
        finish = Finish(run_id=self._order.run_id, items=list(items), at=at)
        self._ctx.generic_send(
            self._thread, FINISH, _FINISH.serialize(finish), key=self._thread_key
        )

    async def cancelled_at(self) -> Time | None:
        """Return when somebody asked for the cancellation, if it came by our handler."""
        return await self._wait(self._ctx.promise(CANCEL, serde=_TIME).peek())

    @property
    def _thread(self) -> str:
        return thread_service(self._parts.settings.service_prefix)

    @property
    def _thread_key(self) -> str:
        return key_of(self._order.tenant, self._order.thread_id or "")

    async def _join(self) -> str:
        """Get in line on the thread: a delayed run does so when its delay is over."""
        join = Join(
            run_id=self._order.run_id,
            agent=self._order.agent,
            tenant=self._order.tenant,
            invocation_id=self._ctx.request().id,
            body_hash=self._order.body_hash,
            at=self._order.created_at,
            interrupts=self._order.on_busy == "interrupt",
        )
        call = self._ctx.generic_call(
            self._thread, JOIN, _JOIN.serialize(join), key=self._thread_key
        )
        answer = _ANSWER.deserialize(await self._wait(call))
        return answer.outcome if answer else "queued"

    def _context(self, call: PlannedCall) -> ToolContext:
        return ToolContext(
            run_id=self._order.run_id,
            thread_id=self._order.thread_id,
            tenant=self._order.tenant,
            agent=self._agent.name,
            turn=call.turn,
            call_id=call.call_id,
            idempotency_key=f"{self._order.run_id}:{call.call_id}",
            context=self._order.context,
            metadata=self._order.metadata,
            resources=self._parts.resources,
            on_progress=self._parts.live.reporter(self._key, self._order.run_id, call.call_id),
        )

    def _closure(
        self,
        name: str,
        action: Callable[[], Awaitable[T]],
        ends: "_Ends[T]",
        serde: JsonSerde[T],
    ) -> Pending[T]:
        """Journal an action that a cancellation breaks off."""

        async def abortable() -> T:
            _logger.debug("step_executed", step=name)
            try:
                value = await self._parts.inflight.run(self._order.run_id, action, ends.aborted)
                serde.serialize(value)
            except Exception as error:
                # Restate would repeat it for ever, with all that it does.
                _logger.exception("step_failed", step=name)
                return ends.broken(error)
            return value

        return _Begun(self._ctx.run_typed(name, abortable, RunOptions(serde=serde)), works=True)

    async def _resolve(self, name: str, value: T, serde: JsonSerde[T]) -> T | None:
        """Resolve a promise; if somebody else was first, return what it holds."""
        promise = self._ctx.promise(name, serde=serde)
        try:
            await self._wait(promise.resolve(value))
        except StepFailed as failed:
            if failed.status != 409:
                raise
            return await self._wait(promise.peek())
        return None

    def _suspending(self) -> AbstractContextManager[None]:
        return suspending_after(self._ctx, self._parts.settings.suspend_after_s)

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
            self._parts.inflight.drop(self._order.run_id)
            raise Cancelled from error

"""The loop's steps on Restate: one method for each journaled side effect.

Names of steps come from constants and journaled data only, since a replay compares them.
Closures return values and never raise: a failed one would repeat its siblings in flight.
"""

from collections.abc import Awaitable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar, cast

import restate
from restate import RestateDurableFuture, RunOptions, TerminalError, WorkflowContext

from outlast.agent import Agent
from outlast.contract import RunOrder, SteeringMessage, SubmitAnswer
from outlast.events import AnyEvent
from outlast.names import key_of, thread_service
from outlast.protocol import Approval, Resolution, Run, Time
from outlast.tool_context import ToolContext
from outlast_worker.deps import Dependencies
from outlast_worker.engine.names import (
    ACCEPTED,
    ADMISSION,
    APPROVALS_KEY,
    CANCELLED_AT,
    CONVERSATION,
    JOIN,
    MESSAGES_TAKEN_KEY,
    ORDER_KEY,
    RELEASE,
    RUN_KEY,
    decision_promise,
    event_key,
    inbox_promise,
    partial_answer_step,
)
from outlast_worker.engine.operations import (
    AskModel,
    CheckApproval,
    Operation,
    PinAgent,
    PlannedCall,
    RunTool,
)
from outlast_worker.engine.records import StoredMessage
from outlast_worker.engine.steps import Cancelled, Pending, StepFailed
from outlast_worker.live.hub import LiveAnswer
from outlast_worker.pin import pin_agent
from outlast_worker.services.serde import JsonSerde
from outlast_worker.services.suspend import suspending_after
from outlast_worker.services.thread_state import Join, Release

T = TypeVar("T")

_EVENT = JsonSerde[AnyEvent](AnyEvent)
_RUN = JsonSerde[Run](Run)
_ORDER = JsonSerde[RunOrder](RunOrder)
_TEXT = JsonSerde[str](str)
_TIME = JsonSerde[Time](Time)
_MESSAGES = JsonSerde[list[StoredMessage]](list[StoredMessage])
_JOIN = JsonSerde[Join](Join)
_ANSWER = JsonSerde[SubmitAnswer](SubmitAnswer)
_RELEASE = JsonSerde[Release](Release)
_APPROVALS = JsonSerde[list[Approval]](list[Approval])
_RESOLUTION = JsonSerde[Resolution](Resolution)
_STEERING = JsonSerde[SteeringMessage | None](SteeringMessage | None)
_NUMBER = JsonSerde[int](int)
_RECORDS: dict[type[Operation[Any]], JsonSerde[Any]] = {
    kind: JsonSerde(kind.record) for kind in (PinAgent, AskModel, CheckApproval, RunTool)
}


def is_own_cancellation(error: TerminalError) -> bool:
    """Tell a cancellation of this invocation from other conflicts, such as a killed callee."""
    return error.status_code == 409 and error.message == "cancelled"


@dataclass(eq=False)
class _Begun(Pending[T]):
    """A future of Restate; `in_process` if a closure in this process completes it."""

    future: RestateDurableFuture[T]
    in_process: bool = False


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
        self._saved_approvals: list[Approval] = []

    def accept(self) -> None:
        """Record the request, so that a repeated one can be told from a different one."""
        # Not awaited: nobody else resolves this promise.
        self._ctx.promise(ACCEPTED, serde=_TEXT).resolve(self._order.body_hash)
        self._ctx.set(ORDER_KEY, self._order, serde=_ORDER)

    async def acquire_thread(self) -> list[StoredMessage]:
        """Wait until the run holds its thread, and return the conversation so far."""
        admission = self._order.admission
        if admission == "join":
            admission = await self._join()
        if admission == "queued":
            with self._suspending():
                await self._wait(self._ctx.promise(ADMISSION, serde=_TEXT).value())
        history = self._ctx.generic_call(self._thread, CONVERSATION, b"", key=self._thread_key)
        return _MESSAGES.deserialize(await self._wait(history)) or []

    def release_thread(self, items: Sequence[StoredMessage], at: Time) -> None:
        """Hold the thread no longer. A one-way send: a second cancellation does not cut it."""
        release = Release(run_id=self._order.run_id, items=list(items), at=at)
        self._ctx.generic_send(
            self._thread, RELEASE, _RELEASE.serialize(release), key=self._thread_key
        )

    def begin(self, operation: Operation[T]) -> Pending[T]:
        """Begin a step, which a cancellation breaks off."""
        serde = _RECORDS[type(operation)]

        async def execute() -> T:
            record = await self._execute(operation)
            serde.serialize(record)  # one that can't be written is a fault like any other
            return record

        async def closure() -> T:
            return await self._dependencies.inflight.run(self._order.run_id, operation, execute)

        future = self._ctx.run_typed(operation.step, closure, RunOptions(serde=serde))
        return _Begun(future, in_process=True)

    def expect_decision(self, call_id: str) -> Pending[Resolution]:
        """Begin to wait for a person's decision on a call."""
        return _Begun(self._ctx.promise(decision_promise(call_id), serde=_RESOLUTION).value())

    def expect_message(self, index: int) -> Pending[SteeringMessage | None]:
        """Begin to wait for the steering message of this number; None closes the inbox."""
        if index:
            self._ctx.set(MESSAGES_TAKEN_KEY, index, serde=_NUMBER)
        return _Begun(self._ctx.promise(inbox_promise(index), serde=_STEERING).value())

    def start_timer(self, delay: timedelta) -> Pending[None]:
        """Begin a durable wait."""
        return _Begun(self._ctx.sleep(delay))

    async def wait_for_any(self, pending: Sequence[Pending[Any]]) -> list[Pending[Any]]:
        """Wait until some of these are done, and return those."""
        begun = {item.future: item for item in pending if isinstance(item, _Begun)}
        in_process = any(item.in_process for item in begun.values())
        with nullcontext() if in_process else self._suspending():
            done, _ = await self._wait(restate.wait_completed(*begun))
        return [begun[future] for future in done]

    async def result_of(self, pending: Pending[T]) -> T:
        """Return what came of something that is done."""
        return await self._wait(cast("_Begun[T]", pending).future)

    async def close_decision(self, resolution: Resolution) -> Resolution:
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
            return self._dependencies.live.partial_answer(self._key, turn)

        name = partial_answer_step(turn)
        return await self._wait(self._ctx.run_typed(name, read, RunOptions(serde=_TEXT)))

    async def cancelled_at(self) -> Time | None:
        """Return when somebody asked for the cancellation, if it came by our handler."""
        return await self._wait(self._ctx.promise(CANCELLED_AT, serde=_TIME).peek())

    def emit(self, event: AnyEvent) -> None:
        """Commit an event."""
        self._ctx.set(event_key(event.seq), event, serde=_EVENT)
        self._dependencies.live.committed(self._key, event)

    def save(self, run: Run) -> None:
        """Keep the run as it is now, for whoever asks."""
        self._ctx.set(RUN_KEY, run, serde=_RUN)
        waiting = [] if run.ended else [a for a in run.approvals if a.resolution is None]
        if waiting == self._saved_approvals:
            return
        # A key of its own, so that what waits can be found among all runs.
        if waiting:
            self._ctx.set(APPROVALS_KEY, waiting, serde=_APPROVALS)
        else:
            self._ctx.clear(APPROVALS_KEY)
        self._saved_approvals = waiting

    @property
    def _thread(self) -> str:
        return thread_service(self._dependencies.settings.service_prefix)

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

    async def _execute(self, operation: Operation[Any]) -> Any:
        """Do what an operation says, in this process: the one place where steps have effects."""
        dependencies = self._dependencies
        match operation:
            case PinAgent():
                return pin_agent(
                    dependencies.registry, self._agent, self._order, dependencies.settings
                )
            case AskModel(call):
                return await dependencies.model.complete(call, partial(self._preview, call.turn))
            case CheckApproval(call):
                return await dependencies.tools.check(self._agent, call, self._context(call))
            case RunTool(call):
                return await dependencies.tools.execute(self._agent, call, self._context(call))
            case _:
                raise TypeError(f"nobody executes {type(operation).__name__}")

    def _preview(self, turn: int) -> LiveAnswer:
        return self._dependencies.live.begin(self._key, self._order.run_id, turn)

    def _context(self, call: PlannedCall) -> ToolContext:
        live = self._dependencies.live
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
            resources=self._dependencies.resources,
            on_progress=live.reporter(self._key, self._order.run_id, call.call_id),
        )

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

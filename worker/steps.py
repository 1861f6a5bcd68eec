"""The loop's steps on Restate: one method for each journaled side effect.

Names of steps come from constants and journaled data only, since a replay compares them.
Closures return values and never raise: a failed one would repeat its siblings in flight.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import TypeVar

import restate
from restate import RestateDurableFuture, RunOptions, TerminalError, WorkflowContext

from shared.agent import Agent
from shared.contract import RunOrder, SubmitAnswer
from shared.events import AnyEvent
from shared.logging import get_logger
from shared.names import key_of, thread_service
from shared.protocol import Run, Time
from shared.tool import ToolContext
from worker.loop import Cancelled, ModelCall, PlannedCall, StepFailed
from worker.names import (
    ACCEPTED,
    CANCEL,
    CONVERSATION,
    FINISH,
    INPUT_KEY,
    JOIN,
    RUN_KEY,
    TURN,
    event_key,
    tool_step,
)
from worker.parts import Parts
from worker.pin import pin_agent
from worker.records import (
    ModelOutcome,
    PinOutcome,
    StoredMessage,
    ToolRecord,
    aborted_call,
    stopped_call,
)
from worker.serde import JsonSerde
from worker.suspend import suspending_after
from worker.thread_state import Finish, Join

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


def is_own_cancellation(error: TerminalError) -> bool:
    """Tell a cancellation of this invocation from other conflicts, such as a killed callee."""
    return error.status_code == 409 and error.message == "cancelled"


class RestateSteps:
    """The `Steps` of one attempt at one run."""

    def __init__(self, ctx: WorkflowContext, order: RunOrder, agent: Agent, parts: Parts) -> None:
        self._ctx = ctx
        self._order = order
        self._agent = agent
        self._parts = parts

    def accept(self) -> None:
        """Record the request, so that a repeated one can be told from a different one."""
        # Not awaited: nobody else resolves this promise.
        self._ctx.promise(ACCEPTED, serde=_TEXT).resolve(self._order.body_hash)
        if self._order.thread_id:
            self._ctx.set(INPUT_KEY, self._order, serde=_INPUT)

    async def sleep(self, delay: timedelta) -> None:
        """Wait durably."""
        with self._suspending():
            await self._wait(self._ctx.sleep(delay))

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

    async def pin(self) -> PinOutcome:
        """Fix the agent's definition for this run."""

        async def read() -> PinOutcome:
            return pin_agent(self._parts.registry, self._agent, self._order, self._parts.settings)

        return await self._wait(self._ctx.run_typed("pin", read, RunOptions(serde=_PIN)))

    async def call_model(self, call: ModelCall) -> ModelOutcome:
        """Call the model once."""

        async def complete() -> ModelOutcome:
            return await self._parts.model.complete(call)

        step = self._closure(f"model {call.turn}", complete, aborted_call, _MODEL)
        return await self._wait(step)

    async def call_tools(
        self, calls: Sequence[PlannedCall]
    ) -> AsyncIterator[tuple[PlannedCall, ToolRecord]]:
        """Run tool calls side by side and yield each when it is done."""
        pending = {self._tool_step(call): call for call in calls}
        while pending:
            with self._cancellable():
                done, _ = await restate.wait_completed(*pending)
            for future in done:
                yield pending.pop(future), await self._wait(future)

    def emit(self, event: AnyEvent) -> None:
        """Commit an event."""
        self._ctx.set(event_key(event.seq), event, serde=_EVENT)

    def save(self, run: Run) -> None:
        """Keep the run as it is now, for whoever asks."""
        self._ctx.set(RUN_KEY, run, serde=_RUN)

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
        )
        call = self._ctx.generic_call(
            self._thread, JOIN, _JOIN.serialize(join), key=self._thread_key
        )
        answer = _ANSWER.deserialize(await self._wait(call))
        return answer.outcome if answer else "queued"

    def _tool_step(self, call: PlannedCall) -> RestateDurableFuture[ToolRecord]:
        context = ToolContext(
            run_id=self._order.run_id,
            thread_id=self._order.thread_id,
            tenant=self._order.tenant,
            agent=self._agent.name,
            turn=call.turn,
            call_id=call.call_id,
            idempotency_key=f"{self._order.run_id}:{call.call_id}",
            context=self._order.context,
            metadata=self._order.metadata,
        )

        async def execute() -> ToolRecord:
            return await self._parts.tools.execute(self._agent, call, context)

        return self._closure(tool_step(call.name), execute, stopped_call, _TOOL)

    def _closure(
        self,
        name: str,
        action: Callable[[], Awaitable[T]],
        aborted: Callable[[], T],
        serde: JsonSerde[T],
    ) -> RestateDurableFuture[T]:
        """Journal an action that a cancellation breaks off."""

        async def abortable() -> T:
            _logger.debug("step_executed", step=name)
            return await self._parts.inflight.run(self._order.run_id, action, aborted)

        return self._ctx.run_typed(name, abortable, RunOptions(serde=serde))

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

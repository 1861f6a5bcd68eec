"""The agent loop: model, tools, model, … until the model answers.

Plain code over the `Steps` protocol, so that it runs without Restate in tests. Everything it
emits follows from what steps returned: no clock, no randomness, nothing of its own.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol, cast

from pydantic import JsonValue, TypeAdapter
from pydantic_core import to_json

from shared.contract import RunOrder
from shared.events import (
    AnyEvent,
    MessageCompleted,
    RunQueued,
    RunStarted,
    ToolCallCompleted,
    ToolCallStarted,
    TurnStarted,
    terminal_event,
)
from shared.protocol import (
    Content,
    IncompleteReason,
    Run,
    RunError,
    RunStatus,
    Time,
    ToolCall,
    Usage,
    check_json,
)
from worker.records import (
    STOPPED,
    ModelFault,
    ModelOutcome,
    ModelRecord,
    Pin,
    PinFailure,
    PinOutcome,
    RequestedCall,
    StoredMessage,
    ToolRecord,
)

# A run's messages are one journal entry when it returns, and the request of `Thread.finish`.
# Restate caps those at 32 MiB and handles them within as much memory.
MAX_RUN_BYTES = 16 * 1024 * 1024


class Cancelled(Exception):
    """The run was cancelled from outside."""


class StepFailed(Exception):
    """A part of the engine refused a step for good.

    Attributes:
        status: As in HTTP; 413 means that something has become too large.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class _Failed(Exception):
    """The run can't go on."""

    def __init__(self, error: RunError) -> None:
        super().__init__(error.message)
        self.error = error


@dataclass(frozen=True)
class ModelCall:
    """One attempt at one turn's model call."""

    turn: int
    attempt: int
    pin: Pin
    messages: Sequence[StoredMessage]
    stream: bool


@dataclass(frozen=True)
class PlannedCall:
    """One tool call of a turn, with the arguments as the model wrote them."""

    turn: int
    call_id: str
    name: str
    arguments: str
    known: bool


class Steps(Protocol):
    """What the loop may do to the world. An await may raise `Cancelled` or `StepFailed`."""

    async def sleep(self, delay: timedelta) -> None:
        """Wait durably."""
        ...

    async def take_turn(self) -> list[StoredMessage]:
        """Wait for the turn on the thread, and return the conversation so far."""
        ...

    async def pin(self) -> PinOutcome:
        """Fix the agent's definition for this run."""
        ...

    async def call_model(self, call: ModelCall) -> ModelOutcome:
        """Call the model once."""
        ...

    def call_tools(
        self, calls: Sequence[PlannedCall]
    ) -> AsyncIterator[tuple[PlannedCall, ToolRecord]]:
        """Run tool calls side by side and yield each when it is done."""
        ...

    def emit(self, event: AnyEvent) -> None:
        """Commit an event."""
        ...

    def save(self, run: Run) -> None:
        """Keep the run as it is now, for whoever asks."""
        ...

    def leave_thread(self, items: Sequence[StoredMessage], at: Time) -> None:
        """Give the turn back, with what the run adds to the conversation."""
        ...

    async def cancelled_at(self) -> Time | None:
        """Return when somebody asked for the cancellation, if it is known."""
        ...


class AgentLoop:
    """One run, from its order to its end."""

    def __init__(self, steps: Steps, order: RunOrder) -> None:
        self._steps = steps
        self._order = order
        self._now = order.created_at
        self._seq = 0
        self._bytes = 0
        self._history: list[StoredMessage] = []
        self._added: list[StoredMessage] = []
        self._run = Run(
            run_id=order.run_id,
            agent=order.agent,
            thread_id=order.thread_id,
            status="queued",
            metadata=order.metadata,
            created_at=order.created_at,
        )

    async def run(self) -> Run:
        """Run the agent to its end. A run that fails or is cancelled returns too."""
        try:
            await self._begin()
            pin = await self._pin()
            await self._turns(pin)
        except _Failed as failed:
            self._change(status="failed", error=failed.error)
        except StepFailed as failed:
            kind = "context-too-long" if failed.status == 413 else "internal"
            error = RunError(type=kind, message=str(failed), retryable=False)
            self._change(status="failed", error=error)
        except Cancelled:
            self._change(status="cancelled")
            await self._note_cancellation()
        return self._end()

    async def _begin(self) -> None:
        if self._order.after_s:
            self._become("waiting", waiting_for="timer")
            self._emit(RunQueued)
            await self._steps.sleep(timedelta(seconds=self._order.after_s))
        if self._order.thread_id:
            if self._order.turn != "granted":
                self._become("queued", waiting_for=None)
            if self._order.turn == "queued":
                self._emit(RunQueued)
            self._history = await self._steps.take_turn()
        for message in self._order.input:
            self._add(role=message.role, content=message.content)

    async def _pin(self) -> Pin:
        outcome = await self._steps.pin()
        self._now = outcome.at
        self._become("running", waiting_for=None, started_at=outcome.at)
        self._emit(RunStarted)
        if isinstance(outcome, PinFailure):
            raise _Failed(outcome.error)
        return outcome

    async def _turns(self, pin: Pin) -> None:
        max_turns = self._order.limits.max_turns or pin.max_turns
        for turn in range(1, max_turns + 1):
            self._emit(TurnStarted, turn=turn)
            answer = await self._ask_model(pin, turn)
            calls = self._take_answer(pin, turn, answer)
            if not calls:
                return self._conclude(answer)
            await self._run_tools(calls)
        return self._stop_short("max_turns")

    async def _ask_model(self, pin: Pin, turn: int) -> ModelRecord:
        """Call the model until it answers, for as long as retrying may help."""
        attempt = 0
        began: Time | None = None
        while True:
            attempt += 1
            call = ModelCall(
                turn=turn,
                attempt=attempt,
                pin=pin,
                messages=[*self._history, *self._added],
                stream=self._order.stream,
            )
            outcome = await self._steps.call_model(call)
            self._now = outcome.ended_at
            if isinstance(outcome, ModelRecord):
                return outcome
            began = began or outcome.started_at
            await self._wait_to_retry(pin, outcome, began)

    async def _wait_to_retry(self, pin: Pin, fault: ModelFault, began: Time) -> None:
        if fault.retry_after_s is None:
            raise _Failed(fault.error)
        until = fault.ended_at + timedelta(seconds=fault.retry_after_s)
        if until - began > timedelta(seconds=pin.model_retry_for_s):
            raise _Failed(fault.error)
        await self._steps.sleep(timedelta(seconds=fault.retry_after_s))

    def _take_answer(self, pin: Pin, turn: int, answer: ModelRecord) -> list[PlannedCall]:
        """Add the answer to the conversation and return the tool calls it asks for."""
        known = {tool.name for tool in pin.tools}
        planned = [
            PlannedCall(turn, f"{turn}.{index}", call.name, call.arguments, call.name in known)
            for index, call in enumerate(answer.calls)
        ]
        shown = [
            ToolCall(call_id=plan.call_id, name=plan.name, arguments=_shown_arguments(call))
            for plan, call in zip(planned, answer.calls, strict=True)
        ]
        message = self._add(
            role="assistant",
            content=answer.text,
            tool_calls=shown or None,
            agent=self._order.agent,
            opaque=answer.opaque,
        )
        self._change(turn=turn, usage=self._run.usage + answer.usage)
        self._emit(
            MessageCompleted,
            turn=turn,
            message=message.public(),
            usage=answer.usage,
            model=answer.model,
            finish_reason=answer.finish_reason,
        )
        for call in shown:
            self._emit(
                ToolCallStarted,
                turn=turn,
                call_id=call.call_id,
                name=call.name,
                arguments=call.arguments,
            )
        return planned

    async def _run_tools(self, calls: Sequence[PlannedCall]) -> None:
        """Run a turn's tool calls; results stand in the order of the calls."""
        self._steps.save(self._run)
        records: dict[str, ToolRecord] = {}
        try:
            async for call, result in self._steps.call_tools(calls):
                record = self._if_it_fits(call, result)
                records[call.call_id] = record
                self._now = max(self._now, record.ended_at)
                self._change(usage=self._run.usage + Usage(tool_calls=1))
                self._emit(
                    ToolCallCompleted,
                    call_id=call.call_id,
                    name=call.name,
                    is_error=record.is_error,
                    output=record.output,
                    duration_ms=record.duration_ms,
                )
        finally:
            for call in calls:
                self._add_result(call, records.get(call.call_id))

    def _if_it_fits(self, call: PlannedCall, record: ToolRecord) -> ToolRecord:
        """Refuse a result with which the run could no longer be journaled as a whole."""
        self._bytes += len(to_json(record.output))
        if self._bytes <= MAX_RUN_BYTES:
            return record
        text = (
            f"The result of {call.name} is left out: the run has reached its limit of "
            f"{MAX_RUN_BYTES} bytes. Answer with what you know."
        )
        return record.model_copy(update={"output": text, "is_error": True})

    def _add_result(self, call: PlannedCall, record: ToolRecord | None) -> None:
        self._add(
            role="tool",
            content=record.output if record else STOPPED,
            call_id=call.call_id,
            is_error=record.is_error if record else True,
        )

    def _conclude(self, answer: ModelRecord) -> None:
        reason = _INCOMPLETE.get(answer.finish_reason)
        if reason:
            return self._stop_short(reason)
        return self._change(status="completed", output=answer.text)

    def _stop_short(self, reason: IncompleteReason) -> None:
        said = [m.content for m in self._added if m.role == "assistant" and m.content]
        self._change(
            status="incomplete",
            incomplete_reason=reason,
            output=cast("JsonValue", said[-1]) if said else None,
        )

    async def _note_cancellation(self) -> None:
        try:
            self._now = await self._steps.cancelled_at() or self._now
        except (Cancelled, StepFailed):
            return  # cancelled twice: the time of the last step has to do

    def _end(self) -> Run:
        """Commit the end. Nothing here is awaited, so no second cancellation can cut it."""
        self._change(waiting_for=None, ended_at=self._now)
        self._seq += 1
        self._steps.emit(terminal_event(self._run, self._seq))
        self._steps.save(self._run)
        if self._order.thread_id:
            # Empty if it never had the turn: then it only leaves the line.
            self._steps.leave_thread(self._added, self._now)
        return self._run.model_copy(update={"messages": [m.public() for m in self._added]})

    def _add(self, *, role: str, content: Content, **fields: Any) -> StoredMessage:
        message = StoredMessage.model_validate(
            {
                "id": f"{self._order.run_id}:{len(self._added) + 1}",
                "role": role,
                "content": content,
                "run_id": self._order.run_id,
                "created_at": self._now,
                **fields,
            }
        )
        if role != "tool":  # those were counted as they came
            self._bytes += len(to_json(content))
        self._added.append(message)
        return message

    def _change(self, **changes: Any) -> None:
        self._run = self._run.model_copy(update=changes)

    def _become(self, status: RunStatus, **changes: Any) -> None:
        """Change the status, for everybody to see."""
        self._change(status=status, **changes)
        self._steps.save(self._run)

    def _emit(self, kind: type[AnyEvent], **fields: Any) -> None:
        """Commit the next event."""
        self._seq += 1
        self._steps.emit(kind(run_id=self._order.run_id, seq=self._seq, **fields))


_OBJECT = TypeAdapter[dict[str, JsonValue]](dict[str, JsonValue])
_INCOMPLETE: dict[str, IncompleteReason] = {
    "length": "output_length",
    "content_filter": "content_filter",
}


def _shown_arguments(call: RequestedCall) -> dict[str, JsonValue]:
    """Return the arguments as an object; what is no object is told to the model as an error."""
    try:
        arguments = _OBJECT.validate_json(call.arguments or "{}")
        check_json(arguments)
    except ValueError:
        return {}
    return arguments

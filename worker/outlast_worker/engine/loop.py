"""The agent loop: model, tools, model, … until the model answers.

Plain code over the `Steps` protocol, so that it runs without Restate in tests. Everything it
emits follows from what steps returned: no clock, no randomness, nothing of its own.
"""

from collections.abc import Sequence
from datetime import timedelta
from itertools import count
from typing import cast

from pydantic import JsonValue

from outlast.contract import RunOrder, SteeringMessage
from outlast.events import MessageCompleted, RunQueued, RunStarted, SteerReceived, TurnStarted
from outlast.protocol import Engine, IncompleteReason, Run, RunError, Time, ToolCall, Usage
from outlast_worker.engine.inbox import Inbox
from outlast_worker.engine.records import ModelFault, ModelRecord, Pin, PinFailure, StoredMessage
from outlast_worker.engine.run_state import MAX_RUN_BYTES, Progress
from outlast_worker.engine.steps import Cancelled, ModelCall, PlannedCall, StepFailed, Steps
from outlast_worker.engine.tool_calls import ToolCalls, shown_arguments

_INCOMPLETE: dict[str, IncompleteReason] = {
    "length": "output_length",
    "content_filter": "content_filter",
}


_TOO_LONG = RunError(
    type="context-too-long",
    message=f"The run has reached its limit of {MAX_RUN_BYTES} bytes.",
    retryable=False,
)
_LEFT_OUT = f"(This message is left out: the run has reached its limit of {MAX_RUN_BYTES} bytes.)"


class _Failed(Exception):
    """The run can't go on."""

    def __init__(self, error: RunError) -> None:
        super().__init__(error.message)
        self.error = error


class AgentLoop:
    """One run, from its order to its end."""

    def __init__(self, steps: Steps, order: RunOrder) -> None:
        self._steps = steps
        self._order = order
        self._progress = Progress(steps, order)
        self._inbox = Inbox(steps)
        self._history: list[StoredMessage] = []
        self._asking: ModelCall | None = None
        """The model call in flight, if there is one."""

    async def run(self) -> Run:
        """Run the agent to its end. A run that fails or is cancelled returns too."""
        try:
            await self._begin()
            pin = await self._pin()
            await self._turns(pin)
        except _Failed as failed:
            self._progress.change(status="failed", error=failed.error)
        except StepFailed as failed:
            kind = "context-too-long" if failed.status == 413 else "internal"
            error = RunError(type=kind, message=str(failed), retryable=False)
            self._progress.change(status="failed", error=error)
        except Cancelled:
            self._progress.change(status="cancelled")
        while not await self._has_wound_up():
            self._progress.change(status="cancelled", error=None, incomplete_reason=None)
        return self._progress.end()

    async def _begin(self) -> None:
        if self._order.after_s:
            self._progress.become("waiting", waiting_for="timer")
            self._progress.emit(RunQueued)
            delay = timedelta(seconds=self._order.after_s)
            await self._inbox.wait(self._steps.timer(delay))
        if self._order.thread_id:
            if self._order.turn != "granted":
                self._progress.become("queued", waiting_for=None)
            if self._order.turn == "queued":
                self._progress.emit(RunQueued)
            self._history = await self._steps.take_turn()
        for message in self._order.input:
            self._progress.fits(message.content)
            self._progress.say(message.role, message.content)

    async def _pin(self) -> Pin:
        pinning = self._steps.pin()
        await self._inbox.wait(pinning)
        outcome = await self._steps.value(pinning)
        self._progress.now = outcome.at
        self._progress.become("running", waiting_for=None, started_at=outcome.at)
        self._progress.emit(RunStarted)
        if isinstance(outcome, PinFailure):
            raise _Failed(outcome.error)
        return outcome

    async def _turns(self, pin: Pin) -> None:
        max_turns = self._order.limits.max_turns or pin.max_turns
        for turn in count(1):
            if turn > max_turns:
                return self._stop_short("max_turns")
            heard = await self._inbox.take()
            self._take_in(heard)
            if self._progress.is_full or (heard and not self._progress.fits("")):
                raise _Failed(_TOO_LONG)
            self._progress.change(turn=turn)
            self._progress.save()
            self._progress.emit(TurnStarted, turn=turn)
            answer = await self._ask_model(pin, turn)
            calls = self._take_answer(pin, turn, answer)
            if calls:
                self._progress.save()
                await ToolCalls(self._steps, self._progress, self._inbox, pin).run(calls)
            elif await self._inbox.close():
                return self._conclude(answer)
        raise AssertionError("unreachable")

    async def _ask_model(self, pin: Pin, turn: int) -> ModelRecord:
        """Call the model until it answers, for as long as retrying may help."""
        began: Time | None = None
        malformed = 0
        for attempt in count(1):
            call = ModelCall(
                turn=turn,
                attempt=attempt,
                pin=pin,
                messages=[*self._history, *self._progress.messages],
                stream=self._order.stream,
                malformed=malformed,
            )
            self._asking = call
            asking = self._steps.call_model(call)
            await self._inbox.wait(asking)
            outcome = await self._steps.value(asking)
            self._progress.now = outcome.ended_at
            if isinstance(outcome, ModelRecord):
                self._asking = None
                self._progress.change(engine=None)
                return outcome
            began = began or outcome.started_at
            malformed += outcome.error.type == "model-malformed"
            await self._wait_to_retry(pin, call, outcome, began)
        raise AssertionError("unreachable")

    async def _wait_to_retry(
        self, pin: Pin, call: ModelCall, fault: ModelFault, began: Time
    ) -> None:
        if fault.retry_after_s is None:
            raise _Failed(fault.error)
        delay = timedelta(seconds=fault.retry_after_s)
        if fault.ended_at - began + delay > timedelta(seconds=pin.model_retry_for_s):
            raise _Failed(fault.error)
        failure = f"{fault.error.type}: {fault.error.message}"
        next_at = fault.ended_at + delay
        self._progress.change(
            engine=Engine(attempts=call.attempt, last_failure=failure, next_retry_at=next_at)
        )
        self._progress.save()
        await self._inbox.wait(self._steps.timer(delay))

    def _take_answer(self, pin: Pin, turn: int, answer: ModelRecord) -> list[PlannedCall]:
        """Add the answer to the conversation and return the tool calls it asks for."""
        known = {tool.name for tool in pin.tools}
        planned = [
            PlannedCall(turn, f"{turn}.{index}", call.name, call.arguments, call.name in known)
            for index, call in enumerate(answer.calls)
        ]
        shown = [
            ToolCall(
                call_id=plan.call_id, name=plan.name, arguments=shown_arguments(plan.arguments)
            )
            for plan in planned
        ]
        message = self._progress.say(
            "assistant",
            answer.text,
            tool_calls=shown or None,
            agent=self._order.agent,
            opaque=answer.opaque,
        )
        self._complete(turn, message, answer.usage, answer.model, answer.finish_reason)
        return planned

    def _complete(
        self, turn: int, message: StoredMessage, usage: Usage, model: str, finish_reason: str
    ) -> None:
        self._progress.change(usage=self._progress.run.usage + usage)
        self._progress.emit(
            MessageCompleted,
            turn=turn,
            message=message.public(),
            usage=usage,
            model=model,
            finish_reason=finish_reason,
        )

    def _take_in(self, heard: Sequence[SteeringMessage]) -> None:
        """Add what was said to the run meanwhile."""
        for steering in heard:
            self._progress.reach(steering.at)
            for left, message in zip(range(len(steering.input))[::-1], steering.input, strict=True):
                fits = self._progress.fits(message.content)
                said = self._progress.say(
                    message.role,
                    message.content if fits else _LEFT_OUT,
                    message_id=None if left else steering.message_id,
                )
                self._progress.emit(SteerReceived, message=said.public())

    def _conclude(self, answer: ModelRecord) -> None:
        reason = _INCOMPLETE.get(answer.finish_reason)
        if reason:
            return self._stop_short(reason)
        return self._progress.change(status="completed", output=answer.text)

    def _stop_short(self, reason: IncompleteReason) -> None:
        said = [m.content for m in self._progress.messages if m.role == "assistant" and m.content]
        self._progress.change(
            status="incomplete",
            incomplete_reason=reason,
            output=cast("JsonValue", said[-1]) if said else None,
        )

    async def _has_wound_up(self) -> bool:
        """Wind up; False if it was cut by a cancellation, which each fire once."""
        try:
            await self._wind_up()
        except Cancelled:
            return False
        except StepFailed as failed:
            error = RunError(type="internal", message=str(failed), retryable=False)
            self._progress.change(status="failed", error=error)
        return True

    async def _wind_up(self) -> None:
        """Leave nothing behind that somebody was promised: what was said, and who said it."""
        if self._progress.run.status == "cancelled":
            await self._keep_partial_answer()
            self._progress.reach(await self._steps.cancelled_at() or self._progress.now)
        while not await self._inbox.close():
            self._take_in(await self._inbox.take())

    async def _keep_partial_answer(self) -> None:
        """Keep what a model had said when it was broken off."""
        call = self._asking
        if call is None:
            return
        text = await self._steps.partial_answer(call.turn)
        self._asking = None
        if not text:
            return
        message = self._progress.say("assistant", text, agent=self._order.agent)
        # Nobody knows what a call costs that was broken off.
        usage = Usage(model_calls=1, cost_usd=None)
        self._complete(call.turn, message, usage, call.pin.model, "cancelled")

"""The agent loop: model, tools, model, … until the model answers.

Plain code over the `Steps` protocol, so that it runs without Restate in tests. Everything it
emits follows from what steps returned: no clock, no randomness, nothing of its own.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import cast

from pydantic import JsonValue

from outlast.contract import RunOrder, SteeringMessage
from outlast.events import AnyEvent, RunQueued, RunStarted, SteerReceived, TurnStarted
from outlast.protocol import IncompleteReason, Run, RunError
from outlast_worker.engine.calls.handoff import TakenOver
from outlast_worker.engine.exceptions import Cancelled, RunFailed, RunStopped, StepFailed
from outlast_worker.engine.hooks import Checked, Hooks
from outlast_worker.engine.inbox import Inbox
from outlast_worker.engine.model_calls import ModelCalls
from outlast_worker.engine.operations import PinAgent
from outlast_worker.engine.output import Outputs
from outlast_worker.engine.pinning import Pinning
from outlast_worker.engine.planned_calls import PlannedCall
from outlast_worker.engine.records import PAUSED, ModelRecord, Pin, PinFailure
from outlast_worker.engine.run_limits import RunLimits
from outlast_worker.engine.run_size import MAX_RUN_BYTES
from outlast_worker.engine.run_state import RunState
from outlast_worker.engine.steps import Steps
from outlast_worker.engine.tool_calls import NOT_RUN, ToolCalls

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


class AgentLoop:
    """One run, from its order to its end."""

    def __init__(self, steps: Steps, order: RunOrder) -> None:
        self._steps = steps
        self._order = order
        self._state = RunState(steps, order)
        self._conversation = self._state.conversation
        self._inbox = Inbox(steps)
        self._outputs = Outputs(steps, self._state, self._inbox)
        self._output: JsonValue = None
        self._pinning = Pinning(steps, self._state, self._inbox)
        self._models = ModelCalls(steps, self._state, self._inbox)
        self._hooks = Hooks(steps, self._state, self._inbox)

    async def run(self) -> Run:
        """Run the agent to its end. A run that fails or is cancelled returns too."""
        try:
            pinning = await self._start()
            pin = await self._pin(pinning)
            await self._take_turns(pin)
        except RunStopped as stopped:
            self._stop_short(stopped.reason)
        except RunFailed as failed:
            self._state.change(status="failed", error=failed.error)
        except StepFailed as failed:
            kind = "context-too-long" if failed.status == 413 else "internal"
            error = RunError(type=kind, message=str(failed), retryable=False)
            self._state.change(status="failed", error=error)
        except Cancelled:
            self._state.change(status="cancelled")
        while not await self._try_to_finish():
            undone = {"output": None, "error": None, "incomplete_reason": None}
            self._state.change(status="cancelled", **undone)
        return await self._state.end()

    def last_events(self) -> Sequence[AnyEvent]:
        """Return the last events of a run that has ended, unless they are large."""
        return self._state.last_events()

    async def _start(self) -> PinAgent:
        """Begin when it is time and the thread is free; return how the definition is fixed."""
        speaker: str | None = None
        adopted: Pin | None = None
        if self._order.after_s:
            delay = timedelta(seconds=self._order.after_s)
            self._state.wait_for_its_time(self._order.created_at + delay)
            self._state.emit(RunQueued)
            await self._inbox.wait(self._steps.start_timer(delay))
        if self._order.thread_id:
            if self._order.admission != "granted":
                self._state.set_status("queued", waiting_for=None, waiting=None)
            if self._order.admission == "queued":
                self._state.emit(RunQueued)
            await self._conversation.take_up_thread()
            if self._order.sticky and self._order.history != "replace":
                speaker = await self._steps.thread.find_speaker()
        if fork := self._order.forked_from:
            kept = await self._conversation.take_up_fork()
            if fork.definition == "pinned":
                adopted = kept
            elif kept:
                speaker = kept.agent
        for message in self._order.input:
            self._conversation.add_said(message, message.id)
        return PinAgent(speaker, adopted)

    async def _pin(self, pinning: PinAgent) -> Pin:
        outcome = await self._pinning.pin(pinning)
        taken_over_by = outcome.agent if isinstance(outcome, Pin) else None
        if isinstance(outcome, Pin):
            self._steps.keep_definition(outcome)
        nothing = {"waiting_for": None, "waiting": None, "engine": None}
        begun = {"started_at": self._state.now, "handed_over_to": taken_over_by}
        self._state.set_status("running", **begun, **nothing)
        self._state.emit(RunStarted, agent=taken_over_by)
        if isinstance(outcome, PinFailure):
            raise RunFailed(outcome.error)
        self._hooks.pin(outcome)
        return outcome

    async def _take_turns(self, pin: Pin) -> None:
        limits = RunLimits(self._steps, self._state, self._inbox, pin)
        for turn in count(1):
            await limits.pass_turn(turn)
            all_added = self._add_steering(await self._inbox.take())
            if self._state.size.is_full or not all_added:
                raise RunFailed(_TOO_LONG)
            self._state.change(turn=turn)
            self._state.save()
            self._state.emit(TurnStarted, turn=turn)
            answer, again = await self._ask(pin, turn, limits)
            if calls := self._models.add_answer(pin, turn, answer):
                self._state.save()
                pin = await self._run_calls(pin, calls, limits)
            elif again is not None:
                self._say_to_model(again)
            elif answer.finish_reason != PAUSED and await self._is_final(pin, turn, answer):
                return self._conclude(answer)
        raise AssertionError("unreachable")

    async def _ask(self, pin: Pin, turn: int, limits: RunLimits) -> Checked:
        asked = await self._hooks.before_model(pin, turn)
        if isinstance(asked, Pin):
            asked = await self._models.ask(asked, turn, limits)
        return await self._hooks.after_model(turn, asked)

    def _say_to_model(self, text: str) -> None:
        """Add what nobody outside has said."""
        said = self._conversation.add("user", text)
        self._state.emit(SteerReceived, message=said.public())

    async def _run_calls(self, pin: Pin, calls: Sequence[PlannedCall], limits: RunLimits) -> Pin:
        """Run a turn's calls; return the definition that counts from then on."""
        tools = ToolCalls(self._steps, self._state, self._inbox, pin, self._hooks)
        try:
            allowed = await limits.allow(calls)
        except Cancelled:
            await tools.run([replace(call, fault=NOT_RUN, fault_type="stopped") for call in calls])
            raise
        await tools.run(allowed.calls, limits.allowance(self._state.run.turn))
        if tools.taken_over:
            pin = self._hand_over(pin, tools.taken_over, limits)
        if allowed.stops_for:
            raise RunStopped(allowed.stops_for)
        return pin

    def _hand_over(self, before: Pin, taken: TakenOver, limits: RunLimits) -> Pin:
        """Go on with another agent, and with nothing of the one before."""
        self._steps.keep.former_definition(before, taken.call.turn)
        self._steps.keep_definition(taken.pin)
        self._hooks.pin(taken.pin)
        self._models.hand_over()
        self._outputs = Outputs(self._steps, self._state, self._inbox)
        limits.take_over(taken.pin)
        self._state.hand_over(taken.call, before.agent or self._order.agent, taken.to)
        return taken.pin

    def _add_steering(self, heard: Sequence[SteeringMessage]) -> bool:
        """Add what was said to the run meanwhile; False if some of it had to be left out."""
        all_added = True
        for steering in heard:
            self._state.advance_clock(steering.at)
            for left, message in zip(range(len(steering.input))[::-1], steering.input, strict=True):
                has_room = self._state.size.has_room_for(message.content)
                all_added = all_added and has_room
                kept = message if has_room else message.model_copy(update={"content": _LEFT_OUT})
                message_id = message.id if left else steering.message_id
                said = self._conversation.add_said(kept, message_id)
                self._state.emit(SteerReceived, message=said.public())
        return all_added

    async def _is_final(self, pin: Pin, turn: int, answer: ModelRecord) -> bool:
        """Tell whether the run ends with this answer: it is what it has to be, and nobody adds."""
        if pin.output is None or answer.finish_reason in _INCOMPLETE:
            self._output = answer.text
        elif not await self._outputs.accept(pin.output, turn, answer.text):
            return False
        else:
            self._output = self._outputs.value
        return await self._inbox.close()

    def _conclude(self, answer: ModelRecord) -> None:
        reason = _INCOMPLETE.get(answer.finish_reason)
        if reason:
            return self._stop_short(reason)
        return self._state.change(status="completed", output=self._output)

    def _stop_short(self, reason: IncompleteReason) -> None:
        said = cast("JsonValue", self._conversation.last_answer)
        self._state.change(status="incomplete", incomplete_reason=reason, output=said)

    async def _try_to_finish(self) -> bool:
        """Finish; False if a cancellation cut it. Each cancellation fires once."""
        try:
            await self._finish()
        except Cancelled:
            return False
        except StepFailed as failed:
            error = RunError(type="internal", message=str(failed), retryable=False)
            self._state.change(status="failed", error=error)
        return True

    async def _finish(self) -> None:
        """Leave nothing behind that somebody was promised: what was said, and who said it."""
        if self._state.run.status == "cancelled":
            await self._models.keep_partial_answer()
            self._state.advance_clock(await self._steps.cancelled_at() or self._state.now)
        while not await self._inbox.close():
            self._add_steering(await self._inbox.take())
        failed = await self._hooks.on_end()
        if failed and self._state.run.status in ("completed", "incomplete"):
            self._state.change(status="failed", error=failed, incomplete_reason=None)

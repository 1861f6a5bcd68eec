"""A run's model calls: each is tried again while that may help, and its answer is added."""

from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import Any

from outlast.contract import RunOrder
from outlast.events import MessageCompleted
from outlast.protocol import Engine, ToolCall, Usage
from outlast_worker.engine.inbox import Inbox
from outlast_worker.engine.operations import AskModel, ModelCall, PlannedCall
from outlast_worker.engine.records import Forgotten, ModelFault, ModelRecord, Pin, StoredMessage
from outlast_worker.engine.run_limits import RunLimits
from outlast_worker.engine.run_state import RunFailed, RunState
from outlast_worker.engine.steps import Steps
from outlast_worker.engine.tool_calls import plan_call

# Faults that are found in what was said, and would be found there again.
_REFUSALS = frozenset({"content-policy", "context-too-long", "model-rejected"})


class ModelCalls:
    """Asks the model, turn by turn."""

    def __init__(self, steps: Steps, state: RunState, inbox: Inbox, order: RunOrder) -> None:
        self._steps = steps
        self._state = state
        self._inbox = inbox
        self._order = order
        self._call_in_flight: ModelCall | None = None
        self._attempt = 0

    async def ask(self, pin: Pin, turn: int, limits: RunLimits) -> ModelRecord:
        """Call the model until it answers, for as long as retrying may help.

        Raises:
            RunFailed: Retrying can't help, or no longer.
            RunStopped: The run has no time left.
        """
        tried_for = timedelta(0)
        malformed = 0
        for attempt in count(1):
            call = ModelCall(
                turn=turn,
                attempt=attempt,
                model=pin.model,
                settings=pin.settings_in(turn),
                pin=pin,
                messages=self._conversation(),
                stream=self._order.stream,
                unread=self._state.unread,
                malformed=malformed,
            )
            self._call_in_flight, self._attempt = call, attempt
            outcome = await self._outcome_of(call)
            self._state.advance_clock(outcome.ended_at)
            if isinstance(outcome, ModelRecord):
                self._call_in_flight = None
                self._state.change(engine=None, waiting=None)
                return outcome
            malformed += outcome.error.type == "model-malformed"
            if attempt > 1:  # a first call that took all its time is tried again, too
                tried_for += outcome.ended_at - outcome.started_at
            tried_for += await self._wait_to_retry(call, outcome, tried_for, limits)
        raise AssertionError("unreachable")

    def add_answer(self, pin: Pin, turn: int, answer: ModelRecord) -> list[PlannedCall]:
        """Add an answer to the conversation and return the tool calls it asks for."""
        known = {tool.name for tool in pin.tools}
        planned = [
            plan_call(turn, index, call, known=call.name in known)
            for index, call in enumerate(answer.calls)
        ]
        shown = [
            ToolCall(call_id=plan.call_id, name=plan.name, arguments=dict(plan.arguments))
            for plan in planned
        ]
        message = self._state.add_message(
            "assistant",
            answer.text,
            tool_calls=shown or None,
            agent=self._order.agent,
            opaque=answer.opaque,
        )
        self._state.note_answer()
        self._complete(
            turn,
            message,
            answer.usage,
            model=answer.model,
            finish_reason=answer.finish_reason,
            started_at=answer.started_at,
            first_token_ms=answer.first_token_ms,
        )
        return planned

    async def keep_partial_answer(self) -> None:
        """Keep what a model had said when it was broken off."""
        call = self._call_in_flight
        if call is None:
            return
        text = await self._steps.partial_answer(call.turn)
        self._call_in_flight = None
        if not text:
            return
        message = self._state.add_message("assistant", text, agent=self._order.agent)
        # Nobody knows what a call costs that was broken off.
        usage = Usage(model_calls=1, cost_usd=None)
        self._complete(call.turn, message, usage, model=call.model, finish_reason="cancelled")

    async def _outcome_of(self, call: ModelCall) -> ModelRecord | ModelFault:
        while True:
            asked = self._steps.begin(AskModel(call))
            await self._inbox.wait(asked)
            outcome = await self._steps.result_of(asked)
            if not isinstance(outcome, Forgotten):
                return outcome
            await self._state.read_conversation()
            call = replace(call, messages=self._conversation(), unread=None)

    def _conversation(self) -> list[StoredMessage]:
        return [*self._state.history, *self._state.messages]

    async def _wait_to_retry(
        self, call: ModelCall, fault: ModelFault, tried_for: timedelta, limits: RunLimits
    ) -> timedelta:
        """Wait, and return for how long; not by a clock, which may be set meanwhile."""
        if fault.retry_after_s is None:
            if fault.error.type in _REFUSALS:
                self._state.mark_refused(fault.error.type)
            raise RunFailed(fault.error)
        delay = timedelta(seconds=fault.retry_after_s)
        if tried_for + delay > timedelta(seconds=call.pin.model_retry_for_s):
            raise RunFailed(fault.error)
        await limits.pass_wait(delay)
        failure = f"{fault.error.type}: {fault.error.message}"
        next_at = self._state.now + delay
        self._state.wait_for_model(
            Engine(attempts=call.attempt, last_failure=failure, next_retry_at=next_at)
        )
        await self._inbox.wait(self._steps.start_timer(delay))
        return delay

    def _complete(self, turn: int, message: StoredMessage, usage: Usage, **facts: Any) -> None:
        self._state.change(usage=self._state.run.usage + usage)
        self._state.emit(
            MessageCompleted,
            turn=turn,
            message=message.public(),
            usage=usage,
            attempts=self._attempt,
            **facts,
        )

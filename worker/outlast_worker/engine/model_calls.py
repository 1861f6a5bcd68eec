"""A run's model calls: each is tried again while that may help, and its answer is added."""

from dataclasses import replace
from hashlib import sha256
from itertools import count
from typing import Any, NoReturn

from outlast.events import MessageCompleted, ModelFallback
from outlast.protocol import RunError, ToolCall, Usage
from outlast_worker.engine.budget import Budget
from outlast_worker.engine.compaction import Compactions
from outlast_worker.engine.exceptions import RunFailed
from outlast_worker.engine.fallbacks import Candidates
from outlast_worker.engine.inbox import Inbox
from outlast_worker.engine.operations import AskModel, ModelCall
from outlast_worker.engine.planned_calls import PlannedCall, plan_call
from outlast_worker.engine.records import Forgotten, ModelFault, ModelRecord, Pin, StoredMessage
from outlast_worker.engine.run_limits import RunLimits
from outlast_worker.engine.run_state import RunState
from outlast_worker.engine.steps import Steps

# Faults that are found in what was said, and would be found there again.
_REFUSALS = frozenset({"content-policy", "context-too-long", "model-rejected"})


class ModelCalls:
    """Asks the model, turn by turn."""

    def __init__(self, steps: Steps, state: RunState, inbox: Inbox) -> None:
        self._steps = steps
        self._state = state
        self._conversation = state.conversation
        self._inbox = inbox
        self._order = state.order
        self._budget = Budget(steps, state, inbox)
        self._call_in_flight: ModelCall | None = None
        self._attempt = 0
        self._answered_by: str | None = None
        self._compaction = Compactions(steps, state, inbox)
        conversation = f"{self._order.tenant}/{self._order.thread_id or self._order.run_id}"
        self._cache_key = sha256(conversation.encode()).hexdigest()[:32]

    async def ask(self, pin: Pin, turn: int, limits: RunLimits) -> ModelRecord:
        """Call the agent's models until one answers, for as long as that may help.

        Raises:
            RunFailed: No model can help, or no longer.
            RunStopped: The run has no time left, or those above it have nothing left to use.
        """
        candidates = Candidates(pin, self._answered_by)
        await self._compaction.keep_within(pin, turn, candidates.current, limits)
        for self._attempt in count(1):
            call = ModelCall(
                turn=turn,
                attempt=candidates.attempt,
                model=candidates.current,
                settings=pin.settings_in(turn),
                pin=pin,
                messages=self._conversation.said,
                # What a hook may change or refuse is shown when it has passed.
                stream=self._order.stream and not pin.hooks_at("after_model"),
                unread=self._conversation.unread,
                stand_in=self._conversation.stand_in,
                malformed=candidates.malformed,
                cache_key=self._cache_key,
            )
            await self._budget.reserve(call, self._attempt)
            self._call_in_flight = call
            outcome = await self._outcome_of(call)
            self._budget.settle(call, self._attempt, outcome)
            self._state.advance_clock(outcome.ended_at)
            if isinstance(outcome, ModelRecord):
                if not (_is_refusal(pin, outcome) and candidates.has_others):
                    self._call_in_flight, self._answered_by = None, call.model
                    self._state.change(engine=None, waiting=None)
                    return outcome
                self._state.change(usage=self._state.run.usage + outcome.usage)
                outcome = _as_fault(outcome)
            candidates = await self._go_on(candidates, call, outcome, limits)
        raise AssertionError("unreachable")

    def hand_over(self) -> None:
        """Ask another agent's models from now on, its first one first."""
        self._answered_by = None

    def add_answer(self, pin: Pin, turn: int, answer: ModelRecord) -> list[PlannedCall]:
        """Add an answer to the conversation and return the tool calls it asks for."""
        tools = {tool.name: tool for tool in pin.tools}
        planned = [
            plan_call(turn, index, call, tools.get(call.name))
            for index, call in enumerate(answer.calls)
        ]
        shown = [
            ToolCall(call_id=plan.call_id, name=plan.name, arguments=dict(plan.arguments))
            for plan in planned
        ]
        message = self._conversation.add(
            "assistant",
            answer.text,
            tool_calls=shown or None,
            agent=pin.agent or self._order.agent,
            reasoning=answer.reasoning,
            opaque=answer.opaque,
        )
        self._conversation.note_answer(answer)
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
        agent = call.pin.agent or self._order.agent
        message = self._conversation.add("assistant", text, agent=agent)
        # Nobody knows what a call costs that was broken off.
        usage = Usage(model_calls=1, cost_usd=None)
        self._complete(call.turn, message, usage, model=call.model, finish_reason="cancelled")

    async def _outcome_of(self, call: ModelCall) -> ModelRecord | ModelFault:
        while True:
            outcome = await self._inbox.result_of(self._steps.begin(AskModel(call)))
            if not isinstance(outcome, Forgotten):
                return outcome
            await self._conversation.read_history()
            call = replace(call, messages=self._conversation.said, unread=None)

    async def _go_on(
        self, candidates: Candidates, call: ModelCall, fault: ModelFault, limits: RunLimits
    ) -> Candidates:
        """Choose the model that is asked next, and wait until it may be.

        Returns:
            The models that may answer now: all of them again, of a prompt that is shorter.

        Raises:
            RunFailed: There is none.
            RunStopped: The run has no time left.
        """
        if fault.error.type == "content-policy" and not call.pin.fallback_on_refusal:
            self._fail(fault.error)
        delay = candidates.next_after(fault)
        if delay is None:
            if candidates.found_too_long and await self._compaction.shorten(call, limits):
                return Candidates(call.pin, self._answered_by)
            self._fail(candidates.error())
        if candidates.current != call.model:
            self._state.emit(
                ModelFallback,
                turn=call.turn,
                model=candidates.current,
                instead_of=call.model,
                error=fault.error,
            )
        await limits.pass_wait(delay)
        if not delay:
            return candidates
        self._state.wait_for_model(self._attempt, fault.error, delay)
        await self._inbox.wait(self._steps.start_timer(delay))
        return candidates

    def _fail(self, error: RunError) -> NoReturn:
        if error.type in _REFUSALS and not error.retryable:
            self._conversation.mark_refused(error.type)
        raise RunFailed(error)

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


def _is_refusal(pin: Pin, answer: ModelRecord) -> bool:
    """Tell whether an answer is none, and another model is to be asked for it."""
    return pin.fallback_on_refusal and answer.finish_reason == "content_filter"


def _as_fault(refusal: ModelRecord) -> ModelFault:
    message = "The model's provider filtered the answer."
    return ModelFault(
        error=RunError(type="content-policy", message=message, retryable=False),
        started_at=refusal.started_at,
        ended_at=refusal.ended_at,
    )

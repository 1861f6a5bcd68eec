"""Keeps a run's prompts within its model's window: their beginning is summed up, or left out.

Before a model is asked, when the prompt has come near the window's end; and when no model has taken
it, since it is too long. What was said stays with the run and its thread.
"""

from collections import Counter
from itertools import count

from outlast.compaction import Compaction
from outlast.events import Compacted
from outlast_worker.engine.budget import Budget
from outlast_worker.engine.fallbacks import Candidates
from outlast_worker.engine.inbox import Inbox
from outlast_worker.engine.operations import Compact, ModelCall
from outlast_worker.engine.records import Cut, Forgotten, ModelFault, Pin, StandIn, StoredMessage
from outlast_worker.engine.run_limits import RunLimits
from outlast_worker.engine.run_state import RunState
from outlast_worker.engine.steps import Steps

# A summary is worth less patience than an answer: the run can go on without.
_PATIENCE_S = 30.0
_MOST_HALVINGS = 4
_MOST_IN_A_TURN = 3
_GROWTH = 1.1


class Compactions:
    """Of one run."""

    def __init__(self, steps: Steps, state: RunState, inbox: Inbox) -> None:
        self._steps = steps
        self._state = state
        self._conversation = state.conversation
        self._inbox = inbox
        self._not_before = 0.0
        """How long a prompt has to be to be looked at again, after that was in vain."""
        self._in_turn = Counter[int]()
        self._budget = Budget(steps, state, inbox)
        self._asked = 0
        """How often a model was asked for a summary."""

    async def keep_within(self, pin: Pin, turn: int, model: str, limits: RunLimits) -> None:
        """Make the next prompt shorter if it has come near the end of its model's window.

        It still fits: where no summary can be had it stays as it is.

        Raises:
            RunStopped: The summary has taken the run to a limit.
        """
        policy, tokens = pin.compaction, self._conversation.prompt_tokens
        if policy is None or tokens is None or tokens < self._not_before:
            return
        window = policy.windows.get(model)
        if window is None or tokens < policy.at * window:
            return
        cut = await self._find(pin, turn, model, policy.how, limits, is_urgent=False)
        if cut is None:
            self._not_before = tokens * _GROWTH
        else:
            self._leave_out(turn, policy.how, cut, lasts=True)
        await limits.pass_turn(turn)

    async def shorten(self, refused: ModelCall, limits: RunLimits) -> bool:
        """Make a prompt shorter that no model has taken; False if that can't be done.

        Where no summary can be had its beginning is left out, in this run alone.

        Raises:
            RunStopped: The summary has taken the run to a limit.
        """
        pin, turn, model = refused.pin, refused.turn, refused.model
        self._in_turn[turn] += 1
        if pin.compaction is None or self._in_turn[turn] > _MOST_IN_A_TURN:
            return False
        how = pin.compaction.how
        cut = await self._find(pin, turn, model, how, limits, is_urgent=True)
        lasts = cut is not None
        if cut is None and how == "summary":
            how = "window"
            cut = await self._find(pin, turn, model, how, limits, is_urgent=True)
        if cut is not None:
            self._leave_out(turn, how, cut, lasts=lasts)
        await limits.pass_turn(turn)
        return cut is not None

    async def _find(
        self,
        pin: Pin,
        turn: int,
        model: str,
        how: Compaction,
        limits: RunLimits,
        *,
        is_urgent: bool,
    ) -> Cut | None:
        """Return what can be left out; None if nothing can, or no model sums it up."""
        candidates = Candidates(_summing_up(pin, model), None)
        halvings = 0
        for attempt in count(1):
            call = self._call(pin, turn, candidates)
            outcome = await self._ask(Compact(call, how, is_urgent, halvings))
            self._state.advance_clock(outcome.ended_at)
            if isinstance(outcome, Cut):
                usage = self._state.run.usage
                used = usage + outcome.usage if outcome.usage else usage
                self._state.change(usage=used, engine=None, waiting=None)
                return outcome if outcome.covers else None
            if outcome.error.type == "context-too-long" and halvings < _MOST_HALVINGS:
                halvings += 1
            elif not await self._may_ask_again(candidates, outcome, attempt, limits):
                return None
        raise AssertionError("unreachable")

    def _call(self, pin: Pin, turn: int, candidates: Candidates) -> ModelCall:
        return ModelCall(
            turn=turn,
            attempt=candidates.attempt,
            model=candidates.current,
            settings=pin.model_settings,
            pin=pin,
            messages=self._conversation.said,
            stream=False,
            unread=self._conversation.unread,
            stand_in=self._conversation.stand_in,
            sums_up=True,
        )

    async def _ask(self, compact: Compact) -> Cut | ModelFault:
        if compact.how == "window":
            return await self._outcome_of(compact)
        self._asked += 1
        number = -self._asked  # those that answers take count up from 1
        await self._budget.reserve(compact.call, number)
        outcome = await self._outcome_of(compact)
        self._budget.settle(compact.call, number, outcome)
        return outcome

    async def _outcome_of(self, compact: Compact) -> Cut | ModelFault:
        while True:
            outcome = await self._inbox.result_of(self._steps.begin(compact))
            if not isinstance(outcome, Forgotten):
                return outcome
            await self._conversation.read_history()
            compact = compact.with_said(self._conversation.said)

    async def _may_ask_again(
        self, candidates: Candidates, fault: ModelFault, attempt: int, limits: RunLimits
    ) -> bool:
        """Wait until a model may be asked; False if none can help."""
        delay = candidates.next_after(fault)
        if delay is None:
            return False
        await limits.pass_wait(delay)
        if delay:
            self._state.wait_for_model(attempt, fault.error, delay)
            await self._inbox.wait(self._steps.start_timer(delay))
        return True

    def _leave_out(self, turn: int, how: Compaction, cut: Cut, *, lasts: bool) -> None:
        order = self._state.order
        message = StoredMessage(
            id=f"{order.run_id}:summary.{turn}",
            role="user",
            content=cut.text,
            run_id=order.run_id,
            created_at=self._state.now,
            stands_for=cut.covers,
        )
        # Made of what models read, it lacks what was left out before.
        lasts = lasts and (self._conversation.stand_in is None or self._conversation.stand_in.lasts)
        stand_in = StandIn(how=how, message=message, covers=cut.covers, lasts=lasts)
        # Models count otherwise than by length; their own count is scaled.
        before = self._conversation.prompt_tokens or cut.tokens_before
        after = round(before * cut.tokens_after / cut.tokens_before)
        self._conversation.leave_out(stand_in, after)
        self._steps.keep.stand_in(turn, stand_in)
        self._state.save()
        self._state.emit(
            Compacted,
            turn=turn,
            how=how,
            messages=cut.left_out,
            tokens_before=before,
            tokens_after=after,
            model=cut.model,
            usage=cut.usage,
        )


def _summing_up(pin: Pin, model: str) -> Pin:
    """Return whom to ask for a summary, and for how long: the agent's model, if no other can."""
    policy = pin.compaction
    return pin.model_copy(
        update={
            "model": (policy and policy.model) or model,
            "fallbacks": [model],
            "fallback_after_s": min(pin.fallback_after_s, _PATIENCE_S / 2),
            "model_retry_for_s": min(pin.model_retry_for_s, _PATIENCE_S),
        }
    )

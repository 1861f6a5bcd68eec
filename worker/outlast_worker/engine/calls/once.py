"""Calls of `once` tools: claimed, then begun at most once; in doubt where nobody knows.

A claim and its execution are two steps. Whoever executes the second one begins the call only if
this very process made the claim and has not begun it yet, so a repeated step never repeats the
call. What is in doubt is decided by the tool's `verify`, or by a person.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from pydantic_core import to_json

from outlast.protocol import Approval, Resolution, Time
from outlast_worker.engine.calls.answers import ask_people, begin_anew
from outlast_worker.engine.calls.kind import CallKind
from outlast_worker.engine.open_waits import OpenWait
from outlast_worker.engine.operations import ClaimEffect, RunOnce, VerifyEffect
from outlast_worker.engine.planned_calls import PlannedCall
from outlast_worker.engine.records import (
    HELD_FOR,
    EffectClaim,
    EffectOutcome,
    EffectVerdict,
    PinnedTool,
    ToolRecord,
)

_IN_DOUBT = "Nobody knows whether this call of {name} ran: {why}. Don't repeat it unasked."
_STOPPED = (
    "The run was stopped before this call finished: nobody knows whether it ran. Don't repeat it "
    "unasked."
)
_NOT_CLAIMED = "This call of {name} could not be begun, so it was not run."
_MAX_CLAIMS = 3
# What a call takes to end when its time is over; until then it may still happen.
_GRACE = timedelta(seconds=5)


@dataclass(frozen=True)
class _Effect:
    """One call on its way, with how often it was claimed in vain, and in doubt.

    Attributes:
        held_until: For how long a process may have kept the call open whose server asked people.
    """

    call: PlannedCall
    tool: PinnedTool
    claims: int = 1
    doubts: int = 0
    held_until: Time | None = None

    def over_at(self, claim: EffectClaim) -> Time:
        """Return from when on it is certain that the call neither runs nor begins any more."""
        ends_at = claim.at + timedelta(seconds=self.tool.timeout_s or 0)
        return max(ends_at, self.held_until or ends_at) + _GRACE


class OnceCalls(CallKind):
    """Never run twice."""

    unfinished = _STOPPED

    def begin(self, call: PlannedCall, tool: PinnedTool) -> None:
        """Claim the call."""
        self.turn.tell_start(call)
        self._claim(_Effect(call, tool))

    def _claim(self, effect: _Effect) -> None:
        step = self.turn.steps.begin(ClaimEffect(effect.call))
        self.turn.waits.add(step, partial(self._run, effect))

    async def _run(self, effect: _Effect, claim: EffectClaim) -> None:
        self.turn.state.advance_clock(claim.at)
        if claim.claim_id is None:
            return self._refuse_unclaimed(effect, claim.at)
        step = self.turn.steps.begin(RunOnce(effect.call, claim, effect.tool.timeout_s or 0))
        return self.turn.waits.add(step, partial(self._settle, effect, claim))

    async def _settle(self, effect: _Effect, claim: EffectClaim, outcome: EffectOutcome) -> None:
        self.turn.state.advance_clock(outcome.at)
        if outcome.outcome == "done" and outcome.record:
            if asks := outcome.record.asks:
                held_until = outcome.at + HELD_FOR if asks.held else None
                go_on = partial(self._continue, replace(effect, held_until=held_until))
                return ask_people(self.turn, effect.tool, effect.call, asks, go_on)
            return self.turn.complete(effect.call, outcome.record)
        if outcome.outcome == "not_begun":
            if effect.claims < _MAX_CLAIMS:
                return self._claim(replace(effect, claims=effect.claims + 1))
            return self._refuse_unclaimed(effect, outcome.at)
        doubted = replace(effect, call=begin_anew(effect.call), doubts=effect.doubts + 1)
        why = outcome.why or "the worker that ran it is gone"
        if effect.tool.verifies:
            return self._when_over(doubted, claim, partial(self._verify, doubted, claim, why))
        return self._ask(doubted, claim, why)

    def _continue(self, effect: _Effect, call: PlannedCall) -> None:
        """Go on with what people have answered: again at most once, by a claim of its own."""
        self._claim(replace(effect, call=call, claims=1))

    def _verify(self, effect: _Effect, claim: EffectClaim, why: str) -> None:
        step = self.turn.steps.begin(VerifyEffect(effect.call))
        self.turn.waits.add(step, partial(self._judge, effect, claim, why))

    async def _judge(
        self, effect: _Effect, claim: EffectClaim, why: str, verdict: EffectVerdict
    ) -> None:
        self.turn.state.advance_clock(verdict.at)
        if verdict.outcome == "done" and verdict.record:
            return self.turn.complete(effect.call, verdict.record)
        if verdict.outcome == "not_done":
            return self._claim(replace(effect, claims=1))
        return self._ask(effect, claim, why)

    def _ask(self, effect: _Effect, claim: EffectClaim, why: str) -> None:
        """Have a person decide."""
        call = effect.call
        approval = Approval(
            call_id=call.call_id,
            approval_id=f"{call.call_id}.doubt{effect.doubts}",
            name=call.name,
            arguments=dict(call.arguments),
            reason="in_doubt",
            question=f"Did this call of {call.name} happen? Nobody knows: {why}.",
            requested_at=self.turn.state.now,
        )
        self.turn.approvals.request(
            approval,
            effect.tool.approval_timeout,
            partial(self._follow, effect, claim, why),
            partial(self._leave, effect, why),
        )

    def _follow(
        self, effect: _Effect, claim: EffectClaim, why: str, resolution: Resolution
    ) -> None:
        """Do what was decided."""
        match resolution.action:
            case "retry":
                again = replace(effect, claims=1)
                self._when_over(effect, claim, partial(self._claim, again))
            case "complete":
                self.turn.complete(effect.call, _completed(resolution))
            case _:
                record = _in_doubt(effect.call, why, resolution.at, resolution.reason)
                self.turn.complete(effect.call, record)

    def _leave(self, effect: _Effect, why: str, resolution: Resolution) -> None:
        """Keep of a cancelled run what is known of the call: a person may have known more."""
        if resolution.action == "complete":
            return self.turn.leave(effect.call, _completed(resolution))
        return self.turn.leave(effect.call, _in_doubt(effect.call, why, resolution.at))

    def _when_over(self, effect: _Effect, claim: EffectClaim, go_on: Callable[[], None]) -> None:
        """Go on when the claimed call can't happen any more: no answer counts before."""
        over_at = effect.over_at(claim)
        delay = over_at - self.turn.state.now
        if delay <= timedelta(0):
            return go_on()

        async def continue_with(_: None) -> None:
            self.turn.state.advance_clock(over_at)
            go_on()

        wait = OpenWait(
            kind="timer",
            id=effect.call.call_id,
            call_id=effect.call.call_id,
            text=f"the end of the time in which {effect.call.name} may still run",
            until=over_at,
        )
        return self.turn.waits.add(self.turn.steps.start_timer(delay), continue_with, wait)

    def _refuse_unclaimed(self, effect: _Effect, at: Time) -> None:
        if effect.call.answered.answers:  # it was begun before people were asked
            why = "it could not go on with what people have answered"
            return self.turn.complete(effect.call, _in_doubt(effect.call, why, at))
        text = _NOT_CLAIMED.format(name=effect.call.name)
        return self.turn.refuse(effect.call, ToolRecord.failed(text, "internal", at))


def _in_doubt(call: PlannedCall, why: str, at: Time, said: str | None = None) -> ToolRecord:
    text = _IN_DOUBT.format(name=call.name, why=why)
    return ToolRecord.failed(f"{text} A person says: {said}" if said else text, "in_doubt", at)


def _completed(resolution: Resolution) -> ToolRecord:
    output = resolution.output
    text = output if isinstance(output, str) else to_json(output).decode()
    return ToolRecord(output=text, is_error=False, started_at=resolution.at, ended_at=resolution.at)

"""Where a run stops: at how many turns, calls and tokens, at what cost, after which time.

Counted from what steps returned. What is in flight when a limit is reached is waited for; then
the run ends, or a person is asked whether it may go on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from math import inf

from outlast.contract import Allowance
from outlast.protocol import Approval, IncompleteReason, Limits, RunError
from outlast_worker.engine.approvals import ask_between_turns
from outlast_worker.engine.exceptions import RunFailed, RunStopped
from outlast_worker.engine.inbox import Inbox
from outlast_worker.engine.planned_calls import PlannedCall
from outlast_worker.engine.records import Pin
from outlast_worker.engine.run_state import RunState
from outlast_worker.engine.steps import Steps

_COST_LOST = RunError(
    type="price-unknown",
    message=(
        "What the run has cost is not known any more, so that its limit max_cost_usd can't be "
        "held: a model call had no price. Set MODEL_PRICES for the worker."
    ),
    retryable=False,
)


@dataclass(frozen=True)
class AllowedCalls:
    """A turn's calls, of which those beyond the limit have a fault; then the run stops for it."""

    calls: Sequence[PlannedCall]
    stops_for: IncompleteReason | None = None


class RunLimits:
    """The limits of one run, and how far it is."""

    def __init__(self, steps: Steps, state: RunState, inbox: Inbox, pin: Pin) -> None:
        self._steps = steps
        self._state = state
        self._inbox = inbox
        self._limits = pin.limits
        self._raised = Limits()
        self._asks = pin.on_limit == "approve"
        self._asked = 0

    def take_over(self, pin: Pin) -> None:
        """Go on with another agent's limits; what was used, and what people have raised, counts."""
        self._limits = pin.limits.raised_to(self._raised)
        self._asks = pin.on_limit == "approve"

    async def pass_turn(self, turn: int) -> None:
        """Let the next turn begin, unless the run has used all that it may.

        Raises:
            RunStopped: With the limit.
            RunFailed: Nobody can tell whether it has.
        """
        while reason := self._reached(turn):
            if not await self._is_raised(reason):
                raise RunStopped(reason)

    async def pass_wait(self, delay: timedelta) -> None:
        """Let the run wait for a model, unless its time would be over by then.

        Raises:
            RunStopped: With the limit.
        """
        while self._ends_within(delay):
            if not await self._is_raised("max_duration_s"):
                raise RunStopped("max_duration_s")

    async def allow(self, calls: Sequence[PlannedCall]) -> AllowedCalls:
        """Return a turn's calls; those that are too many are not to run."""
        wanted = sum(not call.fault for call in calls)
        while (most := self._limits.max_tool_calls) is not None:
            left = most - self._state.run.usage.tool_calls
            if wanted <= left:
                break
            if not await self._is_raised("max_tool_calls"):
                return AllowedCalls(_first(calls, left, most), "max_tool_calls")
        return AllowedCalls(calls)

    def allowance(self, turn: int) -> Allowance | None:
        """Return what runs may use that are called in a turn: what is left; None for anything."""
        limits, used = self._limits, self._state.run.usage
        if limits.max_tokens is None and limits.max_cost_usd is None:
            return None
        tokens, cost = used.input_tokens + used.output_tokens, used.cost_usd or 0
        return Allowance(
            account=f"{self._state.order.run_id}:{turn}",
            tokens=None if limits.max_tokens is None else limits.max_tokens - tokens,
            cost_usd=None if limits.max_cost_usd is None else limits.max_cost_usd - cost,
        )

    def _reached(self, turn: int) -> IncompleteReason | None:
        used = self._state.run.usage
        if self._limits.max_cost_usd is not None and used.cost_usd is None:
            raise RunFailed(_COST_LOST)
        so_far: dict[IncompleteReason, float] = {
            "max_turns": turn - 1,
            "max_tokens": used.input_tokens + used.output_tokens,
            "max_cost_usd": used.cost_usd or 0,
            "max_duration_s": self._state.worked_for.total_seconds(),
        }
        limits = self._limits.given
        return next(
            (name for name, amount in so_far.items() if amount >= limits.get(name, inf)), None
        )

    def _ends_within(self, delay: timedelta) -> bool:
        most_s = self._limits.max_duration_s
        return most_s is not None and (self._state.worked_for + delay).total_seconds() >= most_s

    async def _is_raised(self, reason: IncompleteReason) -> bool:
        """Ask a person, if the agent wants that, whether the run may go on."""
        if not self._asks:
            return False
        self._asked += 1
        approval = Approval(
            approval_id=f"limit{self._asked}",
            name=reason,
            arguments={},
            reason="limit",
            question=f"The run has reached {reason} = {self._limits.given[reason]}. Raise it?",
            requested_at=self._state.now,
        )
        decided = await ask_between_turns(self._steps, self._state, self._inbox, approval, None)
        if decided.action != "raise" or decided.limits is None:
            return False
        self._raised = self._raised.model_copy(update=decided.limits.given)
        self._limits = self._limits.raised_to(decided.limits)
        return True


def _first(calls: Sequence[PlannedCall], left: int, most: int) -> list[PlannedCall]:
    """Return the calls, of which so many are to run, and those after them are not."""
    fault = f"The run may carry out {most} tool calls, so this one was not run."
    allowed: list[PlannedCall] = []
    for call in calls:
        runs = not call.fault and left > 0
        left -= runs
        is_over = not (runs or call.fault)
        allowed.append(replace(call, fault=fault, fault_type="limit") if is_over else call)
    return allowed

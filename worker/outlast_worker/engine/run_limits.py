"""Where a run stops: at how many turns, calls and tokens, at what cost, after which time.

Counted from what steps returned. What is in flight when a limit is reached is waited for.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from outlast.protocol import IncompleteReason, Limits, RunError
from outlast_worker.engine.operations import PlannedCall
from outlast_worker.engine.run_state import RunFailed, RunState, RunStopped

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

    def __init__(self, state: RunState, limits: Limits) -> None:
        self._state = state
        self._limits = limits

    def check_before_turn(self, turn: int) -> None:
        """Stop the run if it has used all that it may.

        Raises:
            RunStopped: With the limit.
            RunFailed: Nobody can tell whether it has.
        """
        used = self._state.run.usage
        if self._limits.max_cost_usd is not None and used.cost_usd is None:
            raise RunFailed(_COST_LOST)
        so_far: dict[IncompleteReason, float] = {
            "max_turns": turn - 1,
            "max_tokens": used.input_tokens + used.output_tokens,
            "max_cost_usd": used.cost_usd or 0,
            "max_duration_s": self._state.worked_for.total_seconds(),
        }
        for reason, amount in so_far.items():
            if (most := getattr(self._limits, reason)) is not None and amount >= most:
                raise RunStopped(reason)

    def check_before_wait(self, delay: timedelta) -> None:
        """Stop the run if it would only wait until its time is over.

        Raises:
            RunStopped: With the limit.
        """
        most_s = self._limits.max_duration_s
        if most_s is not None and (self._state.worked_for + delay).total_seconds() >= most_s:
            raise RunStopped("max_duration_s")

    def allow(self, calls: Sequence[PlannedCall]) -> AllowedCalls:
        """Return a turn's calls; those that are too many are not to run."""
        most = self._limits.max_tool_calls
        if most is None:
            return AllowedCalls(calls)
        left = most - self._state.run.usage.tool_calls
        allowed: list[PlannedCall] = []
        stops_for: IncompleteReason | None = None
        for call in calls:
            if call.fault or left > 0:
                allowed.append(call)
                left -= not call.fault
            else:
                fault = f"The run may carry out {most} tool calls, so this one was not run."
                allowed.append(replace(call, fault=fault, fault_type="limit"))
                stops_for = "max_tool_calls"
        return AllowedCalls(allowed, stops_for)

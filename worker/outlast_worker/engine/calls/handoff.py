"""Calls by which another agent takes the run over: one at most in a turn."""

from collections.abc import Sequence
from typing import NamedTuple

from outlast_worker.engine.calls.kind import CallKind
from outlast_worker.engine.calls.turn import Turn
from outlast_worker.engine.operations import HandOver
from outlast_worker.engine.pinning import Pinning
from outlast_worker.engine.planned_calls import PlannedCall
from outlast_worker.engine.records import (
    HandoffOutcome,
    HandoffRefused,
    Pin,
    PinnedTool,
    ToolRecord,
)

_TAKEN_OVER = "{to} has taken over, and goes on from here."
_TAKEN_BY_ANOTHER = (
    "The conversation is handed over to {other} by another call of this answer, so not to {to}."
)
_NOT_TAKEN = "{to} could not take over: {why} Go on without."


class TakenOver(NamedTuple):
    """By which call who has taken a run over, and by which definition."""

    call: PlannedCall
    to: str
    pin: Pin


class HandoffCalls(CallKind):
    """The first one that succeeds counts, when all other calls of the turn have ended.

    Attributes:
        taken: How the run was taken over; None as long as it was not.
    """

    unfinished = "The run was stopped before another agent had taken over."

    def __init__(self, turn: Turn, pinning: Pinning) -> None:
        super().__init__(turn)
        self._pinning = pinning
        self._asked: dict[str, tuple[PlannedCall, str]] = {}
        self.taken: TakenOver | None = None

    def begin(self, call: PlannedCall, tool: PinnedTool) -> None:
        """Let the turn's other calls end before."""
        if tool.hands_over_to is None:
            raise TypeError("only a handoff is of this kind")
        self._asked[call.call_id] = (call, tool.hands_over_to)

    def taker_by(self, call: PlannedCall) -> str | None:
        """Return who has taken over by this call."""
        taken = self.taken
        return taken.to if taken and taken.call.call_id == call.call_id else None

    async def hand_over(self, calls: Sequence[PlannedCall]) -> None:
        """Have the first agent take over that can, in the order of the calls."""
        for call, to in [self._asked[c.call_id] for c in calls if c.call_id in self._asked]:
            if self.taken:
                text = _TAKEN_BY_ANOTHER.format(other=self.taken.to, to=to)
                self.turn.refuse(call, ToolRecord.failed(text, "handoff", self.turn.state.now))
                continue
            self.turn.tell_start(call)
            began_at = self.turn.state.now
            outcome = await self._pinning.pin(HandOver(call, to))
            if isinstance(outcome, Pin):
                self.taken = TakenOver(call, to, outcome)
            record = _record_of(outcome, to)
            self.turn.complete(call, record.model_copy(update={"started_at": began_at}))


def _record_of(outcome: HandoffOutcome, to: str) -> ToolRecord:
    match outcome:
        case Pin(at=at):
            said = _TAKEN_OVER.format(to=to)
            return ToolRecord(output=said, is_error=False, started_at=at, ended_at=at)
        case HandoffRefused(at=at):
            return ToolRecord.failed(outcome.fault, outcome.error_type, at, told=outcome.told)
        case _:
            text = _NOT_TAKEN.format(to=to, why=outcome.error.message)
            return ToolRecord.failed(text, "handoff", outcome.at)

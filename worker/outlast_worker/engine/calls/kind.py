"""What every kind of tool call has in common."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from outlast.contract import Allowance
from outlast_worker.engine.calls.turn import Turn
from outlast_worker.engine.planned_calls import PlannedCall
from outlast_worker.engine.records import UNFINISHED, PinnedTool


class CallKind(ABC):
    """How calls of one kind are carried out, in one turn.

    A kind begins a call that may run: arguments were read and checked, and whoever had to has
    approved it. From there on it waits by `turn.waits` or asks by `turn.questions`, and ends each
    call exactly once, by `turn.complete` or `turn.refuse`. When the run is cancelled, questions
    are withdrawn, and what else is in flight is broken off: such a call is `unfinished`.
    """

    unfinished: ClassVar[str] = UNFINISHED
    """What the conversation says of a call that a cancellation broke off."""

    def __init__(self, turn: Turn) -> None:
        self.turn = turn

    def prepare(self, calls: Sequence[PlannedCall], allowance: Allowance | None) -> None:  # noqa: B027  # most need not
        """Look at all of the turn's calls of this kind, before the first of them begins.

        Args:
            calls: They.
            allowance: What runs may use that are called; None for anything.
        """

    def conclude(self) -> None:  # noqa: B027  # most need not
        """End the turn, of which no call goes on any more."""

    async def stop(self, *, was_cancelled: bool) -> None:  # noqa: B027  # most have nothing to end
        """End what still goes on when the turn is cut, and wait for that.

        Args:
            was_cancelled: Whether by a cancellation, which has reached what the run has called.
        """

    @abstractmethod
    def begin(self, call: PlannedCall, tool: PinnedTool) -> None:
        """Begin to carry out a call."""

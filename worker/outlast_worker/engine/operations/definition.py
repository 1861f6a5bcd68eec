"""Steps that fix an agent's definition."""

from dataclasses import dataclass
from typing import Any, ClassVar

from outlast.protocol import Time
from outlast_worker.engine.names import PIN, handoff_step
from outlast_worker.engine.operations.operation import CallOperation, NameStep, Operation
from outlast_worker.engine.records import HandoffOutcome, Pin, PinFailure, PinOutcome


@dataclass(frozen=True)
class PinAgent(Operation[PinOutcome]):
    """Fix the agent's definition for this run.

    `speaker` is the agent that the thread remembers; null for the one that was asked. `kept` is the
    definition that another run has kept, if this one takes that over.
    """

    speaker: str | None = None
    kept: Pin | None = None
    record: ClassVar[Any] = PinOutcome

    @property
    def step(self) -> str:
        """The step's name."""
        return PIN

    def cancelled(self, at: Time) -> PinOutcome:
        """Return a pin that was never made."""
        return PinFailure.cancelled(at)

    def crashed(self, error: Exception, at: Time) -> PinOutcome:
        """Return what fails the run."""
        return PinFailure.crashed(error, at)


@dataclass(frozen=True)
class HandOver(CallOperation[HandoffOutcome]):
    """Fix the definition of the agent that takes the run over by a call."""

    to: str
    record: ClassVar[Any] = HandoffOutcome
    name_step: ClassVar[NameStep] = handoff_step

    def cancelled(self, at: Time) -> HandoffOutcome:
        """Return a pin that was never made."""
        return PinFailure.cancelled(at)

    def crashed(self, error: Exception, at: Time) -> HandoffOutcome:
        """Return what leaves the run with the agent that has it."""
        return PinFailure.crashed(error, at)

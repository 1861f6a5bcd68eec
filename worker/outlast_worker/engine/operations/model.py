"""Steps that ask a model, and that read its answer."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from outlast.compaction import Compaction
from outlast.contract import ConversationMark
from outlast.protocol import ModelSettings, Time
from outlast_worker.engine.names import compact_step, model_step, output_step
from outlast_worker.engine.operations.operation import Operation
from outlast_worker.engine.records import (
    CutOutcome,
    ModelFault,
    ModelOutcome,
    OutputCheck,
    Pin,
    PinnedOutput,
    StandIn,
    StoredMessage,
)


@dataclass(frozen=True)
class ModelCall:
    """One attempt at one turn's model call.

    Attributes:
        messages: The conversation; but for its beginning, if that is `unread`.
        unread: What comes before, which the process that asks may remember.
        stand_in: What the model reads in place of the first of all these.
        malformed: How many malformed answers came before.
        cache_key: The same for all calls of a conversation; says nothing of it.
        sums_up: Whether a summary is asked for, and not the run's next answer.
    """

    turn: int
    attempt: int
    model: str
    settings: ModelSettings
    pin: Pin
    messages: Sequence[StoredMessage]
    stream: bool
    unread: ConversationMark | None = None
    stand_in: StandIn | None = None
    malformed: int = 0
    cache_key: str = ""
    sums_up: bool = False


@dataclass(frozen=True)
class AskModel(Operation[ModelOutcome]):
    """Call the model once."""

    call: ModelCall
    record: ClassVar[Any] = ModelOutcome

    @property
    def step(self) -> str:
        """The step's name: attempts of a turn share it."""
        return model_step(self.call.turn)

    def cancelled(self, at: Time) -> ModelOutcome:
        """Return a call without an answer."""
        return ModelFault.cancelled(at)

    def crashed(self, error: Exception, at: Time) -> ModelOutcome:
        """Return what fails the run."""
        return ModelFault.crashed(error, at)


@dataclass(frozen=True)
class Compact(Operation[CutOutcome]):
    """Find out what of a prompt can be left out, and have a model sum that up.

    Attributes:
        call: Whose prompt, and which model sums up.
        how: Whether one does.
        is_urgent: Whether anything that is left out helps: it is too long as it is.
        halvings: How often what the model reads was halved, since it did not take it.
    """

    call: ModelCall
    how: Compaction
    is_urgent: bool
    halvings: int = 0
    record: ClassVar[Any] = CutOutcome

    def with_said(self, said: Sequence[StoredMessage]) -> "Compact":
        """Return the same of a conversation that was read."""
        return replace(self, call=replace(self.call, messages=said, unread=None))

    @property
    def step(self) -> str:
        """The step's name: attempts of a turn share it."""
        return compact_step(self.call.turn)

    def cancelled(self, at: Time) -> CutOutcome:
        """Return a call without an answer."""
        return ModelFault.cancelled(at)

    def crashed(self, error: Exception, at: Time) -> CutOutcome:
        """Return what leaves the prompt as it is."""
        return ModelFault.crashed(error, at)


@dataclass(frozen=True)
class CheckOutput(Operation[OutputCheck]):
    """Read a turn's answer as what it has to be."""

    turn: int
    text: str
    pinned: PinnedOutput
    record: ClassVar[Any] = OutputCheck

    @property
    def step(self) -> str:
        """The step's name."""
        return output_step(self.turn)

    def cancelled(self, at: Time) -> OutputCheck:
        """Return an answer that nobody has read."""
        return OutputCheck(at=at, faults=["The run was cancelled before the answer was read."])

    def crashed(self, error: Exception, at: Time) -> OutputCheck:
        """Return what the model can do nothing about; the run ends when it has tried again."""
        text = f"The worker could not read it: {type(error).__name__}."
        return OutputCheck(at=at, faults=[text])

"""What the loop may do to the world: the `Steps` protocol, and what goes in and comes out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, Protocol, TypeVar

from outlast.contract import SteeringMessage
from outlast.events import AnyEvent
from outlast.protocol import Resolution, Run, Time
from outlast_worker.engine.records import (
    ApprovalCheck,
    ModelOutcome,
    Pin,
    PinOutcome,
    StoredMessage,
    ToolRecord,
)

T = TypeVar("T")


class Cancelled(Exception):
    """The run was cancelled from outside."""


class StepFailed(Exception):
    """A part of the engine refused a step for good.

    Attributes:
        status: As in HTTP; 413 means that something has become too large.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class ModelCall:
    """One attempt at one turn's model call; `malformed` answers came before it."""

    turn: int
    attempt: int
    pin: Pin
    messages: Sequence[StoredMessage]
    stream: bool
    malformed: int = 0


@dataclass(frozen=True)
class PlannedCall:
    """One tool call of a turn, with the arguments as the model wrote them."""

    turn: int
    call_id: str
    name: str
    arguments: str
    known: bool


class Pending(Generic[T]):
    """Something that was begun and is not waited for yet. Compared by identity."""


class Steps(Protocol):
    """An await may raise `Cancelled` or `StepFailed`; what is begun goes on until waited for."""

    async def take_turn(self) -> list[StoredMessage]:
        """Wait for the turn on the thread, and return the conversation so far."""
        ...

    def pin(self) -> Pending[PinOutcome]:
        """Fix the agent's definition for this run."""
        ...

    def call_model(self, call: ModelCall) -> Pending[ModelOutcome]:
        """Call the model once."""
        ...

    def check_approval(self, call: PlannedCall) -> Pending[ApprovalCheck]:
        """Find out whether a person must approve a call."""
        ...

    def call_tool(self, call: PlannedCall) -> Pending[ToolRecord]:
        """Run a tool call."""
        ...

    def decision(self, call_id: str) -> Pending[Resolution]:
        """Begin to wait for a person's decision on a call."""
        ...

    def message(self, index: int) -> Pending[SteeringMessage | None]:
        """Begin to wait for the steering message of this number; None closes the inbox."""
        ...

    def timer(self, delay: timedelta) -> Pending[None]:
        """Begin a durable wait."""
        ...

    async def first(self, pending: Sequence[Pending[Any]]) -> list[Pending[Any]]:
        """Wait until some of these are done, and return those."""
        ...

    async def value(self, pending: Pending[T]) -> T:
        """Return what came of something that is done."""
        ...

    async def settle(self, resolution: Resolution) -> Resolution:
        """End the wait for a decision; return the decision that was first."""
        ...

    async def close_inbox(self, index: int) -> SteeringMessage | None:
        """Take no message of this number; return the one that came first, if there is one."""
        ...

    async def next_message(self, index: int) -> SteeringMessage | None:
        """Return the steering message of this number if it is there already."""
        ...

    async def partial_answer(self, turn: int) -> str:
        """Return the text that a model call which was broken off had streamed."""
        ...

    def emit(self, event: AnyEvent) -> None:
        """Commit an event."""
        ...

    def save(self, run: Run) -> None:
        """Keep the run as it is now, for whoever asks."""
        ...

    def leave_thread(self, items: Sequence[StoredMessage], at: Time) -> None:
        """Give the turn back, with what the run adds to the conversation."""
        ...

    async def cancelled_at(self) -> Time | None:
        """Return when somebody asked for the cancellation, if it is known."""
        ...

"""What all operations have in common."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from outlast.protocol import Time
from outlast_worker.engine.planned_calls import PlannedCall

T = TypeVar("T")


class Operation(ABC, Generic[T]):
    """One step. Its name follows from constants and journaled data: a replay compares it."""

    record: ClassVar[Any]
    """The type of what is journaled, `T`."""

    @property
    @abstractmethod
    def step(self) -> str:
        """The step's name."""

    @abstractmethod
    def cancelled(self, at: Time) -> T:
        """Return what the step ends with when a cancellation breaks it off."""

    @abstractmethod
    def crashed(self, error: Exception, at: Time) -> T:
        """Return what the step ends with by a fault of ours."""


NameStep = Callable[[str], str]


@dataclass(frozen=True)
class CallOperation(Operation[T]):
    """A step of one tool call, named after its tool."""

    call: PlannedCall
    name_step: ClassVar[NameStep]

    @property
    def step(self) -> str:
        """The step's name."""
        return type(self).name_step(self.call.name)

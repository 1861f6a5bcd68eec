"""What all operations have in common."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Generic, TypeVar

from outlast.protocol import Time

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

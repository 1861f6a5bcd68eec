"""What a turn waits for, side by side, and how each goes on."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from outlast_worker.engine.inbox import Inbox
from outlast_worker.engine.steps import Pending, Steps

T = TypeVar("T")


class Waits:
    """A set of pending things, each with what comes after it."""

    def __init__(self, steps: Steps, inbox: Inbox) -> None:
        self._steps = steps
        self._inbox = inbox
        self._continuations: dict[Pending[Any], Callable[[Any], Awaitable[None]]] = {}

    def __len__(self) -> int:
        return len(self._continuations)

    def add(self, pending: Pending[T], continue_with: Callable[[T], Awaitable[None]]) -> None:
        """Wait for this one, too."""
        self._continuations[pending] = continue_with

    def drop(self, pending: Pending[Any]) -> None:
        """Wait for this one no longer."""
        self._continuations.pop(pending, None)

    async def go_on(self) -> None:
        """Wait until some are done, and continue with those."""
        for done in await self._inbox.wait(*self._continuations):
            # Of those that are done in the same moment, one may have dropped another.
            if continue_with := self._continuations.pop(done, None):
                await continue_with(await self._steps.result_of(done))

"""What a turn waits for, side by side, and how each goes on."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from outlast_worker.engine.inbox import Inbox
from outlast_worker.engine.open_waits import OpenWait
from outlast_worker.engine.run_state import RunState
from outlast_worker.engine.steps import Pending, Steps

T = TypeVar("T")
_Continuation = Callable[[Any], Awaitable[None]]


@dataclass(frozen=True)
class _Wait:
    go_on: _Continuation
    open_wait: OpenWait | None


class Waits:
    """A set of pending things, each with what comes after it.

    A run whose every wait is an open one, for somebody outside, stands still, and says so.
    """

    def __init__(self, steps: Steps, state: RunState, inbox: Inbox) -> None:
        self._steps = steps
        self._state = state
        self._inbox = inbox
        self._waits: dict[Pending[Any], _Wait] = {}

    @property
    def open_waits(self) -> Sequence[OpenWait]:
        """What is waited for from outside, each once, in the order in which it was asked for."""
        found = (wait.open_wait for wait in self._waits.values() if wait.open_wait)
        return list(dict.fromkeys(found))

    def add(
        self,
        pending: Pending[T],
        continue_with: Callable[[T], Awaitable[None]],
        open_wait: OpenWait | None = None,
    ) -> None:
        """Wait for this one, too; with `open_wait` nothing of the run is in flight for it."""
        self._waits[pending] = _Wait(continue_with, open_wait)

    def mark(self, pending: Pending[Any], open_wait: OpenWait | None) -> None:
        """Note that what is in flight waits for somebody outside now, or no longer."""
        if wait := self._waits.get(pending):
            self._waits[pending] = _Wait(wait.go_on, open_wait)

    def drop(self, pending: Pending[Any]) -> None:
        """Wait for this one no longer."""
        self._waits.pop(pending, None)

    async def finish(self) -> None:
        """Wait until nothing is left; say meanwhile whether the run stands still."""
        while self._waits:
            if all(wait.open_wait for wait in self._waits.values()):
                self._state.stand_still(self.open_waits)
            else:
                self._state.go_on()
            for done in await self._inbox.wait(*self._waits):
                # Of those that are done in the same moment, one may have dropped another.
                if wait := self._waits.pop(done, None):
                    await wait.go_on(await self._steps.result_of(done))
        self._state.go_on()

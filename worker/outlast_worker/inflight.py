"""Steps in flight in this process, by run, so that a cancellation can break them off."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

# The cancellation itself reaches a run within 50 ms, unless Restate has closed the run's input
# because a step took long. Only then does a step's value have to wake the run up.
_GRACE_S = 0.5


class Inflight:
    """A table of running steps."""

    def __init__(self) -> None:
        self._steps: defaultdict[str, set[asyncio.Task[object]]] = defaultdict(set)
        self._aborted: set[asyncio.Task[object]] = set()

    async def run(
        self, run_id: str, action: Callable[[], Awaitable[T]], aborted: Callable[[], T]
    ) -> T:
        """Run a step; return what `aborted` makes if it is broken off meanwhile."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a step runs in a task")
        self._steps[run_id].add(task)
        try:
            return await action()
        except asyncio.CancelledError:
            if task not in self._aborted:
                raise
            # From here on nothing can cancel it: the run waits for its value.
            self._forget(run_id, task)
            task.uncancel()
            await asyncio.sleep(_GRACE_S)
            return aborted()
        finally:
            self._forget(run_id, task)

    def abort(self, run_id: str) -> None:
        """Break a run's steps off; each ends with its `aborted` value."""
        for task in self._steps.get(run_id, ()):
            self._aborted.add(task)
            task.cancel()

    def drop(self, run_id: str) -> None:
        """Break a run's steps off, where nobody waits for their values any more."""
        for task in list(self._steps.get(run_id, ())):
            self._aborted.discard(task)
            task.cancel()

    def _forget(self, run_id: str, task: asyncio.Task[object]) -> None:
        self._aborted.discard(task)
        if steps := self._steps.get(run_id):
            steps.discard(task)
            if not steps:
                del self._steps[run_id]

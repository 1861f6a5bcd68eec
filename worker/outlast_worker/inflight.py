"""Steps in flight in this process, by run: whatever happens to one, it ends with a value.

Restate would repeat a step that raises, with all its siblings in flight.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from outlast.logging import get_logger
from outlast_worker.engine.operations import Operation
from outlast_worker.tools.effects import Effects

T = TypeVar("T")

# The cancellation itself reaches a run within 50 ms, unless Restate has closed the run's input
# because a step took long. Only then does a step's value have to wake the run up.
_GRACE_S = 0.5
_logger = get_logger()


class Inflight:
    """A table of running steps.

    Args:
        effects: What runs beside the steps; broken off with them.
    """

    def __init__(self, effects: Effects) -> None:
        self._effects = effects
        self._steps: defaultdict[str, set[asyncio.Task[object]]] = defaultdict(set)
        self._below: defaultdict[str, Counter[str]] = defaultdict(Counter)
        """Of runs, how many steps each run below them has here."""
        self._aborted: set[asyncio.Task[object]] = set()

    async def run(
        self,
        run_id: str,
        operation: Operation[T],
        execute: Callable[[], Awaitable[T]],
        above: Sequence[str] = (),
    ) -> T:
        """Execute a step of a run below those; return what the operation ends with if it is cut."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a step runs in a task")
        _logger.debug("step_executed", step=operation.step)
        self._steps[run_id].add(task)
        for each in above:
            self._below[each][run_id] += 1
        try:
            return await execute()
        except asyncio.CancelledError:
            if task not in self._aborted:
                raise
            # From here on nothing can cancel it: the run waits for its value.
            self._forget(run_id, task)
            task.uncancel()
            await asyncio.sleep(_GRACE_S)
            return operation.cancelled(datetime.now(UTC))
        except Exception as error:  # a fault of ours: raised, it would be repeated for ever
            _logger.exception("step_failed", step=operation.step)
            return operation.crashed(error, datetime.now(UTC))
        finally:
            self._forget(run_id, task)
            for each in above:
                self._forget_below(each, run_id)

    def abort(self, run_id: str) -> None:
        """Break off the steps of a run, and of all runs below it; each ends as cancelled."""
        for each in (run_id, *self._below.get(run_id, ())):
            self._effects.abort(each)
            for task in self._steps.get(each, ()):
                self._aborted.add(task)
                task.cancel()

    def drop(self, run_id: str) -> None:
        """Break a run's steps off, where nobody waits for their values any more."""
        self._effects.abort(run_id)
        for task in list(self._steps.get(run_id, ())):
            self._aborted.discard(task)
            task.cancel()

    def _forget(self, run_id: str, task: asyncio.Task[object]) -> None:
        self._aborted.discard(task)
        if steps := self._steps.get(run_id):
            steps.discard(task)
            if not steps:
                del self._steps[run_id]

    def _forget_below(self, above: str, run_id: str) -> None:
        below = self._below[above]
        below[run_id] -= 1
        if not below[run_id]:
            del below[run_id]
        if not below:
            del self._below[above]

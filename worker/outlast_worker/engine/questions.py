"""What a turn asks of somebody outside: answered in time, expired or withdrawn, each once."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Generic, Literal, TypeVar

from outlast.protocol import Time
from outlast_worker.engine.exceptions import Cancelled
from outlast_worker.engine.open_waits import OpenWait
from outlast_worker.engine.run_state import RunState
from outlast_worker.engine.steps import Pending, Steps
from outlast_worker.engine.waits import Waits

A = TypeVar("A")
# An answer that was given in time may come late: the worker was away. Restate hands over what it
# has kept within 5 s (the longest interval of its retries), and only then the wait is over.
_GRACE = timedelta(seconds=6)


@dataclass(frozen=True)
class Question(Generic[A]):
    """One question, and what is done about it.

    Attributes:
        wait: How the run's wait for it is shown.
        answer: The durable promise of its answer.
        timeout: For how long it is open; for ever if None.
        without_answer: Returns what counts when nobody answers.
        close: Ends the wait, and returns the answer that was first: this one, or somebody's.
        keep: Writes down what counts.
        answered: Goes on with an answer, or with what counts when it has expired.
        withdrawn: Goes on with what counts when the run was cancelled.
    """

    wait: OpenWait
    answer: Pending[A]
    timeout: timedelta | None
    without_answer: Callable[[Literal["expired", "withdrawn"], Time], A]
    close: Callable[[A], Awaitable[A]]
    keep: Callable[[A], None]
    answered: Callable[[A], None]
    withdrawn: Callable[[A], None]


class Questions:
    """The questions of a turn that are open."""

    def __init__(self, steps: Steps, state: RunState, waits: Waits) -> None:
        self._steps = steps
        self._state = state
        self._waits = waits
        self._open: dict[str, Question[Any]] = {}
        self._timers: dict[str, Pending[None]] = {}

    def ask(self, question: Question[Any]) -> None:
        """Wait for an answer; without one in time, go on without."""
        self._open[question.wait.id] = question
        self._waits.add(question.answer, partial(self._answer, question), question.wait)
        if question.timeout:
            self._start_timer(question, question.timeout, self._await_late_answer)

    async def withdraw(self) -> None:
        """End what is open, so that nobody answers it any more."""
        while question := next(iter(self._open.values()), None):
            given_up = question.without_answer("withdrawn", self._state.now)
            try:
                counts = await question.close(given_up)
            except Cancelled:
                continue  # each fires once
            self._keep(question, counts)
            question.withdrawn(counts)

    async def _answer(self, question: Question[A], answer: A) -> None:
        self._keep(question, answer)
        question.answered(answer)

    def _start_timer(
        self,
        question: Question[Any],
        delay: timedelta,
        go_on: Callable[[Question[Any]], Awaitable[None]],
    ) -> None:
        timer = self._steps.start_timer(delay)
        self._timers[question.wait.id] = timer

        async def continue_with(_: None) -> None:
            await go_on(question)

        self._waits.add(timer, continue_with, question.wait)

    async def _await_late_answer(self, question: Question[Any]) -> None:
        """Wait a little longer for an answer that was given before the time was over."""
        self._start_timer(question, _GRACE, self._expire)

    async def _expire(self, question: Question[Any]) -> None:
        at = question.wait.until or self._state.now
        expired = question.without_answer("expired", at)
        await self._answer(question, await question.close(expired))

    def _keep(self, question: Question[A], counts: A) -> None:
        """Write down what counts, and wait for it no longer."""
        del self._open[question.wait.id]
        self._waits.drop(question.answer)
        if timer := self._timers.pop(question.wait.id, None):
            self._waits.drop(timer)
        if not self._waits.open_waits:
            self._state.go_on()
        question.keep(counts)

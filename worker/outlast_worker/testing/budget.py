"""What runs below limited ones may use, in memory: as `services/budget.py` keeps it."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from outlast_worker.engine.budget_book import (
    Book,
    BudgetAnswer,
    BudgetNews,
    Reservation,
    Settlement,
)
from outlast_worker.engine.steps import Pending


class MemoryBudget:
    """The book of one tree of runs, and those who wait for a word of it."""

    def __init__(self) -> None:
        self._book = Book()
        self._words: dict[tuple[str, int, int], asyncio.Future[BudgetAnswer]] = {}

    async def reserve(self, asked: Reservation) -> BudgetAnswer:
        """Reserve what a call may use at most, when there is room."""
        answer = self._book.reserve(asked)
        if answer.outcome != "waits":
            return answer
        word = asyncio.get_running_loop().create_future()
        self._words[asked.run_id, asked.turn, asked.attempt] = word
        return await word

    def settle(self, settled: Settlement) -> None:
        """Note what a call did use."""
        self._tell(self._book.settle(settled))

    def close_run(self, run_id: str) -> None:
        """Count as used what a run has reserved that says no more."""
        self._tell(self._book.close_run(run_id))

    def close_account(self, account: str) -> None:
        """Forget what a run allowed in a turn."""
        self._book.close_account(account)

    def _tell(self, news: Sequence[BudgetNews]) -> None:
        for each in news:
            word = self._words.pop((each.run_id, each.turn, each.attempt))
            if not word.done():
                word.set_result(each.answer)


class MemoryBudgetSteps:
    """The `BudgetSteps` of one run.

    Args:
        budget: Of the tree of runs that it is in.
        begin: Begins a step of the run's, by its name.
    """

    def __init__(
        self,
        budget: MemoryBudget,
        begin: Callable[[Coroutine[Any, Any, BudgetAnswer], str], Pending[BudgetAnswer]],
    ) -> None:
        self._budget = budget
        self._begin = begin

    def reserve(self, reservation: Reservation) -> Pending[BudgetAnswer]:
        """Ask for a model call; wait at once, if it has to."""
        return self._begin(self._budget.reserve(reservation), "reserve")

    def expect_grant(self, turn: int, attempt: int) -> Pending[BudgetAnswer]:
        """Hear no word: what `reserve` answers is final."""
        raise AssertionError(f"the call {turn}.{attempt} has waited already")

    def settle(self, settlement: Settlement) -> None:
        """Say what a model call did use."""
        self._budget.settle(settlement)

    def close_run(self, run_id: str) -> None:
        """Say that a called run says no more."""
        self._budget.close_run(run_id)

    def close_account(self, account: str) -> None:
        """Say that the called runs have ended."""
        self._budget.close_account(account)

"""What runs below limited ones may use, in memory: as `services/budget.py` keeps it."""

import asyncio
from collections.abc import Sequence

from outlast_worker.engine.budget_book import (
    Book,
    BudgetAnswer,
    BudgetNews,
    Reservation,
    Settlement,
)


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

"""What a run asks of the book of its tree, and tells it: `services/budget.py` keeps that."""

from restate import WorkflowContext

from outlast.contract import RunOrder
from outlast_worker.engine.budget_book import BudgetAnswer, Reservation, Settlement
from outlast_worker.engine.steps import Pending
from outlast_worker.services import calls, promises
from outlast_worker.services.run_futures import Asked, Begun


class RestateBudget:
    """The `BudgetSteps` of one attempt at one run."""

    def __init__(self, ctx: WorkflowContext, order: RunOrder, prefix: str) -> None:
        self._ctx = ctx
        self._book = calls.budget_target(prefix, order)

    def reserve(self, reservation: Reservation) -> Pending[BudgetAnswer]:
        """Ask the book for a model call."""
        call = calls.RESERVE
        return Asked(call.begin(self._ctx, self._book, reservation), call.read)

    def expect_grant(self, turn: int, attempt: int) -> Pending[BudgetAnswer]:
        """Begin to wait for the book's word on a call."""
        return Begun(promises.grant(turn, attempt).value(self._ctx))

    def settle(self, settlement: Settlement) -> None:
        """Tell the book, one-way, what a call did use."""
        calls.SETTLE.send(self._ctx, self._book, settlement)

    def close_run(self, run_id: str) -> None:
        """Tell the book, one-way, that a called run says no more."""
        calls.CLOSE_RUN.send(self._ctx, self._book, run_id)

    def close_account(self, account: str) -> None:
        """Tell the book, one-way, that the called runs have ended."""
        calls.CLOSE_ACCOUNT.send(self._ctx, self._book, account)

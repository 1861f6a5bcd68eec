"""The book of a tree of runs: what those below a limited run may use, and what they have reserved.

One object for each tree that has such a run, keyed by the run at its top. Its handlers are short;
whoever has to wait is told, in its own workflow.
"""

from collections.abc import Sequence
from datetime import timedelta

from restate import ObjectContext, VirtualObject

from outlast.contract import StatusQuestion
from outlast.names import RunRef, budget_service
from outlast_worker.engine.budget_book import (
    Book,
    BudgetAnswer,
    BudgetNews,
    Reservation,
    Settlement,
)
from outlast_worker.services import calls, state
from outlast_worker.services.policies import NO_JOURNAL, WRITE_POLICY
from outlast_worker.services.serde import json_handler

# A tree whose top was killed closes nothing: so long after it began, and again, it is looked for.
_CHECKED_AFTER = timedelta(days=1)


def build_budget(prefix: str) -> VirtualObject:
    """Make the service."""
    budget = VirtualObject(
        budget_service(prefix),
        description="What runs below limited ones may use.",
        journal_retention=NO_JOURNAL,
        idempotency_retention=NO_JOURNAL,
        ingress_private=True,
        invocation_retry_policy=WRITE_POLICY,
    )

    _add_calls(budget, prefix)
    _add_endings(budget, prefix)
    return budget


def _add_calls(budget: VirtualObject, prefix: str) -> None:
    """Add what runs say before and after their model calls."""

    @json_handler(budget.handler, calls.RESERVE.name)
    async def reserve(ctx: ObjectContext, asked: Reservation) -> BudgetAnswer:
        """Say whether a model call may be made now."""
        is_due = await state.CHECK_IS_DUE.get(ctx)
        book = await state.BOOK.get(ctx) or Book()
        answer = book.reserve(asked)
        state.BOOK.set(ctx, book)
        if not is_due:
            _check_later(ctx, prefix)
        return answer

    @json_handler(budget.handler, calls.SETTLE.name)
    async def settle(ctx: ObjectContext, settled: Settlement) -> None:
        """Note what a model call did use."""
        if book := await state.BOOK.get(ctx):
            _keep(ctx, prefix, book, book.settle(settled))


def _add_endings(budget: VirtualObject, prefix: str) -> None:
    """Add what is said for runs, and of turns, that have ended."""

    @json_handler(budget.handler, calls.CLOSE_RUN.name)
    async def close_run(ctx: ObjectContext, run_id: str) -> None:
        """Count as used what a run that can't say it has reserved."""
        if book := await state.BOOK.get(ctx):
            _keep(ctx, prefix, book, book.close_run(run_id))

    @json_handler(budget.handler, calls.CLOSE_ACCOUNT.name)
    async def close_account(ctx: ObjectContext, account: str) -> None:
        """Forget what a run allowed in a turn; with the last one, the book."""
        if book := await state.BOOK.get(ctx):
            book.close_account(account)
            if book.is_over:
                state.BOOK.clear(ctx)
            else:
                _keep(ctx, prefix, book, ())

    @json_handler(budget.handler, calls.CHECK_TREE.name)
    async def check_tree(ctx: ObjectContext) -> None:
        """Forget the book if the tree's top has ended, or is gone."""
        top = RunRef.from_key(ctx.key())
        run = None
        if top and await state.BOOK.get(ctx):
            run = await calls.STATUS.call(ctx, calls.run_target(prefix, top), StatusQuestion())
        if run is None or run.ended:
            state.BOOK.clear(ctx)
            state.CHECK_IS_DUE.clear(ctx)
        else:
            _check_later(ctx, prefix)


def _check_later(ctx: ObjectContext, prefix: str) -> None:
    state.CHECK_IS_DUE.set(ctx, True)  # noqa: FBT003  # its name says what it means
    target = calls.Target(budget_service(prefix), ctx.key())
    calls.CHECK_TREE.send(ctx, target, None, delay=_CHECKED_AFTER)


def _keep(ctx: ObjectContext, prefix: str, book: Book, news: Sequence[BudgetNews]) -> None:
    """Keep the book, and tell the runs that have waited."""
    state.BOOK.set(ctx, book)
    tenant = ctx.key().partition("/")[0]
    for each in news:
        run = RunRef(tenant, each.run_id)
        calls.GRANT.send(ctx, calls.run_target(prefix, run), each)

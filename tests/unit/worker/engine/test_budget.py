"""A tree's budget, in the loop: who asks for model calls, what is allowed below, who closes it."""

from dataclasses import replace
from typing import Any

import pytest

from fakes.orders import RUN_ID, order
from fakes.records import answer, called_agent, model_fault, pin, result
from fakes.steps import FakeSteps
from outlast.contract import Allowance
from outlast.names import child_run_id
from outlast.protocol import Run, Usage
from outlast_worker.engine.budget_book import BudgetAnswer
from outlast_worker.engine.exceptions import Cancelled
from outlast_worker.engine.records import CallPrice
from outlast_worker.engine.steps import ChildEnd
from unit.worker.engine.playing import play

CHILD = child_run_id("researcher", RUN_ID, "1.0")
ABOVE = Allowance(account="lead.x:1", tokens=1000)
USED = Usage(input_tokens=30, output_tokens=10, model_calls=1, cost_usd=0.1)


def ended(status: Any = "completed", **fields: Any) -> ChildEnd:
    shown = {"run_id": CHILD, "agent": "researcher", "output": ".", "usage": USED, **fields}
    return ChildEnd(Run(status=status, **shown))


def caller(end: ChildEnd, *, calls: int = 1, **limits: Any) -> FakeSteps:
    pinned = pin("note", **limits).model_copy(update={"tools": [called_agent("researcher")]})
    asked = answer("", *[("researcher", "{}")] * calls, usage=USED)
    children = {f"1.{index}": end for index in range(calls)}
    return FakeSteps(model=[asked, answer("Done.")], pinned=pinned, children=children)


def said_to_the_book(steps: FakeSteps) -> list[str]:
    kinds = ("reserve ", "settle_budget ", "grant ", "close_run ", "close_account ")
    return [name for name in steps.log if name.startswith(kinds)]


async def test_nobody_asks_without_a_limit_above() -> None:
    """A limited run without children, and children without a limit, ask nothing."""
    alone = FakeSteps(model=[answer("Done.")], pinned=pin(max_tokens=100, max_cost_usd=1))
    await play(alone)
    unlimited = caller(ended())
    await play(unlimited)
    assert said_to_the_book(alone) == said_to_the_book(unlimited) == []
    assert unlimited.child_orders[0].allowances is None


async def test_what_children_may_use() -> None:
    """All children of a turn have together what their caller has left; then that is closed."""
    steps = caller(ended(), calls=2, max_tokens=1000, max_cost_usd=2)
    await play(steps)
    left = Allowance(account=f"{RUN_ID}:1", tokens=960, cost_usd=1.9)
    assert [child.allowances for child in steps.child_orders] == [[left], [left]]
    assert said_to_the_book(steps) == [f"close_account {RUN_ID}:1"]


async def test_limits_above_hold_below() -> None:
    """A run in the middle hands down what those above it allow, and what it allows itself."""
    steps = caller(ended(), max_tokens=500)
    await play(steps, order(above=["lead.x"], allowances=[ABOVE]))
    own = Allowance(account=f"{RUN_ID}:1", tokens=460)
    assert steps.child_orders[0].allowances == [ABOVE, own]
    unlimited = caller(ended())
    await play(unlimited, order(above=["lead.x"], allowances=[ABOVE]))
    assert unlimited.child_orders[0].allowances == [ABOVE]
    assert said_to_the_book(unlimited) == [
        "reserve 1.1",
        "settle_budget 1.1",
        "reserve 2.1",
        "settle_budget 2.1",
    ]


async def test_calls_are_reserved_and_settled() -> None:
    """Each attempt of each turn by its own name; one that gave no answer has used nothing."""
    models = [model_fault(1), answer("", ("note", "{}"), usage=USED), answer("Done.", usage=USED)]
    steps = FakeSteps(model=models, tools={"1.0": result("noted")}, pinned=pin("note"))
    await play(steps, order(above=["lead.x"], allowances=[ABOVE]))
    assert said_to_the_book(steps) == [
        "reserve 1.1",
        "settle_budget 1.1",
        "reserve 1.2",
        "settle_budget 1.2",
        "reserve 2.1",
        "settle_budget 2.1",
    ]
    first, *_, last = steps.budget.reservations
    assert (first.run_id, first.above, first.allowances) == (RUN_ID, ["lead.x"], [ABOVE])
    assert last.tokens > first.tokens > 16 * 1024
    used = [(settled.tokens, settled.cost_usd) for settled in steps.budget.settlements]
    assert used == [(0, 0), (40, 0.1), (40, 0.1)]


async def test_what_a_call_may_use() -> None:
    """Its prompt's bytes and the output that its agent allows, at the model's dearest price."""
    pinned = pin()
    settings = pinned.model_settings.model_copy(update={"max_output_tokens": 100})
    price = CallPrice(input=1_000_000, output=10_000_000)
    update = {"model_settings": settings, "prices": {"openai/x": price}}
    steps = FakeSteps(model=[answer("Done.")], pinned=pinned.model_copy(update=update))
    await play(steps, order(above=["lead.x"], allowances=[ABOVE]))
    [asked] = steps.budget.reservations
    prompt = asked.tokens - 100
    assert prompt > len("Be brief.")
    assert asked.cost_usd == pytest.approx(prompt + 1000)


async def test_what_is_reserved_stays_the_same() -> None:
    """It is journaled: a field that messages or tools get must not count where it is null.

    Give such a field `exclude_if=lambda value: value is None`, or raise `JOURNAL_VERSION`.
    """
    models = [answer("", ("note", "{}")), answer("Done.")]
    steps = FakeSteps(model=models, tools={"1.0": result("noted")}, pinned=pin("note"))
    await play(steps, order(above=["lead.x"], allowances=[ABOVE]))
    assert [asked.tokens - 16 * 1024 for asked in steps.budget.reservations] == [646, 1367]


async def test_waiting_for_others() -> None:
    """A run that has to wait shows it, and asks the model when there is word."""
    budget = {"1.1": BudgetAnswer(outcome="waits")}
    steps = FakeSteps(model=[answer("Done.")], grants=budget)
    run = await play(steps, order(above=["lead.x"], allowances=[ABOVE]))
    assert said_to_the_book(steps) == ["reserve 1.1", "grant 1.1", "settle_budget 1.1"]
    [waited] = [saved.waiting for saved in steps.keep.runs if saved.waiting]
    assert "reserved what is left" in waited.text
    assert (run.status, run.waiting) == ("completed", None)


@pytest.mark.parametrize("waits", [True, False])
async def test_nothing_left(waits: bool) -> None:
    """The run stops where it is, as at a limit of its own."""
    refused = BudgetAnswer(outcome="refused", reason="max_cost_usd")
    budget = {"1.1": BudgetAnswer(outcome="waits"), "1.1 granted": refused}
    steps = FakeSteps(model=[answer("x")], grants=budget if waits else {"1.1": refused})
    run = await play(steps, order(above=["lead.x"], allowances=[ABOVE]))
    assert (run.status, run.incomplete_reason) == ("incomplete", "max_cost_usd")
    assert steps.calls == []


@pytest.mark.parametrize(
    "end",
    [ended("cancelled"), ended("failed"), ChildEnd(None), ended("running", ended_at=None)],
)
async def test_children_that_say_no_more(end: ChildEnd) -> None:
    """What one had reserved that was cut counts as used, before the turn's account is closed."""
    cut = ChildEnd(end.run, was_killed=end.run is None or end.run.status == "running")
    steps = caller(cut, max_tokens=1000)
    await play(steps)
    assert said_to_the_book(steps) == [
        f"close_run {CHILD}",
        f"close_account {RUN_ID}:1",
    ]


async def test_a_cancelled_run() -> None:
    """It closes what its children had, those too that nobody ends."""
    steps = caller(ended("cancelled"), max_tokens=1000)
    steps = replace(steps, raising={"child 1.0": Cancelled()}, log=[])
    run = await play(steps)
    assert run.status == "cancelled"
    assert said_to_the_book(steps) == [
        f"close_run {CHILD}",
        f"close_account {RUN_ID}:1",
    ]

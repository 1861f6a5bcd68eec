"""The book of what runs below limited ones may use: how far it is overdrawn, whatever happens."""

from collections.abc import Sequence
from random import Random
from typing import Any

import pytest

from outlast.contract import Allowance
from outlast_worker.engine.budget_book import (
    GRANTED,
    Book,
    BudgetAnswer,
    BudgetNews,
    Reservation,
    Settlement,
)

WAITS = BudgetAnswer(outcome="waits")


def refused(reason: str = "max_tokens") -> BudgetAnswer:
    return BudgetAnswer.model_validate({"outcome": "refused", "reason": reason})


def reservation(
    run_id: str, *, turn: int = 1, tokens: int = 100, left: int | None = 250, **fields: Any
) -> Reservation:
    asked = {
        "run_id": run_id,
        "above": ["top"],
        "turn": turn,
        "attempt": 1,
        "allowances": [Allowance(account="top:1", tokens=left)],
        "tokens": tokens,
        **fields,
    }
    return Reservation.model_validate(asked)


def settlement(run_id: str, tokens: int, turn: int = 1, **fields: Any) -> Settlement:
    used = {"run_id": run_id, "turn": turn, "attempt": 1, "tokens": tokens, **fields}
    return Settlement.model_validate(used)


def words(news: Sequence[BudgetNews]) -> list[tuple[str, str]]:
    return [(each.run_id, each.answer.outcome) for each in news]


def test_waiting_for_room() -> None:
    """Calls are let in while something is neither used nor reserved; then they wait in order."""
    book = Book()
    assert [book.reserve(reservation(name)) for name in "abc"] == [GRANTED] * 3
    assert [book.reserve(reservation(name)) for name in "de"] == [WAITS] * 2
    assert words(book.settle(settlement("b", 90))) == []
    assert words(book.settle(settlement("a", 10))) == [("d", "granted")]
    assert words(book.settle(settlement("c", 100))) == []
    assert words(book.settle(settlement("d", 60))) == [("e", "refused")]
    assert book.reserve(reservation("f")) == refused()


def test_said_again() -> None:
    """What is asked or said twice counts once, also when it is over."""
    book = Book()
    for _ in range(2):
        assert book.reserve(reservation("a", tokens=240)) == GRANTED
    assert book.reserve(reservation("b", tokens=100)) == GRANTED
    for _ in range(2):
        assert book.reserve(reservation("c", tokens=100)) == WAITS
    assert words(book.settle(settlement("a", 40))) == [("c", "granted")]
    assert words(book.settle(settlement("a", 40))) == []
    assert book.reserve(reservation("a", tokens=240)) == GRANTED
    assert book.accounts["top:1"].used_tokens == 40
    assert list(book.holds) == ["b:1.1", "c:1.1"]


def test_summaries_are_reserved_beside_answers() -> None:
    """One that a model was asked for after an answer of the same turn was refused counts, too."""
    book = Book()
    assert book.reserve(reservation("a")) == GRANTED
    book.settle(settlement("a", 0))
    for number, used in ((-1, 100), (-2, 200)):
        assert book.reserve(reservation("a", attempt=number)) == GRANTED
        assert book.reserve(reservation("a", attempt=number)) == GRANTED  # asked again
        book.settle(settlement("a", used, attempt=number))
        book.settle(settlement("a", used, attempt=number))
    assert book.reserve(reservation("a", attempt=-1)) == GRANTED  # long ago
    assert book.accounts["top:1"].used_tokens == 300
    assert book.reserve(reservation("a", attempt=2)) == refused()


def test_a_killed_run() -> None:
    """What it and those below it had reserved counts as used; nothing of it is let in later."""
    book = Book()
    book.reserve(reservation("a", tokens=240))
    below = reservation("b", above=["top", "a"], tokens=30)
    assert book.reserve(below) == GRANTED
    assert book.reserve(reservation("c")) == WAITS
    assert book.reserve(reservation("d", above=["top", "a"])) == WAITS
    for _ in range(2):
        assert words(book.close_run("a")) in ([("c", "refused")], [])
    assert book.accounts["top:1"].used_tokens == 270
    assert book.reserve(reservation("a", turn=2)) == refused()
    assert book.reserve(reservation("e", above=["top", "a"], left=None)) == refused()
    assert words(book.settle(settlement("b", 1))) == []
    assert book.accounts["top:1"].used_tokens == 270


def test_several_limits() -> None:
    """A call needs room at all the runs above it that are limited."""
    book = Book()
    both = [Allowance(account="top:1", tokens=1000), Allowance(account="lead:2", tokens=50)]
    assert book.reserve(reservation("a", allowances=both)) == GRANTED
    assert book.reserve(reservation("b", allowances=both)) == WAITS
    assert book.reserve(reservation("c", left=1000)) == GRANTED
    assert words(book.settle(settlement("a", 60))) == [("b", "refused")]
    book.close_account("lead:2")
    assert not book.is_over
    book.close_account("top:1")
    assert book.is_over


def test_costs() -> None:
    """Where nobody knows beforehand what a call costs, one at a time is let in."""
    book = Book()
    dear: Any = {"allowances": [Allowance(account="top:1", cost_usd=1)]}
    assert book.reserve(reservation("a", cost_usd=0.6, **dear)) == GRANTED
    assert book.reserve(reservation("b", **dear)) == GRANTED
    assert book.reserve(reservation("c", cost_usd=0.1, **dear)) == WAITS
    assert words(book.settle(settlement("b", 0, cost_usd=0.3))) == [("c", "granted")]
    assert words(book.settle(settlement("a", 0, cost_usd=None))) == []  # its bound counts
    assert book.accounts["top:1"].used_cost_usd == pytest.approx(0.9)
    assert words(book.settle(settlement("c", 0, cost_usd=0.2))) == []
    assert book.reserve(reservation("d", **dear)) == refused("max_cost_usd")


@pytest.mark.parametrize("seed", range(50))
def test_overdrawn_by_one_call_at_most(seed: int) -> None:
    """Eight runs at once, some of them killed: no more is used than the last call reserved."""
    chance = Random(seed)
    book, left = Book(), chance.randint(1, 5000)
    open_calls: dict[str, Reservation] = {}
    waiting: dict[str, Reservation] = {}
    turns = dict.fromkeys("abcdefgh", 0)
    used, largest = 0, 0
    while turns:
        idle = [name for name in turns if name not in (*open_calls, *waiting)]
        told: list[BudgetNews] = []
        if idle and chance.random() < 0.6:
            name = chance.choice(idle)
            turns[name] += 1
            tokens = chance.randint(1, 900)
            asked = reservation(name, turn=turns[name], tokens=tokens, left=left)
            answer = book.reserve(asked)
            if answer == GRANTED:
                open_calls[name] = asked
                largest = max(largest, tokens)
            elif answer == WAITS:
                waiting[name] = asked
            else:
                assert used >= left
                del turns[name]
        elif open_calls:
            name = chance.choice(list(open_calls))
            asked = open_calls.pop(name)
            was_killed = chance.random() < 0.1
            tokens = asked.tokens if was_killed else chance.randint(0, asked.tokens)
            used += tokens
            told = book.settle(settlement(name, tokens, asked.turn))
            if was_killed:
                told = [*told, *book.close_run(name)]
                del turns[name]
        for each in told:
            asked = waiting.pop(each.run_id)
            if each.answer == GRANTED:
                open_calls[each.run_id] = asked
                largest = max(largest, asked.tokens)
            else:
                assert used >= left
                del turns[each.run_id]
        assert open_calls or not waiting, "they wait for nobody"
    assert used < left + largest
    assert book.accounts["top:1"].used_tokens == used

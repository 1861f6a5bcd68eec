"""The agent that comes with the project: money moves once, whoever asks again."""

import multiprocessing
import sqlite3
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from example_agents.support import Order, find_order, refund
from fakes.shop import find_in_process, keyed, refund_in_process
from outlast import ToolError


@pytest.fixture(autouse=True)
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "deeper" / "support.db"
    monkeypatch.setenv("SUPPORT_DB", str(path))
    monkeypatch.delenv("SUPPORT_BANK_DELAY_S", raising=False)
    return path


def count(path: Path, table: str) -> int:
    database = sqlite3.connect(path)
    (found,) = database.execute(f"SELECT count(*) FROM {table}").fetchone()
    database.close()
    return found


def test_find() -> None:
    """An order is found with what was paid back of it."""
    assert find_order("A-1001") == Order(
        order_id="A-1001",
        customer="Mina Okafor",
        item="Desk lamp, brass",
        total_cents=4990,
        status="delivered",
        refunded_cents=0,
    )


async def test_refund() -> None:
    """A refund can be made in parts, and shows in the order."""
    first = await refund("A-1001", 1000, "late", keyed("1"))
    second = await refund("A-1001", 990, "late", keyed("2"))
    assert (first.order_id, first.cents) == ("A-1001", 1000)
    assert first.refund_id != second.refund_id
    assert find_order("A-1001").refunded_cents == 1990


async def test_the_same_key_twice(shop: Path) -> None:
    """Executed again with its key, a refund answers the same and moves the money once."""
    first = await refund("A-1001", 4990, "broken", keyed("1"))
    again = await refund("A-1001", 4990, "broken", keyed("1"))
    assert first == again
    assert find_order("A-1001").refunded_cents == 4990
    assert (count(shop, "refunds"), count(shop, "executions")) == (1, 2)


@pytest.mark.parametrize("cents", [0, -5, 4991])
async def test_too_much(shop: Path, cents: int) -> None:
    """More than there is, or nothing, is refused in words for the model; no money moves."""
    with pytest.raises(ToolError, match=f"A-1001 has 4990 cents left to pay back, not {cents}"):
        await refund("A-1001", cents, "greed", keyed("1"))
    assert count(shop, "refunds") == 0


async def test_more_than_is_left() -> None:
    """Parts may not add up to more than the order's total."""
    await refund("A-1001", 4000, "late", keyed("1"))
    with pytest.raises(ToolError, match="990 cents left"):
        await refund("A-1001", 991, "late", keyed("2"))


async def test_unknown_order() -> None:
    """An order that is not there is told to the model."""
    with pytest.raises(ToolError, match="no order A-9"):
        find_order("A-9")
    with pytest.raises(ToolError, match="no order A-9"):
        await refund("A-9", 1, "late", keyed("1"))


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_first_use_at_once(shop: Path, kind: str) -> None:
    """However many come first, the shop is filled once, and none of them fails."""
    with _pool(kind) as pool:
        found = list(pool.map(find_in_process, ["A-1001", "A-1002", "A-1003", "A-1004"] * 4))
    assert [order_id for order_id, _ in found[:4]] == ["A-1001", "A-1002", "A-1003", "A-1004"]
    assert count(shop, "orders") == 5


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_one_key_at_once(shop: Path, kind: str) -> None:
    """A call that is executed twice at the same time moves the money once, too."""
    with _pool(kind) as pool:
        made = list(pool.map(refund_in_process, ["1"] * 8))
    assert len(set(made)) == 1
    assert find_order("A-1002").refunded_cents == 100
    assert count(shop, "refunds") == 1


def _pool(kind: str) -> Any:
    if kind == "threads":
        return ThreadPoolExecutor(8)
    return ProcessPoolExecutor(3, mp_context=multiprocessing.get_context("spawn"))

"""Customer support for a small shop: looks up orders and pays them back.

Orders and refunds live in an SQLite file (`SUPPORT_DB`), which is made and filled at first use.
A refund is keyed by `context.idempotency_key`: however often the call is executed again after
a crash, the money moves once. The table `executions` has a row for each execution, to see it.
Refunds over 200 € wait for a person.
"""

import asyncio
import os
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

from pydantic import BaseModel

from outlast import Agent, ToolContext, ToolError, tool

_SCHEMA = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS orders (
    order_id TEXT PRIMARY KEY, customer TEXT, item TEXT, total_cents INTEGER, status TEXT);
CREATE TABLE IF NOT EXISTS refunds (
    idempotency_key TEXT PRIMARY KEY, refund_id TEXT, order_id TEXT, cents INTEGER, reason TEXT);
CREATE TABLE IF NOT EXISTS executions (
    idempotency_key TEXT, at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ')));
INSERT OR IGNORE INTO orders VALUES
    ('A-1001', 'Mina Okafor', 'Desk lamp, brass', 4990, 'delivered'),
    ('A-1002', 'Jonas Brandt', 'Office chair, grey', 24900, 'delivered'),
    ('A-1003', 'Li Wei', 'Monitor arm', 8950, 'shipped'),
    ('A-1004', 'Ana Duarte', 'Bookshelf, oak', 15900, 'processing'),
    ('A-1005', 'Sam Whitlock', 'Footrest, cork', 3990, 'delivered');
PRAGMA user_version = 1;
COMMIT;
"""


class Order(BaseModel):
    """An order as the shop knows it."""

    order_id: str
    customer: str
    item: str
    total_cents: int
    status: str
    refunded_cents: int


class Refund(BaseModel):
    """Money that went back."""

    refund_id: str
    order_id: str
    cents: int


@tool(effect="read")
def find_order(order_id: str) -> Order:
    """Look up an order: who bought what, for how much, and what was paid back already.

    Args:
        order_id: The order's number, e.g. `A-1001`.
    """
    with _database() as database:
        return _order(database, order_id)


def is_large(cents: int) -> bool:
    """Tell whether a person must approve a refund."""
    return cents > 20_000


@tool(needs_approval=is_large)
async def refund(order_id: str, cents: int, reason: str, context: ToolContext) -> Refund:
    """Pay an order back, in whole or in part. Look the order up first.

    Args:
        order_id: The order's number, e.g. `A-1001`.
        cents: Amount in euro cents, at most what is left of the order's total.
        reason: Why, in a few words.
    """
    paid = await asyncio.to_thread(_pay_back, order_id, cents, reason, context.idempotency_key)
    await asyncio.sleep(float(os.environ.get("SUPPORT_BANK_DELAY_S", "0")))
    return paid


def _pay_back(order_id: str, cents: int, reason: str, key: str) -> Refund:
    with _database() as database:
        database.execute("BEGIN IMMEDIATE")
        database.execute("INSERT INTO executions (idempotency_key) VALUES (?)", (key,))
        known = database.execute(
            "SELECT refund_id, order_id, cents FROM refunds WHERE idempotency_key = ?", (key,)
        ).fetchone()
        if known:
            return Refund(refund_id=known[0], order_id=known[1], cents=known[2])
        order = _order(database, order_id)
        left = order.total_cents - order.refunded_cents
        if not 0 < cents <= left:
            raise ToolError(f"{order_id} has {left} cents left to pay back, not {cents}.")
        (count,) = database.execute("SELECT count(*) FROM refunds").fetchone()
        paid = Refund(refund_id=f"R-{5001 + count}", order_id=order_id, cents=cents)
        database.execute(
            "INSERT INTO refunds VALUES (?, ?, ?, ?, ?)",
            (key, paid.refund_id, order_id, cents, reason),
        )
        return paid


def _order(database: sqlite3.Connection, order_id: str) -> Order:
    row = database.execute(
        "SELECT order_id, customer, item, total_cents, status,"
        " (SELECT coalesce(sum(cents), 0) FROM refunds r WHERE r.order_id = o.order_id)"
        " FROM orders o WHERE order_id = ?",
        (order_id,),
    ).fetchone()
    if row is None:
        raise ToolError(f"There is no order {order_id}. Ask the customer for the number.")
    return Order(**dict(zip(Order.model_fields, row, strict=True)))


@contextmanager
def _database() -> Generator[sqlite3.Connection]:
    path = Path(os.environ.get("SUPPORT_DB", ".outlast/support.db"))
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path, timeout=10)) as database, database:
        if database.execute("PRAGMA user_version").fetchone() == (0,):
            database.executescript(_SCHEMA)
        yield database


agent = Agent(
    name="support",
    description="Looks up orders and pays them back.",
    instructions=(
        "You are the customer support of a small furniture shop. "
        "Look an order up before you say anything about it. "
        "Refund only what the customer asks for, and at most what is left of the order's total. "
        "Answer in two or three sentences, in the customer's language, with amounts in euros."
    ),
    tools=[find_order, refund],
)

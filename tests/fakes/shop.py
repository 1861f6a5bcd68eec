"""Calls of the example's tools, also from processes that are spawned: those import this module."""

import asyncio

from example_agents.support import Refund, find_order, refund
from outlast import ToolContext


def keyed(key: str) -> ToolContext:
    return ToolContext.for_test(idempotency_key=key)


def find_in_process(order_id: str) -> tuple[str, int]:
    found = find_order(order_id)
    return found.order_id, found.total_cents


def refund_in_process(key: str) -> str:
    paid: Refund = asyncio.run(refund("A-1002", 100, "late", keyed(key)))
    return paid.refund_id

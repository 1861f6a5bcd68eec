"""Tools of all kinds: sync and async, with options and without, with resources and without."""

from datetime import timedelta

from pydantic import BaseModel

from desk.resources import Shop
from outlast import ToolContext, ToolError, tool


class Refund(BaseModel):
    order_id: str
    cents: int


def _is_large(cents: int, context: ToolContext[Shop]) -> bool:
    return cents > 100 and bool(context.resources.items)


@tool(effect="read")
def stock(item: str, context: ToolContext[Shop]) -> int:
    """Count what is left of an item.

    Args:
        item: Its name.
    """
    if item not in context.resources.items:
        raise ToolError(f"There is no {item}.")
    return context.resources.items[item]


@tool(needs_approval=_is_large, approval_timeout=timedelta(hours=8), retries=2)
async def refund(order_id: str, cents: int, context: ToolContext[Shop]) -> Refund:
    """Pay an order back.

    Args:
        order_id: The order.
        cents: How much.
    """
    context.report_progress(1, 2, context.idempotency_key)
    return Refund(order_id=order_id, cents=cents)


@tool(needs_approval=True)
async def approve(reason: str | None = None) -> None:
    """Approve something.

    Args:
        reason: Why.
    """


@tool
def close(context: ToolContext) -> str:
    """Close the account."""
    return context.run_id

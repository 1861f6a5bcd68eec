"""The agent that the kit's tests run: a desk that pays back, and keeps a till."""

import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from outlast import Agent, ToolContext, ToolError, tool


@dataclass
class Till:
    paid: list[int] = field(default_factory=list[int])
    is_open: bool = True


@asynccontextmanager
async def lifespan() -> AsyncGenerator[Till]:
    till = Till()
    yield till
    till.is_open = False


@tool(effect="read")
def find_order(order_id: str) -> str:
    """Find an order.

    Args:
        order_id: Which.
    """
    if order_id == "A-9":
        raise ToolError("There is no order A-9.")
    return f"{order_id} in {threading.current_thread().name.partition('_')[0]}"


def _is_large(cents: int, context: ToolContext[Till]) -> bool:
    return cents > 100 and context.resources.is_open


@tool(needs_approval=_is_large, approval_timeout=timedelta(hours=8))
async def refund(order_id: str, cents: int, context: ToolContext[Till]) -> dict[str, int]:
    """Pay back.

    Args:
        order_id: Which.
        cents: How much.
    """
    context.report_progress(1, 2, "sent")
    context.resources.paid.append(cents)
    return {"cents": cents}


@tool(needs_approval=True)
async def close_account(context: ToolContext) -> str:
    """Close the customer's account."""
    return f"closed for {context.context['company']}"


desk = Agent(
    name="desk",
    instructions="You work for {{company}}.",
    tools=[find_order, refund, close_account],
)

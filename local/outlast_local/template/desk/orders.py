"""An agent that orders supplies, once a person has approved."""

from pydantic import BaseModel

from desk.resources import Resources
from desk.stock import look_up_stock
from outlast import Agent, ToolContext, ToolError, tool


class Order(BaseModel):
    """What was ordered."""

    order_id: str
    item: str
    quantity: int


@tool(needs_approval=True)
async def order_supplies(item: str, quantity: int, context: ToolContext[Resources]) -> Order:
    """Order more of an item from the supplier.

    Args:
        item: The item's name, in the singular, e.g. `lamp`.
        quantity: How many, 1 to 100.
    """
    warehouse = context.resources.warehouse
    if item not in warehouse.items or not 1 <= quantity <= 100:
        raise ToolError(f"{quantity} of {item!r} can't be ordered.")
    # After a crash a call may be executed again, with the same key: order only once.
    order_id = warehouse.order(context.idempotency_key, item, quantity)
    return Order(order_id=order_id, item=item, quantity=quantity)


agent = Agent(
    name="orders",
    description="Orders supplies, once a person has approved.",
    instructions=(
        "You order supplies for a small shop. Look the stock up first. "
        "If an order is refused, say so and don't order again."
    ),
    tools=[look_up_stock, order_supplies],
)

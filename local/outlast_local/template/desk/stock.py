"""An agent that answers questions about the stock."""

from pydantic import BaseModel

from desk.resources import Resources
from outlast import Agent, ToolContext, ToolError, tool


class Stock(BaseModel):
    """How many of an item are there."""

    item: str
    left: int


@tool(effect="read")
async def look_up_stock(item: str, context: ToolContext[Resources]) -> Stock:
    """Look up how many of an item are left.

    Args:
        item: The item's name, in the singular, e.g. `lamp`.
    """
    items = context.resources.warehouse.items
    if item not in items:
        raise ToolError(f"There is no item {item!r}. The items are: {', '.join(items)}.")
    return Stock(item=item, left=items[item])


agent = Agent(
    name="stock",
    description="Answers questions about the stock.",
    instructions="You answer questions about the stock of a small shop, in one sentence.",
    tools=[look_up_stock],
)

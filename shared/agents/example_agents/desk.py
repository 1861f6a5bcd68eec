"""The desk of a furniture shop: a team of three agents, run by one command.

It asks the warehouse, whose tools are those of an MCP server, and hands whatever is about an order
over to the support, which pays large amounts back only when a person has approved that.
"""

from pydantic import BaseModel, Field

from example_agents.support import agent as support
from example_agents.warehouse import agent as warehouse
from outlast import Agent, Handoff


class Case(BaseModel):
    """What the support is told of a customer's case."""

    order_id: str = Field(description="The order that it is about, e.g. `A-1001`.")


agent = Agent(
    name="desk",
    description="Answers a shop's customers, and knows who can help them.",
    instructions=(
        "You are the first whom the customers of a small furniture shop speak to. "
        "Ask the warehouse what is in stock. "
        "Hand over to the support whatever is about an order; ask the warehouse before that."
    ),
    tools=[warehouse.as_tool()],
    handoffs=[Handoff(support, description="When it is about an order.", input=Case)],
)

"""A stock keeper, all of whose tools are those of an MCP server (`stock_server.py`)."""

import sys

from outlast import Agent, McpServer

agent = Agent(
    name="warehouse",
    description="Knows what the shop has in stock, and orders more.",
    instructions=(
        "You keep the stock of a small furniture shop. Look things up before you answer, "
        "order more only when asked to, and have somebody count when a number may be wrong."
    ),
    mcp=[
        McpServer(
            "stock",
            command=[sys.executable, "-m", "example_agents.stock_server"],
            needs_approval=["order_*"],
            elicitation=True,
        )
    ],
)

"""A back office of 200 tools (`office_server.py`): the model is told of those that it searches."""

import sys

from outlast import Agent, McpServer

agent = Agent(
    name="office",
    description="Finds any paper of the back office.",
    instructions=(
        "You find papers in the back office of a small furniture shop. There is a tool for "
        "everything: search for the one that you need."
    ),
    mcp=[
        McpServer(
            "office",
            command=[sys.executable, "-m", "example_agents.office_server"],
            deferred=True,
        )
    ],
)

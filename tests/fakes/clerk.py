"""Agents all of whose tools are those of MCP servers, which the worker starts.

The servers note what they do in a file beside `EFFECTS_FILE`.
"""

import sys
from datetime import timedelta
from pathlib import Path

from outlast import Agent, McpServer

_SERVER = Path(__file__).with_name("mcp_server.py")
_ASKING = Path(__file__).with_name("mcp_asking_server.py")

agent = Agent(
    name="clerk",
    instructions="Do what the test says.",
    mcp=[
        McpServer(
            "fake",
            command=[sys.executable, str(_SERVER)],
            env={"MCP_NOTES": "${EFFECTS_FILE}.mcp"},
            needs_approval=["pay"],
            timeout=timedelta(seconds=30),
        ),
        McpServer("gone", url="http://127.0.0.1:9/mcp", required=False),
    ],
)
asker = Agent(
    name="asker",
    instructions="Do what the test says.",
    mcp=[
        McpServer(
            "asking",
            command=[sys.executable, str(_ASKING)],
            env={"MCP_NOTES": "${EFFECTS_FILE}.mcp"},
            timeout=timedelta(seconds=30),
            elicitation=True,
        ),
        McpServer(
            "newer",
            command=[sys.executable, str(_SERVER)],
            env={"MCP_NOTES": "${EFFECTS_FILE}.mcp"},
            tools=["reserve"],
            timeout=timedelta(seconds=30),
            elicitation=True,
        ),
    ],
)
stranded = Agent(
    name="stranded",
    instructions="Wait for a server.",
    mcp=[McpServer("gone", url="http://127.0.0.1:9/mcp")],
)

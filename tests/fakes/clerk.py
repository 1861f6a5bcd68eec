"""An agent all of whose tools are those of an MCP server, which the worker starts.

The server notes what it does in a file beside `EFFECTS_FILE`.
"""

import sys
from datetime import timedelta
from pathlib import Path

from outlast import Agent, McpServer

_SERVER = Path(__file__).with_name("mcp_server.py")

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
stranded = Agent(
    name="stranded",
    instructions="Wait for a server.",
    mcp=[McpServer("gone", url="http://127.0.0.1:9/mcp")],
)

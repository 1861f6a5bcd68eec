"""Measures what a search for tools spares: bytes of tools that model calls are sent.

python -m benchmarks.tool_search
"""

import asyncio
import json
from dataclasses import replace
from typing import Any

from example_agents.office import agent as office
from outlast import Agent
from outlast.names import DEFAULT_TENANT
from outlast.testing import call, run_in_memory, text
from outlast_worker.engine.records import PinnedTool
from outlast_worker.mcp.sessions import McpSessions
from outlast_worker.mcp.tools import McpTools
from outlast_worker.models.chat_format import wire_tools
from outlast_worker.testing.scripted_model import Script
from outlast_worker.tools.tool_search import pin_search

_BYTES_PER_TOKEN = 4
ASKED = "Show the newest invoice."
USED = call("invoice_newest")
SAID = text("It was filed in 2023.")
SCRIPTS: dict[str, Script] = {
    "all tools from the start": [USED, SAID],
    "searched": [call("search_tools", query="newest invoice"), USED, SAID],
}


async def measure() -> None:
    """Run the same question both ways, and print what the model was sent."""
    tools = await _tools()
    lines = [
        f"{len(tools) - 1} tools, one question\n",
        "| | model calls | tools sent | bytes of tools, call by call | tokens, about |",
        "|---|---|---|---|---|",
    ]
    for name, script in SCRIPTS.items():
        result = await run_in_memory(_office(deferred=name == "searched"), ASKED, model=script)
        counts = [len(request.tools) for request in result.requests]
        sizes = [_size([tools[name] for name in request.tools]) for request in result.requests]
        listed = " + ".join(f"{size:,}" for size in sizes)
        tokens = sum(sizes) // _BYTES_PER_TOKEN
        sent = ", ".join(map(str, counts))
        lines.append(f"| {name} | {len(sizes)} | {sent} | {listed} | {tokens:,} |")
    print("\n".join(lines))


def _office(*, deferred: bool) -> Agent:
    server: Any = replace(office.mcp[0], deferred=deferred)
    return replace(office, mcp=[server])


async def _tools() -> dict[str, PinnedTool]:
    servers = McpTools(McpSessions())
    try:
        [listing] = await servers.list(office, DEFAULT_TENANT, {})
    finally:
        await servers.close()
    deferred = [tool.model_copy(update={"deferred": True}) for tool in listing.tools]
    return {tool.name: tool for tool in [*listing.tools, pin_search(deferred)]}


def _size(tools: list[PinnedTool]) -> int:
    return len(json.dumps(wire_tools(tools)).encode())


if __name__ == "__main__":
    asyncio.run(measure())

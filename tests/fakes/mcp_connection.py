"""Stands in for `outlast_worker.mcp.connection`: sessions that only note that they are there."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

from outlast import McpServer

opened: list[str] = []
closed: list[str] = []


@asynccontextmanager
async def connect(server: McpServer, access: Mapping[str, str]) -> AsyncGenerator[str]:
    who = access.get("who", server.name)
    opened.append(who)
    try:
        if who == "never":
            await asyncio.Event().wait()
        yield who
    finally:
        closed.append(who)

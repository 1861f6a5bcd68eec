"""A listing of MCP tools ends, whatever it waits for, and tells nothing secret when it fails."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from mcp_types import Tool

from outlast import Agent, McpServer
from outlast_worker.mcp import sessions, tools
from outlast_worker.mcp.sessions import McpSessions
from outlast_worker.mcp.tools import McpTools


async def fault_of(server: McpServer) -> str:
    of_servers = McpTools(McpSessions())
    agent = Agent(name="desk", instructions="Help.", mcp=[server])
    async with asyncio.timeout(5):
        [listing] = await of_servers.list(agent, "acme", {})
    await of_servers.close()
    return listing.fault or ""


async def test_credentials_that_never_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """An author's function is waited for as long as a step may take."""

    async def ask(_tenant: str, _metadata: Mapping[str, str]) -> Mapping[str, str]:
        await asyncio.Event().wait()
        return {}

    monkeypatch.setattr(tools, "longest_s", lambda _: 0.05)
    server = McpServer("crm", url="https://crm.example/mcp", credentials=ask)
    assert await fault_of(server) == "The MCP server crm does not list its tools: TimeoutError"


async def test_a_session_whose_opening_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for it hears that there is none, and is not cancelled itself."""

    @asynccontextmanager
    async def connect(_server: Any, _access: Any) -> AsyncGenerator[None]:
        raise asyncio.CancelledError
        yield

    monkeypatch.setitem(sys.modules, "a_library", SimpleNamespace(connect=connect))  # pyright: ignore[reportArgumentType]  # as good as one
    monkeypatch.setattr(sessions, "_CONNECTION", "a_library")
    server = McpServer("crm", url="https://crm.example/mcp")
    assert await fault_of(server) == "The MCP server crm was given up on."


async def test_a_secret_that_can_not_be_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Libraries quote such a header; clients read why a run failed."""

    @asynccontextmanager
    async def connect(_server: Any, access: Mapping[str, str]) -> AsyncGenerator[None]:
        raise ValueError(f"Illegal header value {access['Authorization'].encode()!r}")
        yield

    monkeypatch.setitem(sys.modules, "a_library", SimpleNamespace(connect=connect))  # pyright: ignore[reportArgumentType]  # as good as one
    monkeypatch.setattr(sessions, "_CONNECTION", "a_library")
    server = McpServer(
        "crm",
        url="https://crm.example/mcp",
        credentials=lambda _tenant, _metadata: {"Authorization": "Bearer\tabc-4711\n"},
    )
    told = await fault_of(server)
    assert "ValueError: Illegal header value" in told
    assert "4711" not in told


async def test_a_tool_without_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is left out: no model could be told of it, and the run would fail with its first call."""
    listed = [Tool(name=name, input_schema={"type": "object"}) for name in ("read", "")]

    async def list_tools() -> list[Tool]:
        return listed

    @asynccontextmanager
    async def connect(_server: Any, _access: Any) -> AsyncGenerator[Any]:
        yield SimpleNamespace(list_tools=list_tools, is_shareable=True)

    monkeypatch.setitem(sys.modules, "a_library", SimpleNamespace(connect=connect))  # pyright: ignore[reportArgumentType]  # as good as one
    monkeypatch.setattr(sessions, "_CONNECTION", "a_library")
    of_servers = McpTools(McpSessions())
    server = McpServer("crm", url="https://crm.example/mcp")
    [listing] = await of_servers.list(
        Agent(name="desk", instructions="Help.", mcp=[server]), "", {}
    )
    await of_servers.close()
    assert [tool.name for tool in listing.tools] == ["read"]

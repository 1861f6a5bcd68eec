"""One connection with an MCP server: the only module that imports the official library.

That takes a second, so this one is loaded when the first agent needs it (`sessions.py`).
"""

from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

from httpx2 import AsyncClient, Timeout
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CONNECTION_CLOSED, CallToolResult
from mcp_types import Tool as ListedTool

from outlast.errors import ToolError
from outlast.mcp import McpServer
from outlast.tool_context import ToolContext
from outlast_worker.mcp.access import Access, ConnectionLost
from outlast_worker.text import repair_surrogates

_MAX_TOOLS = 500
_CONNECT_TIMEOUT_S = 30.0
_KEY = "outlast/idempotency-key"


class Connection:
    """What a session is used for."""

    def __init__(self, server: McpServer, client: Client) -> None:
        self._server = server
        self._client = client

    async def list_tools(self) -> list[ListedTool]:
        """Return the server's tools, of all pages, up to 500: more than a model can choose from."""
        listed: list[ListedTool] = []
        cursor: str | None = None
        while len(listed) < _MAX_TOOLS:
            page = await self._client.list_tools(cursor=cursor)
            listed += page.tools
            cursor = page.next_cursor
            if not cursor or not page.tools:
                break
        return listed[:_MAX_TOOLS]

    async def probe(self) -> None:
        """Ask for something that changes nothing, to find out whether the server is there.

        Raises:
            ConnectionLost: It is not.
        """
        with suppress(ToolError), self._noticing_loss():
            await self._client.list_tools()

    async def call(
        self, tool: str, arguments: Mapping[str, Any], context: ToolContext
    ) -> CallToolResult:
        """Call a tool; when this is cancelled, the server is told.

        Raises:
            ConnectionLost: The server went away.
            ToolError: The server refused the call.
        """

        async def report(progress: float, total: float | None, message: str | None) -> None:
            context.report_progress(progress, total, message)

        with self._noticing_loss():
            return await self._client.call_tool(
                tool,
                dict(arguments),
                progress_callback=report,
                meta={_KEY: context.idempotency_key},
            )

    @contextmanager
    def _noticing_loss(self) -> Generator[None]:
        try:
            yield
        except MCPError as error:
            if error.code == CONNECTION_CLOSED:
                raise ConnectionLost(
                    f"The MCP server {self._server.name} went away during the call."
                ) from error
            raise ToolError(repair_surrogates(error.message)) from error


@asynccontextmanager
async def connect(server: McpServer, access: Access) -> AsyncGenerator[Connection]:
    """Connect with a server for as long as this is entered, in one task.

    A command is started with `access` and a few harmless variables of the worker's, and ended.
    """
    if server.command:
        command, *arguments = server.command
        started = StdioServerParameters(command=command, args=arguments, env=dict(access))
        async with Client(started, cache=None) as client:
            yield Connection(server, client)
        return
    # A call may be silent for as long as it may take.
    timeout = Timeout(_CONNECT_TIMEOUT_S, read=server.timeout.total_seconds() + _CONNECT_TIMEOUT_S)
    async with (
        AsyncClient(headers=dict(access), timeout=timeout) as http,
        Client(streamable_http_client(str(server.url), http_client=http), cache=None) as client,
    ):
        yield Connection(server, client)

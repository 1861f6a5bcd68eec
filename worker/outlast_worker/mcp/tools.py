"""Tools of MCP servers: listed when a run begins, and called as any other tool is."""

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from outlast.agent import Agent
from outlast.effects import Effect
from outlast.errors import InDoubt, ToolError
from outlast.logging import get_logger
from outlast.mcp import McpServer
from outlast.tool import AnyTool, Tool
from outlast.tool_context import ToolContext
from outlast.tool_output import ToolOutput
from outlast.tool_signature import ToolArguments
from outlast_worker.engine.planned_calls import NOTHING_ANSWERED, Answered
from outlast_worker.engine.records import PinnedTool, ServerAsks
from outlast_worker.mcp.access import (
    Access,
    CallForgotten,
    ConnectionLost,
    ServerUnavailable,
    access_of,
    reason_of,
)
from outlast_worker.mcp.asking import Ask, HeldCalls, OpenCall, ServerCall
from outlast_worker.mcp.results import output_of
from outlast_worker.mcp.sessions import OPEN_TIMEOUT_S, McpSessions
from outlast_worker.text import repair_surrogates

if TYPE_CHECKING:
    from mcp_types import CallToolResult
    from mcp_types import Tool as ListedTool

MAX_TOOLS_BYTES = 256 * 1024
"""Of one server's descriptions and schemas, which each model call is sent."""
_LIST_TIMEOUT_S = 30.0
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]")
_MAX_NAME_CHARS = 64
# No argument of a model's has this name.
_CONTEXT = "\0context"

_logger = get_logger()


@dataclass(frozen=True)
class Listing:
    """What one server has for an agent, or why that is not known."""

    server: McpServer
    tools: Sequence[PinnedTool] = ()
    fault: str | None = None


@dataclass(frozen=True, eq=False)
class _McpTool(Tool[..., Any]):
    """A tool whose arguments its server checks, and whose result is a text already."""

    def parse(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        return dict(arguments)


class McpTools:
    """The tools of all servers, over sessions of this process."""

    def __init__(self, sessions: McpSessions, held: HeldCalls | None = None) -> None:
        self._sessions = sessions
        self._held = held or HeldCalls()
        sessions.make_room = self._held.make_room

    async def close(self) -> None:
        """End all sessions, and the servers that were started."""
        self._held.close()
        await self._sessions.close()

    def let_go(self, run_id: str) -> None:
        """Break off what is still open of a run that has ended."""
        self._held.let_go(run_id)

    async def list(self, agent: Agent, tenant: str, metadata: Mapping[str, str]) -> list[Listing]:
        """Ask an agent's servers what they have, side by side."""
        asked = (self._list_of(server, tenant, metadata) for server in agent.mcp)
        return list(await asyncio.gather(*asked))

    def find(
        self, agent: Agent, pinned: PinnedTool, answered: Answered = NOTHING_ANSWERED
    ) -> AnyTool | None:
        """Return a pinned tool of a server, to be called; None if the agent has no such server.

        Args:
            agent: Whose server it is.
            pinned: The tool.
            answered: What people have answered in the course of this call.
        """
        server = next((each for each in agent.mcp if each.name == pinned.server), None)
        if server is None:
            return None

        async def call(**arguments: Any) -> str | ToolOutput | ServerAsks:
            context: ToolContext = arguments.pop(_CONTEXT)
            return await self._call(server, pinned, arguments, context, answered)

        return _McpTool(
            fn=call,
            name=pinned.name,
            description=pinned.description,
            effect=pinned.effect,
            verify=None,
            timeout=server.timeout,
            retries=0,
            needs_approval=pinned.may_need_approval,
            approval_timeout=server.approval_timeout,
            arguments=ToolArguments,
            returns=TypeAdapter(str),
            context_parameter=_CONTEXT,
            is_async=True,
            parameters=pinned.parameters,
        )

    async def _list_of(
        self, server: McpServer, tenant: str, metadata: Mapping[str, str]
    ) -> Listing:
        access: Access = {}
        try:
            # The author's function and the wait for a free session have no time of their own.
            async with asyncio.timeout(longest_s(server)):
                access = await access_of(server, tenant, metadata)
                async with (
                    self._sessions.session(server, access) as connection,
                    asyncio.timeout(_LIST_TIMEOUT_S),
                ):
                    listed = await connection.list_tools()
            offered = (tool for tool in listed if tool.name and server.offers(tool.name))
            tools = [_pin(server, tool) for tool in offered]
            return Listing(server, _within_limits(server, tools))
        except ServerUnavailable as error:
            return Listing(server, fault=str(error))
        except Exception as error:  # noqa: BLE001  # whatever a server or the library does
            why = (
                f"The MCP server {server.name} does not list its tools: {reason_of(error, access)}"
            )
            return Listing(server, fault=why)

    async def _call(
        self,
        server: McpServer,
        pinned: PinnedTool,
        arguments: Mapping[str, Any],
        context: ToolContext,
        answered: Answered,
    ) -> str | ToolOutput | ServerAsks:
        tool = pinned.server_tool or pinned.name
        try:
            access = await access_of(server, context.tenant, context.metadata)
            call = ServerCall(server, access, tool, arguments, context, answered)
            once = pinned.effect == "once"
            result = await (self._ask_once(call) if once else self._ask_again(call))
        except ServerUnavailable as error:
            raise ToolError(str(error)) from error
        if isinstance(result, ServerAsks):
            return result
        output = output_of(result)
        if result.is_error:
            text = output if isinstance(output, str) else output.text
            raise ToolError(text or f"The tool {pinned.name} failed.")
        return output

    async def _ask_again(self, call: ServerCall) -> "CallToolResult | ServerAsks":
        """Ask the server; once more if it went away, perhaps long ago."""
        with suppress(ConnectionLost, CallForgotten):
            return await self._ask(call)
        return await self._ask(call.anew())

    async def _ask_once(self, call: ServerCall) -> "CallToolResult | ServerAsks":
        """Ask the server; find out before whether it went away: doubt costs a person."""
        if not call.held:
            with suppress(ConnectionLost):
                async with self._sessions.session(call.server, call.access) as connection:
                    await connection.probe()
        try:
            return await self._ask(call)
        except (ConnectionLost, CallForgotten) as error:
            raise InDoubt(str(error)) from error

    async def _ask(self, call: ServerCall) -> "CallToolResult | ServerAsks":
        if call.held:
            return await self._held.go_on(call)
        if not call.server.elicitation:
            return await self._send(call, None)
        return await self._held.begin(OpenCall(call, partial(self._send, call)))

    async def _send(self, call: ServerCall, ask: Ask | None) -> "CallToolResult | ServerAsks":
        async with self._sessions.session(call.server, call.access) as connection:
            return await connection.call(call, ask)


def longest_s(server: McpServer) -> float:
    """Return how long a step over a server can take: to list its tools, or to call one."""
    return 2 * OPEN_TIMEOUT_S + max(_LIST_TIMEOUT_S, server.timeout.total_seconds())


def _pin(server: McpServer, tool: "ListedTool") -> PinnedTool:
    effect = server.effect_of(tool.name) or _hinted_effect(tool)
    timeout = server.approval_timeout
    return PinnedTool(
        name=(server.prefix + _NOT_IN_NAMES.sub("_", tool.name))[:_MAX_NAME_CHARS],
        description=repair_surrogates(tool.description or tool.title or tool.name),
        parameters=dict(tool.input_schema),
        kind="once" if effect == "once" else "function",
        effect=effect,
        server=server.name,
        server_tool=tool.name,
        may_need_approval=server.asks_before(tool.name),
        approval_timeout_s=timeout.total_seconds() if timeout else None,
        timeout_s=server.timeout.total_seconds(),
    )


def _hinted_effect(tool: "ListedTool") -> Effect:
    hints = tool.annotations
    if hints and hints.read_only_hint:
        return "read"
    return "idempotent" if hints and hints.idempotent_hint else "once"


def _within_limits(server: McpServer, tools: Sequence[PinnedTool]) -> list[PinnedTool]:
    """Leave out what would make each model call too large."""
    kept: list[PinnedTool] = []
    size = 0
    for tool in tools:
        size += len(tool.description.encode()) + len(json.dumps(tool.parameters))
        if size > MAX_TOOLS_BYTES:
            _logger.warning(
                "mcp_tools_left_out", server=server.name, kept=len(kept), offered=len(tools)
            )
            break
        kept.append(tool)
    return kept

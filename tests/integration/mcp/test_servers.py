"""Tools of MCP servers are listed and called over sessions that outlive a call, not a server."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fakes.mcp_servers import Notes, http_server, stdio_server
from fakes.waiting import wait_until
from outlast import Agent, InDoubt, McpServer, ToolContext, ToolError, ToolOutput
from outlast_worker.engine.records import PinnedTool
from outlast_worker.mcp.sessions import McpSessions
from outlast_worker.mcp.tools import McpTools


@pytest.fixture
def notes(tmp_path: Path) -> Notes:
    return Notes(tmp_path / "notes")


@pytest.fixture
async def tools() -> AsyncIterator[McpTools]:
    sessions = McpSessions()
    yield McpTools(sessions)
    await sessions.close()


class Desk:
    """An agent with one server, whose tools a test calls."""

    def __init__(self, tools: McpTools, server: McpServer) -> None:
        self.tools = tools
        self.agent = Agent(name="desk", instructions="Help.", mcp=[server])
        self.pinned: dict[str, PinnedTool] = {}

    async def list(self, tenant: str = "acme", **metadata: str) -> list[str]:
        [listing] = await self.tools.list(self.agent, tenant, metadata)
        if listing.fault:
            raise AssertionError(listing.fault)
        self.pinned = {tool.name: tool for tool in listing.tools}
        return list(self.pinned)

    async def call(self, name: str, context: ToolContext | None = None, **arguments: Any) -> str:
        if not self.pinned:
            await self.list()
        tool = self.tools.find(self.agent, self.pinned[name])
        assert tool
        assert tool.context_parameter
        given = tool.parse(arguments) | {
            tool.context_parameter: context or ToolContext.for_test(tenant="acme")
        }
        output = await tool.fn(**given)
        return output.text if isinstance(output, ToolOutput) else output


async def test_a_server_over_stdio(tools: McpTools, notes: Notes) -> None:
    """One process serves all calls; what it is told with the call stays what the model wrote."""
    desk = Desk(tools, stdio_server(notes))
    assert await desk.call("add", a=1, b=2) == "3"
    assert await asyncio.gather(*(desk.call("put", key=str(n)) for n in range(5))) == ["done"] * 5
    assert notes.read().count("started") == 1


async def test_a_server_over_http(tools: McpTools, notes: Notes) -> None:
    with http_server(notes) as url:
        assert await Desk(tools, McpServer("fake", url=url)).call("add", a=1, b=2) == "3"


async def test_hints(tools: McpTools, notes: Notes) -> None:
    """What a crash means follows from the server's hints, unless the author knows better."""
    desk = Desk(tools, stdio_server(notes, effects={"oddly": "read", "fa*": "idempotent"}))
    await desk.list()
    effects = {name: tool.effect for name, tool in desk.pinned.items()}
    assert effects["add"] == "read"
    assert effects["put"] == "idempotent"
    assert effects["pay"] == "once"
    assert effects["fail"] == "idempotent"
    assert desk.pinned["pay"].kind == "once"
    assert desk.pinned["add"].kind == "function"


async def test_chosen_tools(tools: McpTools, notes: Notes) -> None:
    """Names are prefixed and made such that a model can call them; patterns are of theirs."""
    server = stdio_server(
        notes,
        tools=["add", "pay", "name*"],
        prefix="bank_",
        needs_approval=["pay"],
        approval_timeout=timedelta(hours=1),
    )
    desk = Desk(tools, server)
    assert await desk.list() == ["bank_add", "bank_pay", "bank_name_with_dots"]
    assert [tool.may_need_approval for tool in desk.pinned.values()] == [False, True, False]
    assert desk.pinned["bank_pay"].approval_timeout_s == 3600
    assert await desk.call("bank_name_with_dots") == "found"


async def test_errors(tools: McpTools, notes: Notes) -> None:
    """What a server says of a failed call is for the model; the session goes on."""
    desk = Desk(tools, stdio_server(notes))
    with pytest.raises(ToolError, match="out of paper"):
        await desk.call("fail")
    with pytest.raises(ToolError, match="valid integer"):
        await desk.call("add", a="one", b=2)
    assert await desk.call("add", a=1, b=2) == "3"
    assert notes.read().count("started") == 1


async def test_a_call_that_is_broken_off(tools: McpTools, notes: Notes) -> None:
    """The server hears of it, and of progress the run does."""
    heard: list[tuple[float, float | None, str | None]] = []

    def hear(done: float, total: float | None, message: str | None) -> None:
        heard.append((done, total, message))

    desk = Desk(tools, stdio_server(notes))
    context = ToolContext.for_test(tenant="acme", on_progress=hear)
    calling = asyncio.create_task(desk.call("dawdle", context))
    await asyncio.to_thread(notes.wait_for, "dawdling")
    await asyncio.to_thread(wait_until, lambda: heard, "progress")
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    await asyncio.to_thread(notes.wait_for, "cancelled")
    assert heard == [(1, 60, "one second")]
    assert await desk.call("add", a=1, b=2) == "3"


async def test_a_server_that_dies(tools: McpTools, notes: Notes) -> None:
    """A call that may run again does; one that may not is in doubt; the next starts a server."""
    desk = Desk(tools, stdio_server(notes))
    assert await desk.call("die_once") == "alive"
    with pytest.raises(InDoubt, match="went away during the call"):
        await desk.call("die")
    assert await desk.call("add", a=1, b=2) == "3"
    assert notes.read() == ["started", "died", "started", "died", "started"]


async def test_a_server_that_comes_back(tools: McpTools, notes: Notes) -> None:
    with http_server(notes) as url:
        desk = Desk(tools, McpServer("fake", url=url))
        assert await desk.call("add", a=1, b=2) == "3"
    with pytest.raises(ToolError, match="can't be reached"):
        await desk.call("add", a=1, b=2)
    with http_server(notes, port=int(url.split(":")[2].split("/")[0])):
        assert await desk.call("add", a=1, b=2) == "3"


async def test_secrets(tools: McpTools, notes: Notes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server gets what it was given, by tenant if need be, and nothing else of the worker's."""
    monkeypatch.setenv("CRM_TOKEN", "t0ken")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    desk = Desk(tools, stdio_server(notes, env={"TOKEN": "${CRM_TOKEN}"}))
    assert await desk.call("secret") == "TOKEN=t0ken,OPENAI_API_KEY=None"

    async def by_tenant(tenant: str, metadata: Any) -> dict[str, str]:
        return {"TOKEN": f"{tenant}-{metadata.get('user')}"}

    desk = Desk(tools, stdio_server(notes, credentials=by_tenant))
    ana = ToolContext.for_test(tenant="acme", metadata={"user": "ana"})
    assert await desk.call("secret", ana) == "TOKEN=acme-ana,OPENAI_API_KEY=None"


async def test_all_kinds_of_results(tools: McpTools, notes: Notes) -> None:
    shown = await Desk(tools, stdio_server(notes)).call("gallery")
    assert shown.splitlines() == [
        "A picture:",
        "(an image)",
        "manual · file:///manual.txt",
        "memo:1",
        "remember",
    ]


@pytest.mark.parametrize(
    ("server", "why"),
    [
        (McpServer("gone", command=["no-such-command"]), "gone can't be reached"),
        (McpServer("gone", url="http://127.0.0.1:9/mcp"), "gone can't be reached"),
        (McpServer("gone", command=["true"]), "gone can't be reached"),
        (McpServer("gone", url="http://x.test", headers={"A": "${NO_SUCH}"}), "NO_SUCH"),
        (McpServer("gone", url="http://x.test", credentials=lambda *_: 1 / 0), "ZeroDivision"),  # type: ignore[arg-type]
    ],
)
async def test_a_server_that_is_not_there(tools: McpTools, server: McpServer, why: str) -> None:
    agent = Agent(name="desk", instructions="Help.", mcp=[server])
    [listing] = await tools.list(agent, "acme", {})
    assert why in (listing.fault or "")
    assert not listing.tools

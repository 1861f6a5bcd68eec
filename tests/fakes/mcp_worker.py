"""A worker as MCP servers see it: it lists and calls their tools, and remembers its sessions."""

from typing import Any

from outlast import Agent, McpServer, ToolContext
from outlast_worker.engine.planned_calls import NOTHING_ANSWERED, Answered, GivenAnswer
from outlast_worker.engine.records import PinnedTool, ServerAsks
from outlast_worker.mcp.asking import HeldCalls
from outlast_worker.mcp.sessions import McpSessions
from outlast_worker.mcp.tools import McpTools


class Worker:
    """A process that calls tools of one server; another one remembers nothing of it."""

    def __init__(self, server: McpServer, held: HeldCalls | None = None) -> None:
        self.tools = McpTools(McpSessions(), held)
        self.agent = Agent(name="desk", instructions="Help.", mcp=[server])
        self.pinned: dict[str, PinnedTool] = {}

    async def list(self) -> dict[str, PinnedTool]:
        """Return the server's tools, by name."""
        if not self.pinned:
            [listing] = await self.tools.list(self.agent, "acme", {})
            assert listing.fault is None
            self.pinned = {tool.name: tool for tool in listing.tools}
        return self.pinned

    async def call(
        self,
        name: str,
        answered: Answered = NOTHING_ANSWERED,
        context: ToolContext | None = None,
        /,
        **arguments: Any,
    ) -> Any:
        """Call a tool, as one step of a run does."""
        tool = self.tools.find(self.agent, (await self.list())[name], answered)
        assert tool
        given = context or ToolContext.for_test(tenant="acme")
        return await tool.fn(**{**arguments, str(tool.context_parameter): given})


def answered(asks: ServerAsks, before: Answered = NOTHING_ANSWERED, **content: Any) -> Answered:
    """Answer all that is asked in one way."""
    given = (GivenAnswer(question, "accept", content) for question in asks.questions)
    return Answered((*before.answers, *given), asks)

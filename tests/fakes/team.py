"""Agents that call agents, for tests: `chief` calls `lead`, who calls whoever does the work."""

from typing import Any

from outlast import Agent, AgentTool, Limits, Tool


def make_team(worker: Agent, *tools: Tool[..., Any]) -> list[Agent]:
    """Make agents above one that works; the lead has tools of its own, too."""
    called: list[AgentTool | Tool[..., Any]] = [
        worker.as_tool(name="ask", description="Ask somebody."),
        worker.as_tool(name="ask_again", description="Ask somebody who remembers.", thread="own"),
        worker.as_tool(name="ask_stranger", description="Ask a stranger.", context=False),
    ]
    lead = Agent(
        name="lead",
        description="Leads.",
        instructions="Do what the test says.",
        tools=[*called, *tools],
        limits=Limits(max_turns=100),
    )
    chief = Agent(name="chief", instructions="Do what the test says.", tools=[lead.as_tool()])
    return [lead, chief]

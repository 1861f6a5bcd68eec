"""Agents that call agents, for tests: `chief` calls `lead`, who calls whoever does the work."""

from typing import Any

from fakes.guide import agent as guide
from outlast import (
    Agent,
    AgentTool,
    HookedCall,
    Limits,
    RunContext,
    Tool,
    ToolResult,
    after_tool,
)


@after_tool
async def break_off(call: HookedCall, _result: ToolResult, _context: RunContext) -> None:
    """Fail after a call that held."""
    if call.name == "hold":
        raise RuntimeError("as the test wants it")


def make_team(worker: Agent, *tools: Tool[..., Any]) -> list[Agent]:
    """Make agents above one that works; the lead has tools of its own, too."""
    called: list[AgentTool | Tool[..., Any]] = [
        worker.as_tool(name="ask", description="Ask somebody."),
        worker.as_tool(name="ask_again", description="Ask somebody who remembers.", thread="own"),
        worker.as_tool(name="ask_stranger", description="Ask a stranger.", context=False),
        worker.as_tool(
            name="ask_gravely",
            description="Ask somebody what a person has approved.",
            needs_approval=lambda input: "idly" not in input,  # noqa: A006  # as the model's field
        ),
        guide.as_tool(name="ask_guide", description="Ask a guide."),
    ]
    lead = Agent(
        name="lead",
        description="Leads.",
        instructions="Do what the test says.",
        tools=[*called, *tools],
        limits=Limits(max_turns=100),
    )
    chief = Agent(name="chief", instructions="Do what the test says.", tools=[lead.as_tool()])
    fragile = Agent(
        name="fragile",
        instructions="Do what the test says.",
        tools=[*called, *tools],
        hooks=[break_off],
    )
    return [lead, chief, fragile]

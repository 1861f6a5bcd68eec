"""Whether a run may have what it asks for otherwise than its agent says.

The app asks before it accepts the run, and the worker when it pins the agent: that may be another
definition.
"""

from outlast.agent import Agent
from outlast.protocol import FREE_CHOICES, Override, Overrides

Fault = tuple[Override, str]
"""What can't be, and why."""


def faults_of(agent: Agent, asked: Overrides) -> list[Fault]:
    """Return what the agent does not allow, or can't do."""
    refused: list[Fault] = [
        (name, _refusal(agent, name)) for name in asked.asked if name not in agent.overrides
    ]
    return refused or _impossible_choice(agent, asked)


def _refusal(agent: Agent, name: Override) -> str:
    allowed = ", ".join(f'"{each}"' for each in sorted({*agent.overrides, name}))
    return (
        f"the agent {agent.name} does not allow it; its author does with the line "
        f"overrides={{{allowed}}} in Agent(…)"
    )


def _impossible_choice(agent: Agent, asked: Overrides) -> list[Fault]:
    names = {tool.name for tool in agent.tools}
    choice = asked.tool_choice
    if choice is None or choice in FREE_CHOICES | names or (choice == "required" and names):
        return []
    lacking = "no tools" if choice == "required" else f"no tool {choice!r}"
    return [("tool_choice", f"the agent {agent.name} has {lacking}")]

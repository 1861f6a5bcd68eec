"""Whether a run may have what it asks for otherwise than its agent says.

The app asks before it accepts the run, and the worker when it pins the agent: that may be another
definition.
"""

from outlast.agent import Agent
from outlast.client_tool import check_parameters
from outlast.json_schema import UnusableSchema, check_schema
from outlast.output import FINAL_RESULT
from outlast.protocol import FREE_CHOICES, Override, Overrides

Fault = tuple[Override, str]
"""What can't be, and why."""


def faults_of(agent: Agent, asked: Overrides) -> list[Fault]:
    """Return what the agent does not allow, or can't do."""
    refused: list[Fault] = [
        (name, _refusal(agent, name)) for name in asked.asked if name not in agent.overrides
    ]
    return refused or [
        *_unusable_tools(agent, asked),
        *_impossible_choice(agent, asked),
        *_unusable_schema(agent, asked),
    ]


def _refusal(agent: Agent, name: Override) -> str:
    allowed = ", ".join(f'"{each}"' for each in sorted({*agent.overrides, name}))
    return (
        f"the agent {agent.name} does not allow it; its author does with the line "
        f"overrides={{{allowed}}} in Agent(…)"
    )


def _unusable_tools(agent: Agent, asked: Overrides) -> list[Fault]:
    taken = {*(tool.name for tool in agent.tools), *agent.built_in}
    if agent.output or asked.output_schema is not None:
        taken.add(FINAL_RESULT)
    faults: list[Fault] = []
    for tool in asked.client_tools or ():
        if tool.name in taken:
            why = f"the agent {agent.name} has a tool {tool.name!r}; choose another name"
            faults.append(("client_tools", why))
        try:
            check_parameters(tool.parameters)
        except UnusableSchema as error:
            faults.append(("client_tools", f"parameters of {tool.name!r}: {error}"))
    return faults


def _unusable_schema(agent: Agent, asked: Overrides) -> list[Fault]:
    if asked.output_schema is None:
        return []
    if any(tool.name == FINAL_RESULT for tool in agent.tools):
        return [("output_schema", f"the agent {agent.name} has a tool called {FINAL_RESULT!r}")]
    try:
        check_schema(asked.output_schema)
    except UnusableSchema as error:
        return [("output_schema", str(error))]
    return []


def _impossible_choice(agent: Agent, asked: Overrides) -> list[Fault]:
    if agent.mcp:  # what its servers have is known when the run begins
        return []
    names = {tool.name for tool in [*agent.tools, *(asked.client_tools or ())]}
    names |= set(agent.built_in)
    return faults_of_choice(agent, asked, names)


def faults_of_choice(agent: Agent, asked: Overrides, names: set[str]) -> list[Fault]:
    """Return why a run can't have its choice of tools, which have these names."""
    choice = asked.tool_choice
    if choice is None or choice in FREE_CHOICES | names or (choice == "required" and names):
        return []
    lacking = "no tools" if choice == "required" else f"no tool {choice!r}"
    return [("tool_choice", f"the agent {agent.name} has {lacking}")]

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


def as_far_as_allowed(agent: Agent, asked: Overrides) -> Overrides:
    """Return what an agent takes of what was asked of another one, whose run it takes over."""
    left = asked.model_copy(
        update={name: None for name in asked.asked if name not in agent.overrides}
    )
    if left.client_tools:
        taken = taken_names(agent, left)
        free = [tool for tool in left.client_tools if tool.name not in taken]
        left = left.model_copy(update={"client_tools": free or None})
    impossible = {name: None for name, _ in faults_of(agent, left)}
    return left.model_copy(update=impossible)


def _refusal(agent: Agent, name: Override) -> str:
    allowed = ", ".join(f'"{each}"' for each in sorted({*agent.overrides, name}))
    return (
        f"the agent {agent.name} does not allow it; its author does with the line "
        f"overrides={{{allowed}}} in Agent(…)"
    )


def _unusable_tools(agent: Agent, asked: Overrides) -> list[Fault]:
    taken = taken_names(agent, asked)
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


def taken_names(agent: Agent, asked: Overrides) -> set[str]:
    """Return how no tool of a client's, or of a server's, may be called in a run."""
    asks_for_value = agent.output is not None or asked.output_schema is not None
    return {*agent.callable_names, *([FINAL_RESULT] if asks_for_value else [])}


def _unusable_schema(agent: Agent, asked: Overrides) -> list[Fault]:
    if asked.output_schema is None:
        return []
    if FINAL_RESULT in agent.callable_names:
        return [("output_schema", f"the agent {agent.name} has a tool called {FINAL_RESULT!r}")]
    try:
        check_schema(asked.output_schema)
    except UnusableSchema as error:
        return [("output_schema", str(error))]
    return []


def _impossible_choice(agent: Agent, asked: Overrides) -> list[Fault]:
    if agent.mcp:  # what its servers have is known when the run begins
        return []
    names = {*agent.callable_names, *(tool.name for tool in asked.client_tools or ())}
    return faults_of_choice(agent, asked, names)


def faults_of_choice(agent: Agent, asked: Overrides, names: set[str]) -> list[Fault]:
    """Return why a run can't have its choice of tools, which have these names."""
    choice = asked.tool_choice
    if choice is None or choice in FREE_CHOICES | names or (choice == "required" and names):
        return []
    lacking = "no tools" if choice == "required" else f"no tool {choice!r}"
    return [("tool_choice", f"the agent {agent.name} has {lacking}")]

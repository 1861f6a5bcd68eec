"""The tools that the worker brings along: how models are told of them, and what a call comes to."""

from collections.abc import Sequence

from outlast.agent import Agent
from outlast.built_in import SEARCH_TOOLS
from outlast.errors import ToolError
from outlast.json_schema import faults_of
from outlast_worker.engine.operations import RunBuiltIn
from outlast_worker.engine.records import PinnedTool, ToolRecord
from outlast_worker.stopwatch import Stopwatch
from outlast_worker.tools.skills import pin_skills, read_skill
from outlast_worker.tools.tool_search import pin_search, search


def pin_built_in(agent: Agent, tools: Sequence[PinnedTool]) -> list[PinnedTool]:
    """Return those that a run needs which has these other tools."""
    deferred = [tool for tool in tools if tool.deferred]
    return [
        *([pin_skills(agent.known_skills)] if agent.known_skills else ()),
        *([pin_search(deferred)] if deferred else ()),
    ]


def run_built_in(agent: Agent, operation: RunBuiltIn) -> ToolRecord:
    """Do what a call says; whatever it says, a record comes back."""
    watch = Stopwatch()
    call, tool = operation.call, operation.tool
    # Some models write null for what they leave out.
    given = {name: value for name, value in call.arguments.items() if value is not None}
    if faults := faults_of(tool.parameters, given):
        text = f"The arguments of {call.name} are not valid: {'; '.join(faults)}"
        return ToolRecord.failed(text, "invalid_arguments", watch.read())
    asked = {name: str(value) for name, value in given.items()}
    try:
        if tool.name == SEARCH_TOOLS:
            output = search(asked["query"], operation.tools)
        else:
            pinned = tool.skills or {}
            output = read_skill(agent.known_skills, pinned, asked["name"], asked.get("file"))
    except ToolError as error:
        return ToolRecord.failed(str(error), "tool_error", watch.read())
    return ToolRecord(
        output=output, is_error=False, started_at=watch.started_at, ended_at=watch.read()
    )

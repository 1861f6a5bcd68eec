"""The contract between app and worker, and the public names for agent files."""

from outlast.agent import Agent
from outlast.effects import Done, NotDone, Unknown
from outlast.errors import DefinitionError, InDoubt, ToolError
from outlast.protocol import Limits, ModelSettings
from outlast.run_context import RunContext
from outlast.tool import Tool, tool
from outlast.tool_context import ToolContext

__all__ = [
    "Agent",
    "DefinitionError",
    "Done",
    "InDoubt",
    "Limits",
    "ModelSettings",
    "NotDone",
    "RunContext",
    "Tool",
    "ToolContext",
    "ToolError",
    "Unknown",
    "tool",
]

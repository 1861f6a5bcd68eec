"""The contract between app and worker, and the public names for agent files."""

from shared.agent import Agent
from shared.errors import DefinitionError, ToolError
from shared.protocol import Limits
from shared.tool import Tool, ToolContext, tool

__all__ = ["Agent", "DefinitionError", "Limits", "Tool", "ToolContext", "ToolError", "tool"]

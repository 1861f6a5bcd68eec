"""The contract between app and worker, and the public names for agent files."""

from outlast.agent import Agent
from outlast.agent_tool import AgentTool
from outlast.client_tool import ClientTool, client_tool
from outlast.durable_context import DurableContext
from outlast.effects import Done, NotDone, Unknown
from outlast.errors import DefinitionError, InDoubt, StepError, ToolError
from outlast.handoff import Handoff
from outlast.hooks import (
    AskAgain,
    AskPerson,
    HookedCall,
    Instead,
    ModelAnswer,
    Prompt,
    Refuse,
    ToolResult,
    after_model,
    after_tool,
    before_model,
    before_tool,
    input_guardrail,
    on_end,
    output_guardrail,
)
from outlast.mcp import McpServer
from outlast.protocol import FilePart, ImagePart, Limits, ModelSettings, TextPart
from outlast.run_context import RunContext
from outlast.tool import Tool, tool
from outlast.tool_context import ToolContext
from outlast.tool_output import ToolOutput

__all__ = [
    "Agent",
    "AgentTool",
    "AskAgain",
    "AskPerson",
    "ClientTool",
    "DefinitionError",
    "Done",
    "DurableContext",
    "FilePart",
    "Handoff",
    "HookedCall",
    "ImagePart",
    "InDoubt",
    "Instead",
    "Limits",
    "McpServer",
    "ModelAnswer",
    "ModelSettings",
    "NotDone",
    "Prompt",
    "Refuse",
    "RunContext",
    "StepError",
    "TextPart",
    "Tool",
    "ToolContext",
    "ToolError",
    "ToolOutput",
    "ToolResult",
    "Unknown",
    "after_model",
    "after_tool",
    "before_model",
    "before_tool",
    "client_tool",
    "input_guardrail",
    "on_end",
    "output_guardrail",
    "tool",
]

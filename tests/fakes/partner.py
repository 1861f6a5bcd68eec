"""An agent for clients of other protocols: all of its tools' kinds, and all may be otherwise."""

import asyncio
import json
import os
from pathlib import Path

from pydantic import BaseModel, Field

from outlast import Agent, ToolContext, client_tool, tool


class Place(BaseModel):
    """What to look for."""

    of: str = Field(description="Whom to find.")


def _trace(name: str, context: ToolContext, **details: object) -> None:
    line = json.dumps({"tool": name, "key": context.idempotency_key, **details})
    with Path(os.environ["EFFECTS_FILE"]).open("a") as file:
        file.write(line + "\n")


@tool
async def look_up(word: str, context: ToolContext) -> str:
    """Look a word up.

    Args:
        word: Which.
    """
    _trace("look_up", context, word=word)
    return f"{word}: a word"


@tool
async def wait_at(gate: str, context: ToolContext) -> str:
    """Wait until a gate is open.

    Args:
        gate: The gate's name.
    """
    _trace("wait_at", context, gate=gate)
    while not (Path(os.environ["GATES_DIR"]) / gate).exists():  # noqa: ASYNC110  # another process opens it
        await asyncio.sleep(0.01)
    return f"{gate} is open"


@tool(needs_approval=True)
async def transfer(cents: int, context: ToolContext) -> str:
    """Send money, which a person must approve.

    Args:
        cents: How much.
    """
    _trace("transfer", context, cents=cents)
    return f"sent {cents}"


agent = Agent(
    name="partner",
    description="Does what the test says.",
    instructions="Do what the test says.",
    tools=[look_up, wait_at, transfer, client_tool("locate", "Find somebody.", Place)],
    overrides={"options", "instructions", "client_tools", "output_schema", "tool_choice"},
)

"""An agent whose tools need what a lifespan opens: a till. `AGENTS=fakes.till`.

`TILL=fails` lets the entry fail; `TILL=waits` lets it wait for the gate `till`. Each entry and
each exit is a line in `EFFECTS_FILE`, as those of tools are.
"""

import asyncio
import json
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from outlast import Agent, ToolContext, tool


@dataclass
class Till:
    """What the tools of a process share."""

    is_open: bool = True
    paid: list[int] = field(default_factory=list[int])


def _trace(**details: object) -> None:
    with Path(os.environ["EFFECTS_FILE"]).open("a") as file:
        file.write(json.dumps({"tool": "lifespan", "pid": os.getpid(), **details}) + "\n")


@asynccontextmanager
async def lifespan() -> AsyncGenerator[Till]:
    """Open the till."""
    if os.environ.get("TILL") == "fails":
        raise KeyError("TILL_SECRET")
    gate = Path(os.environ["GATES_DIR"]) / "till"
    while os.environ.get("TILL") == "waits" and not gate.exists():  # noqa: ASYNC110  # a file tells nobody
        await asyncio.sleep(0.01)
    till = Till()
    _trace(did="entered")
    yield till
    till.is_open = False
    _trace(did="left")


def _is_large(cents: int, context: ToolContext[Till]) -> bool:
    return context.resources.is_open and cents > 100


@tool(needs_approval=_is_large)
async def take(cents: int, context: ToolContext[Till]) -> str:
    """Take money.

    Args:
        cents: How much.
    """
    context.resources.paid.append(cents)
    return f"took {cents}"


@tool
def sum_up(cents: int, context: ToolContext[Till]) -> str:
    """Say whether so much was taken, in a thread.

    Args:
        cents: How much.
    """
    return f"{context.resources.paid.count(cents)} times, till open: {context.resources.is_open}"


agent = Agent(name="till", instructions="Do what the test says.", tools=[take, sum_up])
agents: list[Agent] = [agent]

"""Agents that hand over to each other, for tests: a front, and those who work behind it."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

from outlast import Agent, Handoff, RunContext, Tool


def _trace(run_id: str) -> None:
    with Path(os.environ["EFFECTS_FILE"]).open("a") as file:
        file.write(json.dumps({"tool": "instructions", "run": run_id}) + "\n")


async def instructions(context: RunContext) -> str:
    """Wait at a gate, if the run names one, while somebody takes over."""
    gate = context.metadata.get("gate")
    _trace(context.run_id)
    while gate and not (Path(os.environ["GATES_DIR"]) / gate).exists():  # noqa: ASYNC110  # another process opens it
        await asyncio.sleep(0.01)
    return f"You are the {context.agent}."


def make_desks(courier: Agent, front: Tool[..., Any], *back: Tool[..., Any]) -> list[Agent]:
    """Make a front that hands over to the back, which has other tools, and to a courier."""
    office = Agent(
        name="office",
        description="Works.",
        instructions=instructions,
        tools=back,
        handoffs=["front"],
    )
    desk = Agent(
        name="front",
        description="Asks.",
        instructions="You are the front.",
        tools=[front],
        handoffs=[office, Handoff(courier, description="Sends parcels.")],
        sticky_handoff=True,
    )
    return [desk, office]

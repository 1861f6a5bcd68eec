"""An agent whose tools move money, in each of the ways in which a tool may have effects.

A transfer is a line in `EFFECTS_FILE`, between two pauses in which a process may be killed.
"""

import asyncio
import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from outlast import Agent, Done, InDoubt, NotDone, ToolContext, tool

_PAUSE_S = 0.05
_TIMEOUT = timedelta(seconds=3)


def transfers(tool_name: str, key: str) -> list[dict[str, Any]]:
    """Return the transfers that were made by a tool with a key."""
    path = Path(os.environ["EFFECTS_FILE"])
    lines = path.read_text().splitlines() if path.exists() else []
    made = [json.loads(line) for line in lines]
    return [each for each in made if (each.get("tool"), each.get("key")) == (tool_name, key)]


async def _transfer(tool_name: str, cents: int, context: ToolContext) -> str:
    await asyncio.sleep(_PAUSE_S)
    _write(tool_name, cents, context)
    await asyncio.sleep(_PAUSE_S)
    return f"sent {cents}"


def _write(tool_name: str, cents: int, context: ToolContext) -> None:
    line = json.dumps({"tool": tool_name, "key": context.idempotency_key, "cents": cents})
    with Path(os.environ["EFFECTS_FILE"]).open("a") as file:
        file.write(line + "\n")


async def _wait_at(gate: str) -> None:
    while not (Path(os.environ["GATES_DIR"]) / gate).exists():  # noqa: ASYNC110  # another process opens it
        await asyncio.sleep(0.01)


@tool(effect="once", timeout=_TIMEOUT)
async def send(cents: int, context: ToolContext) -> str:
    """Send money, of which nobody can tell whether it was sent.

    Args:
        cents: How much.
    """
    return await _transfer("send", cents, context)


async def _find_out(cents: int, context: ToolContext) -> Done | NotDone:
    """Look into the books."""
    if transfers("send_traceable", context.idempotency_key):
        return Done(f"sent {cents}")
    return NotDone()


@tool(effect="once", timeout=_TIMEOUT, verify=_find_out)
async def send_traceable(cents: int, context: ToolContext) -> str:
    """Send money, which the books tell of.

    Args:
        cents: How much.
    """
    return await _transfer("send_traceable", cents, context)


@tool
async def send_keyed(cents: int, context: ToolContext) -> str:
    """Send money to a bank that sends once for each key.

    Args:
        cents: How much.
    """
    await asyncio.sleep(_PAUSE_S)
    _write("attempt", cents, context)
    if not transfers("send_keyed", context.idempotency_key):
        _write("send_keyed", cents, context)
    await asyncio.sleep(_PAUSE_S)
    return f"sent {cents}"


@tool(effect="once", needs_approval=True, timeout=_TIMEOUT)
async def send_approved(cents: int, context: ToolContext) -> str:
    """Send money, which a person must approve.

    Args:
        cents: How much.
    """
    return await _transfer("send_approved", cents, context)


@tool(effect="once", timeout=timedelta(seconds=30))
async def send_slowly(cents: int, gate: str, context: ToolContext) -> str:
    """Send money, and wait at a gate.

    Args:
        cents: How much.
        gate: The gate's name.
    """
    _write("send_slowly", cents, context)
    await _wait_at(gate)
    return f"sent {cents}"


@tool(effect="once", timeout=timedelta(seconds=0.5))
async def send_too_slowly(cents: int, context: ToolContext) -> str:
    """Send money to a bank that never answers.

    Args:
        cents: How much.
    """
    _write("send_too_slowly", cents, context)
    await asyncio.Event().wait()
    return f"sent {cents}"


@tool(effect="once")
async def send_over_a_bad_line(cents: int, context: ToolContext) -> str:
    """Send money over a line that breaks.

    Args:
        cents: How much.
    """
    _write("send_over_a_bad_line", cents, context)
    raise InDoubt("the line to the bank broke")


agent = Agent(
    name="bank",
    instructions="Send money.",
    tools=[
        send,
        send_traceable,
        send_keyed,
        send_approved,
        send_slowly,
        send_too_slowly,
        send_over_a_bad_line,
    ],
)

"""Agents for tests: tools that wait, fail and leave traces. `AGENTS=fakes.agents`.

Traces are lines in `EFFECTS_FILE`; a tool that holds waits for a file in `GATES_DIR`.
"""

import asyncio
import json
import os
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from example_agents.guide import agent as example_guide
from example_agents.support import agent as support
from fakes.bank import agent as bank
from fakes.clerk import agent as clerk
from fakes.clerk import asker, stranded
from fakes.courier import agent as courier
from fakes.desks import make_desks
from fakes.guarded import agent as guarded
from fakes.guide import agent as guide
from fakes.partner import agent as partner
from fakes.scholar import make_scholar
from fakes.team import make_team
from fakes.till import agent as till
from fakes.till import lifespan
from outlast import Agent, ImagePart, Limits, ModelSettings, ToolContext, ToolOutput, tool

LEAKED = "postgres://shop:4711@db"
"""What no client may read."""


def _trace(tool_name: str, context: ToolContext, **details: object) -> None:
    line = json.dumps({"tool": tool_name, "key": context.idempotency_key, **details})
    with Path(os.environ["EFFECTS_FILE"]).open("a") as file:
        file.write(line + "\n")


def _gate(name: str) -> Path:
    return Path(os.environ["GATES_DIR"]) / name


@tool
async def note(text: str, context: ToolContext) -> str:
    """Leave a trace.

    Args:
        text: What to write down.
    """
    _trace("note", context, text=text)
    return f"noted {text}"


@tool
async def hold(gate: str, context: ToolContext) -> str:
    """Leave a trace and wait until the gate is open.

    Args:
        gate: The gate's name.
    """
    _trace("hold", context, gate=gate)
    while not _gate(gate).exists():  # noqa: ASYNC110  # another process opens it
        await asyncio.sleep(0.01)
    _trace("hold", context, passed=gate)
    return f"{gate} is open"


@tool
def hold_sync(gate: str, context: ToolContext) -> str:
    """Leave a trace and wait in a thread until the gate is open.

    Args:
        gate: The gate's name.
    """
    _trace("hold_sync", context, gate=gate)
    while not _gate(gate).exists():
        time.sleep(0.01)
    _trace("hold_sync", context, passed=gate)
    return f"{gate} is open"


@tool
async def fail(text: str) -> str:
    """Raise an exception.

    Args:
        text: Its text.
    """
    raise ValueError(text)


@tool
async def leak() -> str:
    """Fail as a client of a database does."""
    raise ConnectionError(LEAKED)


@tool
async def big(size: int) -> str:
    """Return a long text.

    Args:
        size: How many characters.
    """
    return "x" * size


@tool(timeout=timedelta(seconds=0.3))
async def slow(seconds: float) -> str:
    """Take longer than allowed.

    Args:
        seconds: How long.
    """
    await asyncio.sleep(seconds)
    return "done"


@tool(timeout=timedelta(seconds=120))
async def pause(seconds: float) -> str:
    """Take a while.

    Args:
        seconds: How long.
    """
    await asyncio.sleep(seconds)
    return f"waited {seconds:g} s"


@tool
async def block(seconds: float) -> str:
    """Hold up the event loop, as a tool must not.

    Args:
        seconds: How long.
    """
    time.sleep(seconds)  # noqa: ASYNC251  # the very mistake that is tested
    return "done"


@tool(needs_approval=True)
async def pay(cents: int, context: ToolContext) -> str:
    """Pay, which a person must approve.

    Args:
        cents: How much.
    """
    _trace("pay", context, cents=cents)
    return f"paid {cents}"


@tool(needs_approval=True)
async def publish(text: str, context: ToolContext) -> str:
    """Publish, which a person must approve.

    Args:
        text: What to publish.
    """
    _trace("publish", context)
    return f"published {len(text)} characters"


@tool(needs_approval=lambda cents: cents > 100)
async def pay_little(cents: int, context: ToolContext) -> str:
    """Pay, which a person must approve if it is much.

    Args:
        cents: How much.
    """
    _trace("pay_little", context, cents=cents)
    return f"paid {cents}"


@tool(needs_approval=True, approval_timeout=timedelta(seconds=1))
async def pay_now(cents: int, context: ToolContext) -> str:
    """Pay, which a person must approve soon.

    Args:
        cents: How much.
    """
    _trace("pay_now", context, cents=cents)
    return f"paid {cents}"


@tool(needs_approval=True, approval_timeout=timedelta(seconds=4))
async def pay_soon(cents: int, context: ToolContext) -> str:
    """Pay, which a person must approve within seconds.

    Args:
        cents: How much.
    """
    _trace("pay_soon", context, cents=cents)
    return f"paid {cents}"


@tool
async def count(steps: int, gate: str, context: ToolContext) -> str:
    """Say how far it is, wait at a gate, and end.

    Args:
        steps: How far to count.
        gate: The gate's name.
    """
    context.report_progress(steps, steps, "counted")
    return await hold(gate, context)


@tool(effect="read")
async def chart(title: str) -> ToolOutput:
    """Draw a chart.

    Args:
        title: Of what.
    """
    return ToolOutput(f"The chart of {title}:", ImagePart.of(b"png"))


tester = Agent(
    name="tester",
    limits=Limits(max_turns=200),
    instructions="Do what the test says.",
    tools=[
        note,
        hold,
        hold_sync,
        fail,
        leak,
        big,
        slow,
        pause,
        block,
        pay,
        publish,
        pay_little,
        pay_now,
        pay_soon,
        count,
        chart,
    ],
)
greeter = Agent(name="greeter", instructions="You greet for {{company}}.")
short = Agent(name="short", instructions="Be brief.", tools=[note], limits=Limits(max_turns=2))
open_minded = Agent(
    name="open_minded",
    instructions="Be open.",
    tools=[note],
    model_settings=ModelSettings(max_output_tokens=700),
    overrides={"instructions", "options", "tool_choice", "output_schema"},
)
asking = Agent(
    name="asking",
    model="openai/nobody-knows-its-price",
    instructions="Ask.",
    tools=[note],
    limits=Limits(max_turns=1),
    on_limit="approve",
)

with_fallback = Agent(
    name="with_fallback",
    instructions="Go on.",
    model="openai/first",
    fallbacks=["hosted_vllm/spare"],
    tools=[note],
)

thinker = Agent(
    name="thinker",
    instructions="Think.",
    model="anthropic/claude-sonnet-4-5",
    model_settings=ModelSettings(reasoning_effort="low"),
    tools=[note, hold],
)

# Windows that a few messages fill.
rambler = Agent(name="rambler", instructions="Talk.", tools=[note], context_window=1_000)
forgetful = Agent(name="forgetful", instructions="Talk.", context_window=1_000, compaction="window")


class Ticket(BaseModel):
    title: str
    urgency: Literal["low", "high"]


typed = Agent(name="typed", instructions="Sort it.", tools=[note], output_type=Ticket)

agents: list[Agent] = [
    tester,
    greeter,
    short,
    open_minded,
    asking,
    typed,
    courier,
    with_fallback,
    thinker,
    rambler,
    forgetful,
    guarded,
    support,
    till,
    bank,
    guide,
    replace(example_guide, name="city_guide"),
    partner,
    clerk,
    stranded,
    asker,
    make_scholar([note, pay]),
    *make_team(tester, note, hold),
    *make_desks(courier, note, hold, pay),
]
__all__ = ["agents", "lifespan"]

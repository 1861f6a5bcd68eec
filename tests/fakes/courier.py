"""An agent with durable tools, whose steps leave traces and wait at gates."""

import asyncio
import json
import os
from datetime import timedelta
from pathlib import Path

from outlast import Agent, DurableContext, StepError, tool


def _trace(**details: object) -> None:
    with Path(os.environ["EFFECTS_FILE"]).open("a") as file:
        file.write(json.dumps({"tool": "deliver", **details}) + "\n")


async def label(parcel: str, key: str) -> str:
    _trace(step="label", parcel=parcel, key=key)
    return f"label of {parcel}"


def weigh(parcel: str) -> float:
    _trace(step="weigh", parcel=parcel)
    return float(len(parcel))


async def hand_over(parcel: str, gate: str | None) -> None:
    _trace(step="hand over", parcel=parcel)
    while gate and not (Path(os.environ["GATES_DIR"]) / gate).exists():  # noqa: ASYNC110  # another process opens it
        await asyncio.sleep(0.01)


async def fail(parcel: str) -> None:
    _trace(step="fail", parcel=parcel)
    raise ConnectionError("postgres://shop:4711@db is away")


@tool(durable=True, signals=["paid", "address"], timeout=timedelta(days=30))
async def deliver(
    parcel: str,
    context: DurableContext,
    paid_within_s: float | None = None,
    pause_s: float = 0,
    gate: str | None = None,
) -> str:
    """Deliver a parcel once it is paid.

    Args:
        parcel: Which one.
        paid_within_s: How long to wait for the money.
        pause_s: How long the parcel lies before it is handed over.
        gate: What it waits at while it is handed over.
    """
    printed = await context.step("label", label, parcel, key=f"{context.idempotency_key}:label")
    within = timedelta(seconds=paid_within_s) if paid_within_s is not None else None
    try:
        paid = await context.wait_for_signal("paid", timeout=within)
    except TimeoutError:
        return f"{parcel} was not paid in time"
    kilos = await context.step("weigh", weigh, parcel)
    if pause_s:
        await context.sleep(timedelta(seconds=pause_s))
    await context.step("hand over", hand_over, parcel, gate)
    return f"{printed}, {kilos} kg, paid {json.dumps(paid)}"


@tool(durable=True, timeout=timedelta(seconds=2), retries=1)
async def lose(parcel: str, how: str, context: DurableContext) -> str:
    """Lose a parcel.

    Args:
        parcel: Which one.
        how: `fails`, `late`, `beside` or `caught`.
    """
    match how:
        case "fails":
            await context.step("fail", fail, parcel)
        case "caught":
            try:
                await context.step("fail", fail, parcel)
            except StepError as error:
                return f"caught a {error.kind} of {error.step}"
        case "beside":
            await asyncio.gather(context.step("a", weigh, parcel), context.step("b", weigh, parcel))
        case _:
            await context.sleep(timedelta(days=1))
    return "found again"


agent = Agent(name="courier", instructions="Deliver.", tools=[deliver, lose])

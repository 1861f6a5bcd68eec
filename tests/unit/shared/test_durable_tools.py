"""Durable tools: what their authors declare, and how they test them as functions."""

from datetime import timedelta
from typing import Any

import pytest

from outlast import Agent, DefinitionError, DurableContext, StepError, ToolContext, tool
from outlast.registry import Registry


def count(texts: list[str], *, more: int = 0) -> int:
    return len(texts) + more


async def shout(text: str) -> str:
    return text.upper()


@tool(durable=True, signals=["paid"], timeout=timedelta(days=3), retries=2)
async def ship(order_id: str, context: DurableContext[str]) -> str:
    """Ship an order once it is paid.

    Args:
        order_id: Which one.
    """
    said = await context.step("shout", shout, order_id)
    number = await context.step("count", count, [said], more=1)
    try:
        paid = await context.wait_for_signal("paid", timeout=timedelta(hours=1))
    except TimeoutError:
        return f"{said} is not paid"
    await context.sleep(timedelta(days=1))
    return f"{said} {number} {paid} {context.resources}"


async def test_as_a_function() -> None:
    """A test calls it with a context whose steps are called as they come, in no time."""
    context = DurableContext.for_test(signals={"paid": 5}, resources="r")
    assert await ship("a", context) == "A 2 5 r"
    assert await ship("a", DurableContext.for_test()) == "A is not paid"


async def test_a_signal_that_the_test_forgot() -> None:
    """A test that would wait for ever says what to give."""
    with pytest.raises(LookupError, match="signals="):
        await DurableContext.for_test().wait_for_signal("paid")


def test_what_it_is() -> None:
    """The schema leaves the context out; the description says what is special."""
    assert set(ship.parameters["properties"]) == {"order_id"}
    assert ship.signals == frozenset({"paid"})
    agent = Agent(name="a", instructions="Ship.", tools=[ship])
    described = Registry([agent], "openai/x").describe(agent).tools[0]
    assert (described.durable, described.signals) == (True, ["paid"])
    assert (described.timeout_s, described.retries) == (3 * 24 * 3600, 2)


def test_a_step_error_shows_its_step() -> None:
    """Its text is for the log; its parts are for the tool."""
    error = StepError("pay", "ConnectionError", "away")
    assert (error.step, error.kind, error.text) == ("pay", "ConnectionError", "away")


def _plain(context: ToolContext) -> None:
    """Do."""


async def _async(context: DurableContext) -> None:
    """Do."""


async def _bare() -> None:
    """Do."""


async def _optional(context: DurableContext | None) -> None:
    """Do."""


async def _other(context: ToolContext) -> None:
    """Do."""


MISTAKES: list[tuple[Any, dict[str, Any], str]] = [
    (_plain, {"durable": True}, "a durable tool is async"),
    (_bare, {"durable": True}, "context: DurableContext"),
    (_optional, {"durable": True}, "its context is always there"),
    (_other, {"durable": True}, "its context is a DurableContext"),
    (_async, {}, "or add durable=True"),
    (_async, {"signals": ["paid"]}, "add durable=True"),
    (_async, {"durable": True, "signals": "paid"}, r"signals=\['paid'\]"),
    (_async, {"durable": True, "signals": ["no name"]}, "no name for a signal"),
    (_async, {"durable": True, "effect": "read"}, "leave it out"),
    (_async, {"durable": True, "effect": "once"}, "leave it out"),
    (_async, {"durable": True, "step_timeout": timedelta(0)}, "at most a day"),
    (_async, {"durable": True, "step_timeout": timedelta(days=2)}, "at most a day"),
    (_async, {"durable": True, "step_timeout": 5}, "at most a day"),
]


@pytest.mark.parametrize(("fn", "options", "fix"), MISTAKES, ids=range(len(MISTAKES)))
def test_mistakes(fn: Any, options: dict[str, Any], fix: str) -> None:
    """What can't work is refused when the file is imported, with the way to mend it."""
    with pytest.raises(DefinitionError, match=fix):
        tool(**options, name="x")(fn)

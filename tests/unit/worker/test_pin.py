"""The pin: an agent's definition, rendered for one run."""

from datetime import timedelta
from typing import Any

import pytest

from fakes.orders import order
from outlast import Agent, Limits, tool
from outlast.registry import Registry
from outlast_worker.engine.records import Pin, PinFailure, PinOutcome
from outlast_worker.pin import pin_agent
from outlast_worker.settings import WorkerSettings


@tool(timeout=timedelta(seconds=5))
async def refund(cents: int) -> str:
    """Pay back.

    Args:
        cents: How much.
    """
    return ""


def pinned(agent: Agent, context: dict[str, Any] | None = None) -> PinOutcome:
    registry = Registry([agent], default_model="openai/default")
    settings = WorkerSettings(model_retry_for_s=7)
    return pin_agent(registry, agent, order(context=context or {}), settings)


def test_pin() -> None:
    """Everything that the run needs of the definition is in its journal."""
    agent = Agent(
        name="support",
        instructions="Help customers of {{company}}.",
        tools=[refund],
        limits=Limits(max_turns=3),
        model_options={"temperature": 0},
    )
    pin = pinned(agent, {"company": "Acme"})
    assert isinstance(pin, Pin)
    assert pin.instructions == "Help customers of Acme."
    assert (pin.model, pin.model_options) == ("openai/default", {"temperature": 0})
    assert (pin.max_turns, pin.model_retry_for_s) == (3, 7)
    [told] = pin.tools
    assert (told.name, told.description) == ("refund", "Pay back.")
    assert told.parameters == refund.parameters


@pytest.mark.parametrize("limits", [Limits(), Limits(max_turns=None)])
def test_a_run_always_ends(limits: Limits) -> None:
    """An agent that sets no limit of turns has one."""
    pin = pinned(Agent(name="support", instructions="Help.", limits=limits))
    assert isinstance(pin, Pin)
    assert pin.max_turns == 20


def test_a_name_that_the_context_lacks() -> None:
    """Instructions that can't be filled in fail the run, and say which name they need."""
    failure = pinned(Agent(name="support", instructions="Help {{company}}."))
    assert isinstance(failure, PinFailure)
    assert failure.error.type == "definition-missing"
    assert "{{company}}" in failure.error.message

"""What an agent is asked that another one calls, as the step reads it."""

from typing import Any

import pytest
from pydantic import BaseModel, field_validator

from outlast import Agent
from outlast.registry import Registry
from outlast_worker.engine.planned_calls import PlannedCall
from outlast_worker.engine.records import ChildInput
from outlast_worker.tools.agent_input import read_child_input


class Fragile(BaseModel):
    topic: str

    @field_validator("topic")
    @classmethod
    def _breaks(cls, _topic: str) -> str:
        raise LookupError("postgres://secret")


researcher = Agent(name="researcher", description="Finds out.", instructions="Find out.")
boss = Agent(
    name="boss",
    instructions="Lead.",
    tools=[researcher.as_tool(), researcher.as_tool(name="fragile", input=Fragile)],
)


def read(name: str, agent: Agent = boss, **arguments: Any) -> ChildInput:
    registry = Registry([boss, researcher], "openai/x")
    return read_child_input(agent, registry, PlannedCall(1, "1.0", name, arguments, known=True))


def test_what_is_asked() -> None:
    """Arguments that fit are the child's input."""
    assert read("researcher", input="Why?").text == "Why?"


@pytest.mark.parametrize("arguments", [{}, {"input": ""}, {"input": "a", "other": 1}])
def test_arguments_that_do_not_fit(arguments: dict[str, Any]) -> None:
    """They are the model's to mend."""
    asked = read("researcher", **arguments)
    assert (asked.text, asked.error_type) == (None, "invalid_arguments")
    assert "The arguments of researcher are not valid" in (asked.fault or "")


def test_a_model_that_raises() -> None:
    """Its text is for the calling model alone."""
    asked = read("fragile", topic="rain")
    assert (asked.text, asked.error_type) == (None, "tool_error")
    assert "secret" not in (asked.fault or "")
    assert "secret" in (asked.told or "")


def test_an_agent_that_is_gone() -> None:
    """A deploy took the tool away from under the run: it is told, and nobody is called in vain."""
    without = Agent(name="boss", instructions="Lead.")
    assert read("researcher", without, input="Why?").error_type == "unknown_tool"

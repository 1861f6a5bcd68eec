"""What a run may have otherwise than its agent says."""

from typing import Any, get_args

import pytest

from outlast import Agent, McpServer, tool
from outlast.overrides import faults_of, faults_of_choice
from outlast.protocol import Override, Overrides, StartRun


@tool
def find() -> str:
    """Find."""
    return ""


def agent(*allowed: Override, tools: bool = True) -> Agent:
    return Agent(
        name="desk", instructions="Help.", tools=[find] if tools else [], overrides=allowed
    )


def faults(agent: Agent, **asked: Any) -> list[tuple[str, str]]:
    return [*faults_of(agent, Overrides.model_validate(asked))]


def test_each_field_is_allowed_by_its_name() -> None:
    """What a start may ask for otherwise, and what an agent may allow, are the same words."""
    assert set(Overrides.model_fields) == set(get_args(Override))
    assert set(Overrides.model_fields) <= set(StartRun.model_fields)


ALL: dict[str, Any] = {
    "instructions": "More.",
    "options": {"top_p": 0.5},
    "tool_choice": "none",
    "output_schema": {"type": "object"},
}


def test_what_is_asked_for() -> None:
    """Only what is given counts as asked for, with the fields that say nothing left out."""
    assert Overrides().asked == ()
    assert set(Overrides.model_validate(ALL).asked) == set(ALL)
    assert StartRun(input="Hi.", context={"a": 1}).asked == ()


def test_allowed() -> None:
    """What the author allows is fine."""
    assert faults(agent("instructions", "options", "tool_choice", "output_schema"), **ALL) == []
    assert faults(agent("tool_choice"), tool_choice="find") == []
    assert faults(agent("tool_choice"), tool_choice="required") == []


def test_refused_by_name() -> None:
    """What the author does not allow is refused by name, with the line that allows it."""
    refused = dict(faults(agent("options"), **ALL))
    assert set(refused) == {"instructions", "tool_choice", "output_schema"}
    assert 'overrides={"instructions", "options"} in Agent(…)' in refused["instructions"]


@pytest.mark.parametrize(
    ("tools", "choice", "why"),
    [(True, "pay", "no tool 'pay'"), (False, "required", "no tools")],
)
def test_impossible_choices(tools: bool, choice: Any, why: str) -> None:
    """A choice of a tool that is not there would be refused by each provider in its own words."""
    [(field, fault)] = faults(agent("tool_choice", tools=tools), tool_choice=choice)
    assert field == "tool_choice"
    assert why in fault


def test_unusable_schemas() -> None:
    """A schema that can't be used is refused before anything is started."""
    [(field, fault)] = faults(agent("output_schema"), output_schema={"$ref": "#"})
    assert (field, fault) == ("output_schema", "the schema refers to itself: #")


def test_a_schema_beside_a_tool_of_its_name() -> None:
    """What models answer by may not be a tool's name."""

    @tool
    def final_result() -> str:
        """Clash."""
        return ""

    clashing = Agent(
        name="desk", instructions="Help.", tools=[final_result], overrides={"output_schema"}
    )
    [(field, fault)] = faults(clashing, output_schema={})
    assert field == "output_schema"
    assert "'final_result'" in fault


def test_a_choice_among_what_servers_have() -> None:
    """Tools of MCP servers are known when the run begins; until then any may be chosen."""
    served = Agent(
        name="desk",
        instructions="Help.",
        mcp=[McpServer("time", command=["time"])],
        overrides={"tool_choice"},
    )
    assert faults(served, tool_choice="now") == []
    asked = Overrides(tool_choice="now")
    assert faults_of_choice(served, asked, {"now"}) == []
    [(field, fault)] = faults_of_choice(served, asked, {"then"})
    assert (field, fault) == ("tool_choice", "the agent desk has no tool 'now'")

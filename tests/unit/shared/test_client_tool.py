"""Tools that clients run, as authors and callers declare them."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from outlast import Agent, DefinitionError, client_tool
from outlast.overrides import faults_of
from outlast.protocol import ClientToolSpec, Overrides, StartRun, from_client
from outlast.registry import Registry

CITY = {"type": "object", "properties": {"city": {"type": "string"}}}


class Place(BaseModel):
    city: str


def test_declared() -> None:
    """Parameters are a model, a schema, or nothing; clients see who runs the tool."""
    locate = client_tool("locate", "Where the user is.", Place, timeout=timedelta(minutes=5))
    assert locate.parameters["properties"] == {"city": {"type": "string"}}
    assert client_tool("a", "b", CITY).parameters == CITY
    assert client_tool("a", "b").parameters == {"type": "object", "properties": {}}
    agent = Agent(name="guide", instructions="Guide.", tools=[locate])
    [described] = Registry([agent], "openai/x").describe(agent).tools
    assert (described.kind, described.name, described.timeout_s) == ("client", "locate", 300)
    assert agent.functions == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"name": "a b"}, "a name has letters"),
        ({"description": " "}, "needs a description"),
        ({"parameters": 1}, "parameters are a pydantic model"),
        ({"parameters": {"type": "array"}}, '"type": "object"'),
        ({"parameters": {"type": "object", "properties": {"a": {"type": "?"}}}}, "parameters:"),
        ({"timeout": timedelta(0)}, "timeout"),
    ],
)
def test_mistakes(given: dict[str, Any], said: str) -> None:
    """What can't work is refused when it is declared."""
    with pytest.raises(DefinitionError, match=said):
        client_tool(**{"name": "locate", "description": "Where.", **given})


def test_two_of_one_name() -> None:
    """A client's tool and a function can't have one name."""
    tools = [client_tool("locate", "a"), client_tool("locate", "b")]
    with pytest.raises(DefinitionError, match="two tools are called 'locate'"):
        Agent(name="guide", instructions="Guide.", tools=tools)


OPEN = Agent(
    name="guide",
    instructions="Guide.",
    tools=[client_tool("locate", "Where.")],
    overrides={"client_tools"},
)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"name": "locate", "description": "a"}, "has a tool 'locate'"),
        ({"name": "b", "description": "a", "parameters": {"type": "null"}}, "parameters of 'b'"),
        ({"name": "b", "description": "a", "parameters": CITY}, None),
    ],
)
def test_of_one_run(spec: dict[str, Any], said: str | None) -> None:
    """What a caller brings along must fit the agent, and be a schema."""
    faults = faults_of(OPEN, Overrides(client_tools=[ClientToolSpec(**spec)]))
    assert [name for name, _ in faults] == (["client_tools"] if said else [])
    assert not said or said in faults[0][1]


def test_only_where_it_is_allowed() -> None:
    """An agent takes no client's tools unless its author says so; the line to add is named."""
    closed = Agent(name="guide", instructions="Guide.")
    asked = Overrides(client_tools=[ClientToolSpec(name="a", description="b")])
    [(name, why)] = faults_of(closed, asked)
    assert name == "client_tools"
    assert 'overrides={"client_tools", "options"}' in why


@pytest.mark.parametrize(
    "tools",
    [
        [],
        [{"name": "a b", "description": "x"}],
        [{"name": "a", "description": "x"}] * 2,
        [{"name": f"a{n}", "description": "x"} for n in range(65)],
        [{"name": f"a{n}", "description": "x" * 8000} for n in range(20)],
        [{"name": "a", "description": "x", "timeout_s": 0}],
        [{"name": "a", "description": "x", "more": 1}],
    ],
)
def test_what_a_start_may_bring(tools: Any) -> None:
    """Their number and size are limited, and names are told apart."""
    with pytest.raises(ValidationError):
        from_client(StartRun, {"input": "Hi.", "client_tools": tools})

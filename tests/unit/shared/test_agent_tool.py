"""Agents as tools: what the calling model is told, and what can't work."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel, Field, ValidationError

from outlast import Agent, DefinitionError, DurableContext, McpServer, ToolContext, tool
from outlast.registry import Registry

researcher = Agent(name="researcher", description="Finds things out.", instructions="Find out.")


class Question(BaseModel):
    """For programmers."""

    topic: str = Field(description="What about.")
    depth: int = 1


@tool(needs_approval=True)
async def pay() -> str:
    """Pay."""
    return "paid"


@tool(durable=True, signals=["paid"])
async def ship(context: DurableContext) -> str:
    """Ship."""
    return str(await context.wait_for_signal("paid"))


def test_what_the_model_is_told() -> None:
    """By default it asks in words, and reads the agent's own description."""
    made = researcher.as_tool()
    assert (made.name, made.description) == ("researcher", "Finds things out.")
    assert list(made.parameters["properties"]) == ["input"]
    assert made.render({"input": "Why?"}) == "Why?"
    other = researcher.as_tool(name="look_up", description="Looks up.")
    assert (other.name, other.description) == ("look_up", "Looks up.")


def test_input_model() -> None:
    """With a model of its own the agent is asked in JSON; the schema has no words of ours."""
    made = researcher.as_tool(input=Question)
    assert made.render({"topic": "rain"}) == '{"topic":"rain","depth":1}'
    assert made.parameters == {
        "type": "object",
        "properties": {
            "topic": {"type": "string", "description": "What about."},
            "depth": {"type": "integer", "default": 1},
        },
        "required": ["topic"],
        "additionalProperties": False,
    }


def test_approval() -> None:
    """A person approves all that it is asked, or what a condition says of its input's fields."""
    context = ToolContext(
        run_id="caller.x",
        thread_id=None,
        tenant="acme",
        agent="caller",
        turn=1,
        call_id="1.0",
        idempotency_key="caller.x:1.0",
        context={},
        metadata={},
        resources=None,
    )
    assert not researcher.as_tool().asks_first({"input": "Why?"}, context)
    assert researcher.as_tool(needs_approval=True).asks_first({"input": "Why?"}, context)
    deep = researcher.as_tool(name="deep", input=Question, needs_approval=lambda depth: depth > 1)
    assert deep.asks_first(deep.parse({"topic": "rain", "depth": 2}), context)
    assert not deep.asks_first(deep.parse({"topic": "rain"}), context)
    waits = researcher.as_tool(needs_approval=True, approval_timeout=timedelta(hours=8))
    caller = Agent(name="caller", instructions="Lead.", tools=[waits, deep])
    registry = Registry([caller, researcher], "openai/x")
    [always, sometimes] = registry.describe(caller).tools
    assert (always.needs_approval, always.approval_timeout_s) == (True, 8 * 3600)
    assert sometimes.needs_approval == "sometimes"
    assert registry.teams.may_ask_people(caller)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"needs_approval": lambda topic: True}, "asks for 'topic'"),
        ({"needs_approval": "yes"}, "needs_approval is 'yes'"),
        ({"approval_timeout": timedelta(hours=1)}, "approval_timeout without needs_approval"),
    ],
)
def test_approval_that_can_not_be_asked(options: dict[str, Any], says: str) -> None:
    """A condition about what nobody is asked, or a time for nothing, is refused at import."""
    with pytest.raises(DefinitionError, match=says):
        researcher.as_tool(**options)


@pytest.mark.parametrize("arguments", [{}, {"input": " "}, {"input": "x", "more": 1}, {"input": 1}])
def test_arguments_that_do_not_fit(arguments: dict[str, Any]) -> None:
    """Nothing is asked that says nothing, or more than there is."""
    with pytest.raises(ValidationError):
        researcher.as_tool().render(arguments)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"name": "no spaces"}, "a name has letters"),
        ({"description": " "}, "needs a description"),
        ({"thread": "shared"}, 'must be "none" or "own"'),
        ({"input": dict}, "must be a pydantic model"),
    ],
)
def test_mistakes(options: dict[str, Any], says: str) -> None:
    """They are refused where the file is imported, with the fix."""
    with pytest.raises(DefinitionError, match=says):
        researcher.as_tool(**options)


def test_an_agent_without_a_description() -> None:
    """The calling model has to know what it is for."""
    with pytest.raises(DefinitionError, match=r'as_tool\(description="…"\)'):
        Agent(name="mute", instructions="Be.").as_tool()


def test_context() -> None:
    """A run's context has to have what its children need, unless they don't get it."""
    greeter = Agent(name="greeter", description="Greets.", instructions="For {{company}}.")
    boss = Agent(name="boss", instructions="You are {{title}}.", tools=[greeter.as_tool()])
    assert boss.placeholders == ("title", "company")
    with pytest.raises(DefinitionError, match="need company"):
        greeter.as_tool(context=False)


def test_people() -> None:
    """An agent may wait for people by one that it calls."""
    payer = Agent(name="payer", description="Pays.", instructions="Pay.", tools=[pay])
    boss = Agent(name="boss", instructions="Lead.", tools=[payer.as_tool()])
    leader = Agent(name="leader", instructions="Lead.", tools=[researcher.as_tool()])
    shipper = Agent(name="shipper", instructions="Ship.", tools=[ship])
    bank = McpServer("bank", url="https://bank.example/mcp")
    banker = Agent(name="banker", instructions="Pay.", mcp=[bank])
    teams = Registry([payer, researcher, boss, leader, shipper, banker], "openai/x").teams
    may_ask = {agent.name: teams.may_ask_people(agent) for agent in (boss, leader, shipper, banker)}
    assert may_ask == {"boss": True, "leader": False, "shipper": True, "banker": True}


def test_no_tool_yet() -> None:
    """An agent in the list of tools is a slip that says how to mend it."""
    tools: Any = [researcher]
    with pytest.raises(DefinitionError, match=r"researcher\.as_tool\(\)"):
        Agent(name="boss", instructions="Lead.", tools=tools)


def test_the_registry_has_all_that_are_called() -> None:
    """A called agent has runs of its own, so the list needs that very agent."""
    boss = Agent(name="boss", instructions="Lead.", tools=[researcher.as_tool()])
    with pytest.raises(DefinitionError, match="it calls researcher, which is not in the list"):
        Registry([boss], "openai/x")
    namesake = Agent(name="researcher", instructions="Otherwise.")
    with pytest.raises(DefinitionError, match="that very agent"):
        Registry([boss, namesake], "openai/x")
    [described] = Registry([boss, researcher], "openai/x").describe(boss).tools
    assert (described.agent, described.child_thread, described.effect) == (
        "researcher",
        "none",
        None,
    )


def test_the_digest_tells_how_an_agent_is_called() -> None:
    """Whoever calls it otherwise is another agent."""

    def digest(**options: Any) -> str:
        boss = Agent(name="boss", instructions="Lead.", tools=[researcher.as_tool(**options)])
        return Registry([boss, researcher], "openai/x").agent_digest(boss)

    every = [{}, {"thread": "own"}, {"context": False}, {"input": Question}, {"name": "other"}]
    assert len({digest(**options) for options in every}) == len(every)


def test_depth() -> None:
    """Eight below the first one are allowed, and not nine."""
    called = researcher
    for level in range(8):
        called = Agent(
            name=f"level{level}",
            description="Calls.",
            instructions="Call.",
            tools=[called.as_tool()],
        )
    with pytest.raises(DefinitionError, match="more than 8 deep"):
        Agent(name="top", instructions="Call.", tools=[called.as_tool(description="Calls.")])

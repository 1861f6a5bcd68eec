"""Handoffs: what the model is told of them, who may speak, and what can't work."""

from typing import Any

import pytest
from pydantic import BaseModel, Field, ValidationError

from outlast import Agent, DefinitionError, Handoff, client_tool, tool
from outlast.overrides import as_far_as_allowed, faults_of
from outlast.protocol import ClientToolSpec, Overrides
from outlast.registry import Registry

billing = Agent(
    name="billing",
    description="Knows about invoices.",
    instructions="You bill for {{company}}.",
    handoffs=["desk"],
)
tech = Agent(name="tech", description="Mends things.", instructions="Mend.")


class Case(BaseModel):
    """For programmers."""

    order_id: str = Field(description="What it is about.")


def make_desk(*handoffs: Any, **options: Any) -> Agent:
    given = handoffs or (billing, Handoff(tech, description="When it is broken.", input=Case))
    return Agent(name="desk", description="Asks.", instructions="Ask.", handoffs=given, **options)


@tool(needs_approval=True)
async def pay() -> str:
    """Pay."""
    return "paid"


def test_what_the_model_is_told() -> None:
    """There is a tool for each, named after the agent; its words are the agent's, or its own."""
    desk = make_desk()
    registry = Registry([desk, billing, tech], "openai/x")
    described = registry.describe(desk)
    to_billing, to_tech = described.handoffs
    assert (to_billing.agent, to_billing.name) == ("billing", "transfer_to_billing")
    assert to_billing.description == (
        "Hand the conversation over to billing, who goes on with it. Knows about invoices."
    )
    assert to_billing.parameters
    assert to_billing.parameters["properties"] == {}
    assert to_tech.description == "When it is broken."
    assert to_tech.parameters
    assert to_tech.parameters["required"] == ["order_id"]
    hidden = described.without_definition().handoffs[1]
    assert (hidden.name, hidden.description, hidden.parameters) == ("transfer_to_tech", None, None)


def test_what_the_model_says_of_it() -> None:
    """It fits the input model, or nobody takes over; without one there is nothing to say."""
    Handoff("billing").check({})
    Handoff("tech", input=Case).check({"order_id": "A-1"})
    for handoff, arguments in (
        (Handoff("billing"), {"order_id": "A-1"}),
        (Handoff("tech", input=Case), {}),
        (Handoff("tech", input=Case), {"order_id": "A-1", "more": 1}),
    ):
        with pytest.raises(ValidationError):
            handoff.check(arguments)


def test_who_may_speak() -> None:
    """All that a run can come to, however far; two that hand over to each other are no circle."""
    desk = make_desk()
    registry = Registry([desk, billing, tech], "openai/x")
    names = [agent.name for agent in registry.teams.speakers_of(desk)]
    assert sorted(names) == ["billing", "desk", "tech"]
    assert registry.teams.speakers_of(tech) == [tech]


def test_context() -> None:
    """A run's context has what the instructions need of everybody who may speak."""
    desk = make_desk()
    registry = Registry([desk, billing, tech], "openai/x")
    assert registry.describe(desk).context == ["company"]
    assert registry.teams.context_of(tech) == ()
    boss = Agent(name="boss", instructions="Lead.", tools=[desk.as_tool(context=False)])
    with pytest.raises(DefinitionError, match="desk, or an agent that it hands over to, needs co"):
        Registry([boss, desk, billing, tech], "openai/x")


def test_people() -> None:
    """An agent may wait for people by one that takes over, or by one that this one calls."""
    payer = Agent(name="payer", description="Pays.", instructions="Pay.", tools=[pay])
    caller = Agent(
        name="caller", description="Calls.", instructions="Call.", tools=[payer.as_tool()]
    )
    desk = make_desk(caller)
    registry = Registry([desk, caller, payer, tech], "openai/x")
    assert registry.teams.may_ask_people(desk)
    assert not registry.teams.may_ask_people(tech)


def test_the_digest() -> None:
    """Whoever hands over otherwise is another agent; one that does not is as it always was."""
    every = [
        make_desk(),
        make_desk(billing),
        make_desk(Handoff(billing, description="Now.")),
        make_desk(Handoff(billing, name="bill")),
        make_desk(billing, sticky_handoff=True),
    ]
    digests = {Registry([desk, billing, tech], "openai/x").agent_digest(desk) for desk in every}
    assert len(digests) == len(every)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"handoffs": "billing"}, r"handoffs is 'billing'; it must be a list"),
        ({"handoffs": [5]}, "handoff to 5: it must be an agent, or its name"),
        ({"handoffs": ["desk"]}, "it can't hand over to itself"),
        ({"handoffs": [billing, "billing"]}, "are called 'transfer_to_billing'; rename one"),
        ({"handoffs": [Handoff("billing", name="pay")], "tools": [pay]}, "called 'pay'; rename"),
        ({"handoffs": ["b" * 60]}, "at most 64 of them; give it another one: name=…"),
        ({"handoffs": [Agent(name="mute", instructions="Be.")]}, "it needs a description"),
        ({"sticky_handoff": 1}, "sticky_handoff is 1; it must be True or False"),
    ],
)
def test_mistakes(options: dict[str, Any], says: str) -> None:
    """They are refused where the file is imported, with the fix."""
    with pytest.raises(DefinitionError, match=says):
        Agent(name="desk", instructions="Ask.", **options)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"description": " "}, "its description says nothing"),
        ({"input": dict}, "must be a pydantic model"),
        ({"name": "no spaces"}, "a name has letters"),
    ],
)
def test_mistakes_of_a_handoff(options: dict[str, Any], says: str) -> None:
    """They name the agent that was to take over."""
    with pytest.raises(DefinitionError, match=f"handoff to tech: .*{says}"):
        Handoff(tech, **options)


@pytest.mark.parametrize(
    ("handoffs", "others", "says"),
    [
        (["biling"], [billing], "hands over to 'biling', .* did you mean 'billing'?"),
        (["nobody"], [tech], "there are desk, tech"),
        ([tech], [], "hands over to tech, which is not in the list `agents`; add that very"),
        ([tech], [Agent(name="tech", instructions="Otherwise.")], "add that very agent"),
        (["mute"], [Agent(name="mute", instructions="Be.")], "handoff to mute: it needs a desc"),
    ],
)
def test_the_registry_has_all_that_take_over(
    handoffs: list[Any], others: list[Agent], says: str
) -> None:
    """The worker has to have whoever takes over, so the list has to."""
    with pytest.raises(DefinitionError, match=f"agent desk: .*{says}"):
        Registry([make_desk(*handoffs), *others], "openai/x")


def test_a_handoff_is_a_tool_to_the_model() -> None:
    """No tool of a client's has its name, and a model may have to call it."""
    desk = make_desk(tech, overrides={"client_tools", "tool_choice"})
    clash = Overrides(client_tools=[ClientToolSpec(name="transfer_to_tech", description="…")])
    [(name, why)] = faults_of(desk, clash)
    assert (name, "has a tool 'transfer_to_tech'" in why) == ("client_tools", True)
    assert not faults_of(desk, Overrides(tool_choice="transfer_to_tech"))


def test_overrides_of_who_takes_over() -> None:
    """Of what was asked of the agent before it takes what it allows and can do, and no more."""
    asked = Overrides.model_validate(
        {
            "instructions": "Rhyme.",
            "options": {"temperature": 0},
            "client_tools": [
                {"name": "find_user", "description": "…"},
                {"name": "show_map", "description": "…"},
            ],
            "tool_choice": "find_order",
        }
    )
    closed = Agent(name="tech", instructions="Mend.", overrides=())
    assert as_far_as_allowed(closed, asked) == Overrides()
    own = client_tool("find_user", "Find out where the user is.")
    some = Agent(
        name="tech",
        instructions="Mend.",
        tools=[own],
        overrides={"client_tools", "options", "tool_choice"},
    )
    left = as_far_as_allowed(some, asked)
    assert left.asked == ("options", "client_tools")
    assert [tool.name for tool in left.client_tools or ()] == ["show_map"]

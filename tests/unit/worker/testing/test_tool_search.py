"""The kit plays agents whose tools are searched for: the model is told of what it has found."""

import json
from itertools import pairwise
from typing import Any

import pytest

from outlast import Agent, DefinitionError, Limits, client_tool, tool
from outlast.protocol import ClientToolSpec
from outlast.testing import call, calls, fault, run_in_memory, text


@tool
async def find_order(order_id: str) -> str:
    """Look up an order.

    Args:
        order_id: Which.
    """
    return f"{order_id} is on its way"


@tool(needs_approval=True)
async def pay_back(cents: int) -> str:
    """Refund money to a customer.

    Args:
        cents: How much.
    """
    return f"paid {cents}"


@tool(deferred=False)
async def greet() -> str:
    """Greet somebody."""
    return "hello"


show = client_tool("show_map", "Show a map to the customer.")
scout = Agent(name="scout", description="Knows cities.", instructions="Scout.")


def desk(**fields: Any) -> Agent:
    usual = {
        "search_tools": True,
        "tools": [find_order, pay_back, greet, show, scout.as_tool()],
    }
    return Agent(name="desk", instructions="Help.", **{**usual, **fields})


SEARCH = call("search_tools", query="refund a customer")


async def test_what_is_found() -> None:
    """What was found can be called from the next turn on, and stays to the end of the run."""
    result = await run_in_memory(
        desk(),
        "My money!",
        model=[SEARCH, call("pay_back", cents=5), fault("rate-limit"), text("Done.")],
        decisions={"pay_back": "approve"},
    )
    always = ["greet", "search_tools"]
    found = [*always, "pay_back", "show_map"]
    assert [request.tools for request in result.requests] == [always, found, found, found]
    searched, paid = result.tool_calls
    assert [each["name"] for each in searched.json()["tools"]] == ["pay_back", "show_map"]
    assert paid.result == "paid 5"


async def test_on_a_thread() -> None:
    """The next run of a conversation knows what was found in it, and what was called."""
    first = await run_in_memory(desk(), "Refund?", model=[SEARCH, text("Yes.")])
    second = await run_in_memory(desk(), "Again.", model=[text("Yes.")], history=first.thread)
    assert second.requests[0].tools == ["greet", "search_tools", "pay_back", "show_map"]
    # What has become of the agent meanwhile counts.
    changed = desk(tools=[greet, find_order])
    third = await run_in_memory(changed, "Again.", model=[text("Yes.")], history=first.thread)
    assert third.requests[0].tools == ["greet", "search_tools"]


async def test_a_tool_that_was_not_found() -> None:
    """A call of a tool that the model guesses is run, and checked as any other."""
    result = await run_in_memory(
        desk(),
        "Where is A-1?",
        model=[
            calls(call("find_order", order_id="A-1"), call("find_order", id=1), call("fetch")),
            text("On its way."),
        ],
    )
    found, wrong, unknown = result.tool_calls
    assert found.result == "A-1 is on its way"
    assert "order_id: Field required" in wrong.result
    assert unknown.result == "There is no tool 'fetch'. The tools are: greet, search_tools."
    assert result.requests[1].tools == ["greet", "search_tools", "find_order"]


async def test_a_choice() -> None:
    """A tool that has to be called first is told first; so is what a caller brings along."""
    result = await run_in_memory(
        desk(overrides={"tool_choice", "client_tools"}),
        "Where is A-1?",
        model=[call("find_order", order_id="A-1"), text("On its way.")],
        tool_choice="find_order",
        client_tools=[
            ClientToolSpec(name="own", description="Mine.", parameters={"type": "object"})
        ],
    )
    assert result.requests[0].tools == ["greet", "own", "search_tools", "find_order"]


async def test_limits() -> None:
    """A search counts as a tool call."""
    result = await run_in_memory(
        desk(limits=Limits(max_tool_calls=1)), "Refund!", model=[calls(SEARCH, SEARCH)]
    )
    assert (result.status, result.run.incomplete_reason) == ("incomplete", "max_tool_calls")


async def test_one_by_one() -> None:
    """Tools are deferred one by one, too; an agent none of whose are has nothing to search."""

    @tool(deferred=True)
    async def rare() -> str:
        """Do what is rarely done."""
        return ""

    some = Agent(name="some", instructions="Help.", tools=[greet, rare])
    result = await run_in_memory(some, "Hi.", model=[text("Hi.")])
    assert result.requests[0].tools == ["greet", "search_tools"]
    none = Agent(name="none", instructions="Help.", tools=[greet], search_tools=True)
    result = await run_in_memory(none, "Hi.", model=[text("Hi.")])
    assert result.requests[0].tools == ["greet"]


async def test_the_same_prompt() -> None:
    """What is sent before the tools that were found last stays as it was, for providers' caches."""
    again = call("search_tools", query="order")
    result = await run_in_memory(desk(), "Hi.", model=[SEARCH, again, SEARCH, text("Hi.")])
    offered = [request.tools for request in result.requests]
    assert all(later[: len(before)] == before for before, later in pairwise(offered))
    assert offered[-1] == ["greet", "search_tools", "pay_back", "show_map", "find_order"]
    assert len({request.instructions for request in result.requests}) == 1


async def test_a_handoff() -> None:
    """What was found is the next agent's as far as it has such a tool: nothing else stays."""

    @tool(name="find_order")
    async def look_up() -> str:
        """Look up an order of another shop."""
        return "of another shop"

    other = Agent(
        name="other",
        description="Others.",
        instructions="Help.",
        tools=[look_up],
        search_tools=True,
    )
    result = await run_in_memory(
        desk(handoffs=[other]),
        "Where is my order?",
        model=[
            call("search_tools", query="look up an order"),
            call("transfer_to_other"),
            call("pay_back", cents=5),
            call("find_order"),
            text("There."),
        ],
    )
    assert result.requests[1].tools == ["greet", "transfer_to_other", "search_tools", "find_order"]
    assert result.requests[2].tools == ["search_tools", "find_order"]
    *_, gone, found = result.tool_calls
    assert gone.result == "There is no tool 'pay_back'. The tools are: search_tools."
    assert found.result == "of another shop"


def test_mistakes() -> None:
    """What can't be deferred, or is called as what finds it, is told at import."""
    with pytest.raises(DefinitionError, match="tool greet: deferred is 'yes'"):
        tool(deferred="yes")(greet.fn)  # type: ignore[call-overload]
    with pytest.raises(DefinitionError, match="client tool x: deferred is 1"):
        client_tool("x", "X.", deferred=1)  # type: ignore[arg-type]
    with pytest.raises(DefinitionError, match="scout, as a tool: deferred is 0"):
        scout.as_tool(deferred=0)  # type: ignore[arg-type]
    with pytest.raises(DefinitionError, match="brings a tool 'search_tools' along"):
        desk(tools=[tool(name="search_tools")(greet.fn)])
    with pytest.raises(DefinitionError, match="search_tools is 1; it must be True or False"):
        desk(search_tools=1)


async def test_json_of_a_search() -> None:
    """A search that finds nothing is told so, and changes nothing."""
    nothing = call("search_tools", query="weather")
    result = await run_in_memory(desk(), "Hi.", model=[nothing, text("No.")])
    assert json.loads(result.tool_calls[0].result)["tools"] == []
    assert result.requests[1].tools == result.requests[0].tools

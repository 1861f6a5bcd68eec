"""The kit plays runs that are handed over: one script for whoever speaks, each with its tools."""

from datetime import timedelta

import pytest
from pydantic import BaseModel

from outlast import (
    Agent,
    DefinitionError,
    DurableContext,
    Handoff,
    RunContext,
    ToolContext,
    tool,
)
from outlast.testing import Decision, ScriptError, call, calls, run_in_memory, text


class Case(BaseModel):
    order_id: str


@tool(needs_approval=True)
async def pay_back(cents: int, context: ToolContext) -> str:
    """Pay back.

    Args:
        cents: How much.
    """
    return f"{context.agent} paid {cents}"


@tool(durable=True, timeout=timedelta(days=1))
async def ship(context: DurableContext) -> str:
    """Ship it."""
    return f"{context.agent} shipped"


@tool
async def look_up() -> str:
    """Look it up."""
    return "found"


def instructions(context: RunContext) -> str:
    return f"You are {context.agent}."


billing = Agent(
    name="billing",
    description="Bills.",
    instructions=instructions,
    tools=[pay_back, ship],
    handoffs=["desk"],
    model="anthropic/claude",
)
desk = Agent(
    name="desk",
    description="Asks.",
    instructions=instructions,
    tools=[look_up],
    handoffs=[Handoff(billing, input=Case)],
    sticky_handoff=True,
)
TRANSFER = call("transfer_to_billing", order_id="A-1")


async def test_a_handoff() -> None:
    """Who takes over acts as itself, with its own tools, model and people."""
    result = await run_in_memory(
        desk,
        "My money, please.",
        model=[
            calls(call("look_up"), TRANSFER),
            calls(call("pay_back", cents=5), call("ship")),
            text("Done."),
        ],
        decisions={"pay_back": Decision(action="approve", arguments={"cents": 4})},
    )
    assert [called.result for called in result.tool_calls] == [
        "found",
        "billing has taken over, and goes on from here.",
        "billing paid 4",
        "billing shipped",
    ]
    first, second, _ = result.requests
    assert (first.instructions, second.instructions) == ("You are desk.", "You are billing.")
    assert (first.tools, second.tools) == (
        ["look_up", "transfer_to_billing"],
        ["pay_back", "ship", "transfer_to_desk"],
    )
    assert second.model == "anthropic/claude"
    assert result.run.handed_over_to == "billing"


async def test_what_is_said_of_it() -> None:
    """It has to fit; else the agent is told, and keeps the run."""
    result = await run_in_memory(
        desk, "Pay!", model=[call("transfer_to_billing", order_id=5), TRANSFER, text("Hello.")]
    )
    refused, taken = result.tool_calls
    assert refused.result.startswith("The arguments of transfer_to_billing are not valid: order_id")
    assert (refused.is_error, taken.is_error) == (True, False)


async def test_a_tool_of_who_has_handed_over() -> None:
    """It is not there any more, and the model is told what is."""
    result = await run_in_memory(desk, "Pay!", model=[TRANSFER, call("look_up"), text("Well.")])
    assert result.tool_calls[1].result == (
        "There is no tool 'look_up'. The tools are: pay_back, ship, transfer_to_desk."
    )


async def test_a_conversation_that_goes_on() -> None:
    """A sticky agent's next run begins with who took over; after that one hands back, with it."""
    first = await run_in_memory(desk, "Pay!", model=[TRANSFER, text("Hello.")])
    second = await run_in_memory(desk, "And?", model=[text("Yes?")], history=first.thread)
    assert second.requests[0].instructions == "You are billing."
    assert second.run.handed_over_to == "billing"
    back = [call("transfer_to_desk"), text("It is me.")]
    third = await run_in_memory(desk, "Back!", model=back, history=second.thread)
    assert third.run.handed_over_to is None
    fourth = await run_in_memory(desk, "Hm.", model=[text("Yes?")], history=third.thread)
    assert fourth.requests[0].instructions == "You are desk."


async def test_an_agent_by_its_name() -> None:
    """One that is only named has to be given."""
    model = [call("transfer_to_desk"), text("It is me.")]
    with pytest.raises(DefinitionError, match="hands over to 'desk', which is not in the list"):
        await run_in_memory(billing, "Hi.", model=model)
    result = await run_in_memory(billing, "Hi.", model=model, others=[desk])
    assert result.run.handed_over_to == "desk"


async def test_a_failed_test_tells_of_it() -> None:
    """What the run did so far says who took over."""
    with pytest.raises(ScriptError, match=r"handoff 1\.0: desk → billing"):
        await run_in_memory(desk, "Pay!", model=[TRANSFER])

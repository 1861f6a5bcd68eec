"""A definition that another run has kept, taken over by a fork."""

from datetime import timedelta
from typing import Any

import pytest

from fakes.orders import order
from fakes.records import called_agent, once, pin
from outlast import Agent, Limits, McpServer, RunContext, ToolContext, tool
from outlast.hooks import on_end
from outlast.protocol import ClientToolSpec, ForkedFrom, Overrides, Run
from outlast.registry import Registry
from outlast_worker.adopting import adopt_pin
from outlast_worker.engine.records import Pin, PinFailure, PinnedHook, PinnedOutput, PinnedTool


@tool
def refund(cents: int) -> str:
    """Pay back.

    Args:
        cents: How much.
    """
    return str(cents)


@tool(effect="once")
def pay(context: ToolContext) -> str:
    """Pay."""
    return context.call_id


@on_end
def tell(run: Run, context: RunContext) -> None:
    """Tell of an end."""


SCOUT = Agent(name="scout", instructions="Look.")


def agent(**changes: Any) -> Agent:
    fields: dict[str, Any] = {
        "tools": [refund, pay, SCOUT.as_tool(description="Look around.")],
        "hooks": [tell],
        "mcp": [McpServer("files", url="https://files.example/mcp")],
        "limits": Limits(max_turns=7),
    }
    return Agent(name="support", instructions="Help.", **{**fields, **changes})


def kept(**changes: Any) -> Pin:
    tools = [
        *pin("refund").tools,
        once("pay"),
        called_agent("scout"),
        PinnedTool(name="read", description="…", parameters={}, server="files"),
        PinnedTool(name="locate", description="…", parameters={}, kind="client"),
    ]
    hooks = [PinnedHook(point="on_end", name="tell")]
    known = {"tools": tools, "hooks": hooks, "instructions": "As it was."}
    return pin("refund").model_copy(update={**known, **changes})


def adopted(now: Agent, pinned: Pin, after_turn: int = 1, **asked: Any) -> Pin | PinFailure:
    registry = Registry([now, SCOUT], default_model="openai/x")
    forked_from = ForkedFrom(run_id=f"support.{'b' * 26}", after_turn=after_turn)
    return adopt_pin(registry, order(forked_from=forked_from, **asked), pinned)


def test_taken_over() -> None:
    """All of it, but where the run stops: that is the agent's word and the fork's own."""
    found = adopted(agent(), kept(limits=Limits(max_turns=2)), limits=Limits(max_turns=5))
    assert isinstance(found, Pin)
    assert (found.instructions, found.limits) == ("As it was.", Limits(max_turns=5))
    assert found.tools == kept().tools
    found = adopted(agent(), kept(limits=Limits(max_turns=2)))
    assert isinstance(found, Pin)
    assert found.limits == Limits(max_turns=7)


@pytest.mark.parametrize(("after_turn", "choice"), [(0, "required"), (1, None)])
def test_the_choice_of_the_first_turn(after_turn: int, choice: str | None) -> None:
    """What was for the first turn alone counts for none that comes after it."""
    found = adopted(agent(), kept(tool_choice="required"), after_turn)
    assert isinstance(found, Pin)
    assert found.tool_choice == choice


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"tools": []}, "the tool refund, the tool pay, the tool scout"),
        ({"tools": [refund, pay]}, "the tool scout"),
        ({"mcp": []}, "the tool read"),
        ({"hooks": []}, "the hook tell"),
    ],
)
def test_what_is_gone(changes: dict[str, Any], missing: str) -> None:
    """A fork does not begin that could not call what its model is told of."""
    failure = adopted(agent(**changes), kept())
    assert isinstance(failure, PinFailure)
    assert failure.error.type == "definition-missing"
    assert f"needs: {missing}. Fork the run with definition: current." in failure.error.message


def test_another_kind_of_tool() -> None:
    """A tool that was a plain one is no longer carried out as it was pinned."""
    failure = adopted(agent(), kept(tools=[once("refund")]))
    assert isinstance(failure, PinFailure)


def test_an_output_type_that_is_gone() -> None:
    """Unless the order brings a schema of its own, as the other run's did."""
    output = PinnedOutput(shape={"type": "object"}, is_wrapped=False, retries=1)
    failure = adopted(agent(), kept(output=output))
    assert isinstance(failure, PinFailure)
    assert "its output_type" in failure.error.message
    own = Overrides(output_schema={"type": "object"})
    assert isinstance(adopted(agent(), kept(output=output), overrides=own), Pin)


def test_a_clients_tools() -> None:
    """They come with the order, and nobody's code has to be there for them."""
    spec = ClientToolSpec(name="locate", description="…", parameters={"type": "object"})
    assert isinstance(adopted(agent(), kept(), overrides=Overrides(client_tools=[spec])), Pin)


def test_approvals_of_today() -> None:
    """What people are asked before today they are asked before in a fork of an older run."""
    minute = timedelta(minutes=1)
    asking = agent(
        tools=[
            tool(needs_approval=True, approval_timeout=minute)(refund.fn),
            pay,
            SCOUT.as_tool(description="Look around.", needs_approval=True),
        ],
        mcp=[McpServer("files", url="https://files.example/mcp", needs_approval=["re*"])],
    )
    pinned = adopted(asking, kept())
    assert isinstance(pinned, Pin)
    asked = {each.name: each.approval_timeout_s for each in pinned.tools if each.may_need_approval}
    assert asked == {"refund": 60, "scout": None, "read": None}
    unasked = adopted(agent(), kept())
    assert isinstance(unasked, Pin)
    assert unasked.tools == kept().tools

"""How requests of other protocols become starts."""

from typing import Any

import pytest

from fakes.records import NOON
from fakes.watching import RUN_ID
from outlast import Agent
from outlast.errors import InvalidRequest
from outlast.protocol import InputMessage, Message, ModelCallOptions, Overrides, ToolCall
from outlast_app.facades.starting import Start, as_history

SAID = [InputMessage(role="user", content="Hi.")]


def message(role: Any, content: str, **fields: Any) -> Message:
    return Message(
        id=f"m:{content}", role=role, content=content, run_id=RUN_ID, created_at=NOON, **fields
    )


def test_options_that_an_agent_does_not_allow() -> None:
    """They are left out, since clients send them without thinking; all else stays to be refused."""
    overrides = Overrides(options=ModelCallOptions(temperature=1), instructions="Be kind.")
    open_minded = Agent(name="a", instructions="x", overrides={"options"})
    closed = Agent(name="a", instructions="x", overrides=())
    for agent, asked in ((open_minded, ("options", "instructions")), (closed, ("instructions",))):
        body = Start(agent=agent, messages=SAID, protocol="x", overrides=overrides).body()
        assert set(body.asked) == set(asked)
        assert body.origin
        assert body.origin.protocol == "x"


def test_what_is_no_start() -> None:
    """It is refused as a native one is."""
    agent = Agent(name="a", instructions="x")
    with pytest.raises(InvalidRequest, match=r"body\.metadata"):
        Start(agent=agent, messages=SAID, protocol="x", metadata={"m": "x" * 20_000}).body()


def test_what_is_taken_along() -> None:
    """What a provider refused, and what says nothing, is left behind; calls keep their results."""
    call = ToolCall(call_id="1.0", name="f", arguments={})
    said = [
        message("user", "Hi."),
        message("assistant", "", tool_calls=[call]),
        message("tool", "ok", call_id="1.0", is_error=False),
        message("assistant", ""),
        message("user", "bad", refused="content-policy"),
    ]
    assert [(each.role, each.content) for each in as_history(said)] == [
        ("user", "Hi."),
        ("assistant", ""),
        ("tool", "ok"),
    ]

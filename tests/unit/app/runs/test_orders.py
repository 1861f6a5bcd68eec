"""How a request becomes an order."""

import hashlib
import json
from typing import Any

import pytest

from outlast import Agent
from outlast.contract import RunOrder
from outlast.errors import InvalidRequest
from outlast.protocol import AddMessages, StartRun, from_client
from outlast.registry import Registry
from outlast_app.runs.orders import hash_of, make_order

CLOSED = Agent(name="support", instructions="Help.")
OPEN = Agent(name="support", instructions="Help.", overrides={"instructions", "options"})


def ordered(agent: Agent, **body: Any) -> RunOrder:
    request = from_client(StartRun, {"input": "Hi.", **body})
    return make_order(Registry([agent], "openai/x"), agent, request, "acme", None, stream=False)


def test_overrides() -> None:
    """An order says what is otherwise, and nothing where all is as the agent says."""
    order = ordered(OPEN, instructions="More.", options={"temperature": 0})
    assert order.overrides is not None
    assert order.overrides.asked == ("instructions", "options")
    assert ordered(OPEN).overrides is None


def test_refused_overrides() -> None:
    """What the agent does not allow is refused at the door, with the field."""
    with pytest.raises(InvalidRequest) as refused:
        ordered(CLOSED, instructions="More.", options={"temperature": 0})
    [error] = refused.value.extra["errors"]
    assert error["field"] == "body.instructions"
    assert 'overrides={"instructions", "options"}' in error["message"]


def test_origin() -> None:
    """What another protocol's client sent goes along as it is."""
    order = ordered(CLOSED, origin={"protocol": "openai", "request": {"store": False}})
    assert order.origin is not None
    assert order.origin.request == {"store": False}


@pytest.mark.parametrize(
    ("body", "of_version_6"),
    [
        ({"limits": {"max_turns": 5}}, "74ee81afd8dfea78de66595c164bbd4e"),
        (
            {"input": [{"role": "user", "content": "Hi."}], "context": {"a": None}},
            "33c0381fb9f6898943d34e1e8ee0c48e",
        ),
    ],
)
def test_the_hash_of_a_body_stays(body: dict[str, Any], of_version_6: str) -> None:
    """A request repeated after an upgrade is known: new fields, left out, change nothing."""
    assert ordered(CLOSED, **body).body_hash == of_version_6


def test_the_hash_of_added_messages() -> None:
    """So it is for messages that are added to a thread: what they leave out is not hashed."""
    said = {"messages": [{"role": "user", "content": "Hi."}]}
    text = json.dumps(said, sort_keys=True)
    expected = hashlib.sha256(text.encode()).hexdigest()[:32]
    assert hash_of(from_client(AddMessages, said)) == expected

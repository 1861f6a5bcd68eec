"""What Google's models are not told of a tool's parameters is said at start, and nothing else."""

import json
from typing import Any, Literal

import pytest
import structlog.testing
from pydantic import BaseModel

from fakes import fault
from outlast import Agent, Tool, tool
from outlast.registry import Registry
from outlast_worker.engine.records import PinnedTool
from outlast_worker.models.checks import check_models
from outlast_worker.models.litellm import LitellmApi
from outlast_worker.models.schema_loss import lost_for_google
from outlast_worker.settings import Provider
from unit.worker.models.asking import Asker, Client

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")


@pytest.fixture
def client() -> Client:
    """These tests are about litellm alone."""
    return "litellm"


class Node(BaseModel):
    """A part of a tree."""

    value: int
    parts: list["Node"]


@tool
def lossy(prices: dict[str, int], tree: Node, size: Literal[1, 2], pair: tuple[int, str]) -> None:
    """Do something.

    Args:
        prices: By name.
        tree: Of parts.
        size: One or the other.
        pair: Both.
    """


@tool
def plain(either: int | str, maybe: int | None, word: Literal["a", "b"], many: list[int]) -> None:
    """Do something.

    Args:
        either: One or the other.
        maybe: Or not.
        word: One or the other.
        many: Of them.
    """


LOST = [
    "what the values of prices are",
    "that tree.parts is a Node again",
    "which values size may have",
    "what the items of pair are",
]


def test_losses() -> None:
    """Maps, recursion, numbers to choose from and tuples are lost; unions and words are not."""
    assert lost_for_google(lossy.parameters) == LOST
    assert lost_for_google(plain.parameters) == []


@pytest.mark.parametrize(
    ("model", "warned"), [("gemini/gemini-2.5-flash", True), ("anthropic/claude-sonnet-4-5", False)]
)
def test_the_worker_says_so(model: str, warned: bool) -> None:
    """Whoever starts the worker reads it, for models that are concerned."""
    agent = Agent(name="desk", instructions="Help.", model=model, tools=[plain, lossy])
    with structlog.testing.capture_logs() as logs:
        check_models([LitellmApi(1, 1)], Registry([agent], model), [])
    said = [(log["event"], log["tool"], log["not_told"]) for log in logs]
    assert said == ([("tool_parameters_reduced", "lossy", LOST)] if warned else [])


async def sent_to_google(ask: Asker, made: Tool) -> dict[str, Any]:
    path = ask.server.play(f"/schema/{made.name}", fault(400))
    pinned = PinnedTool(name=made.name, description="…", parameters=dict(made.parameters))
    there = Provider(base_url=f"{ask.server.origin}{path}")
    await ask.fault(model="gemini/gemini-2.5-flash", provider=there, tools=[pinned])
    [request] = ask.server.requests(path)
    ask.server.forget(path)
    return request.body["tools"][0]["function_declarations"][0]["parameters"]["properties"]


async def test_litellm_loses_these(ask: Asker) -> None:
    """Once litellm keeps one of them, this fails, and the warning of it can go."""
    sent = await sent_to_google(ask, lossy)
    assert "integer" not in json.dumps(sent["prices"])
    assert "value" not in json.dumps(sent["tree"]["properties"]["parts"])
    assert "1" not in json.dumps(sent["size"])
    assert "string" not in json.dumps(sent["pair"])


async def test_litellm_keeps_these(ask: Asker) -> None:
    """Of what is not warned of nothing is lost."""
    sent = await sent_to_google(ask, plain)
    assert [kind["type"] for kind in sent["either"]["anyOf"]] == ["integer", "string"]
    assert sent["word"]["enum"] == ["a", "b"]
    assert sent["many"]["items"]["type"] == "integer"

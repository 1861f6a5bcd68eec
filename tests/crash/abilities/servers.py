"""Calls of tools of MCP servers, and what these ask people."""

from collections.abc import Callable
from typing import Any

import httpx

from crash.abilities.playing import (
    Scenario,
    Scene,
    approve,
    cents,
    wait_for,
    wait_for_approval,
    word,
)
from fakes.script import call


def _paid_once(scene: Scene, run: dict[str, Any]) -> None:
    """The server was asked once, or is told of as what nobody knows."""
    assert scene.transfers("pay") == 1
    assert scene.results(run) in (["paid"], ["found in the books"])


def _answer_server(content: dict[str, str]) -> Callable[[Scene], httpx.Response]:
    def answer(scene: Scene) -> httpx.Response:
        return scene.api.decide(scene.run_id, "1.0.input1", "answer", content=content)

    return answer


def _reserved(scene: Scene, run: dict[str, Any]) -> None:
    """Whoever goes on with the call has the answer, and nobody is asked twice."""
    assert scene.results(run) == ["reserved lamp at Lux"]
    assert [asked["reason"] for asked in run["approvals"]] == ["input"]


def _ordered_once(scene: Scene, run: dict[str, Any]) -> None:
    """The server ordered once, if it got the answer; else the model knows that nobody knows."""
    [told] = scene.results(run)
    if scene.transfers("order"):
        assert scene.transfers("order") == 1
        assert told in (f"ordered {word(scene.key)} from Lux", "found in the books")
    else:
        assert told.startswith("Nobody knows whether this call of order ran")
    assert [asked["reason"] for asked in run["approvals"]].count("input") == 1


SCENARIOS = [
    Scenario(
        "a call of an MCP server",
        "clerk",
        lambda key: call("pay", cents=cents(key)),
        wait_for_approval,
        approve,
        _paid_once,
    ),
    Scenario(
        "what a server asks within a call that runs once",
        "asker",
        lambda key: call("order", item=word(key)),
        wait_for("input"),
        _answer_server({"supplier": "Lux"}),
        _ordered_once,
    ),
    Scenario(
        "what a server asks that ends its call with it",
        "asker",
        lambda _: call("reserve", item="lamp"),
        wait_for("input"),
        _answer_server({"name": "Lux"}),
        _reserved,
    ),
]

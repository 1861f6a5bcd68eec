"""Agents that call others, and that hand their runs over."""

from typing import Any

import httpx

from crash.abilities.playing import (
    GATES,
    Scenario,
    Scene,
    approve,
    let_model_answer,
    open_gate,
    question,
    wait_for_approval,
)
from fakes.events import assert_events_are_whole
from fakes.script import call, text
from fakes.waiting import wait_until


def _wait_for_childs_model(scene: Scene) -> None:
    scene.model.wait_for(question(scene.key))


def _one_child(scene: Scene, run: dict[str, Any]) -> None:
    """There was one child, which ended once, and whose use is the run's."""
    assert scene.results(run) == ["child done"]
    child = scene.api.get(scene.child)
    assert (child["status"], child["parent"]["run_id"]) == ("completed", scene.run_id)
    assert_events_are_whole(scene.api.events(scene.child), child)
    used = run["usage"]["model_calls"] - child["usage"]["model_calls"]
    assert used == 2
    listed = scene.api.http.get("/runs", params={"parent": scene.run_id}).json()["items"]
    assert [each["run_id"] for each in listed] == [scene.child]


def _wait_for_childs_approval(scene: Scene) -> None:
    found = f"/runs/{scene.child}"
    wait_until(lambda: scene.api.http.get(found).status_code == 200, "the child")
    scene.api.wait_for_approval(scene.child)


def _approve_for_child(scene: Scene) -> httpx.Response:
    return scene.api.decide(scene.child, "1.0", "approve")


def _child_paid_once(scene: Scene, run: dict[str, Any]) -> None:
    assert scene.stack.effects(tool="pay", key=f"{scene.child}:1.0")  # with one key, if repeated
    _one_child(scene, run)


def _wait_for_taker(scene: Scene) -> None:
    scene.stack.wait_for_effects(1, tool="instructions", run=scene.run_id)


def _approve_for_taker(scene: Scene) -> httpx.Response:
    return scene.api.decide(scene.run_id, "2.0", "approve")


def _handed_over_once(scene: Scene, run: dict[str, Any]) -> None:
    """One agent has taken over, whose tool was called; the thread remembers which."""
    assert [m["agent"] for m in run["messages"] if m["agent"]] == ["front", "office", "office"]
    events = scene.api.events(scene.run_id)
    assert [each["to"] for each in events if each["type"] == "handoff"] == ["office"]
    again = f"{scene.key[::-1]} again"
    scene.model.script(again, [text("still here")])
    if run["thread_id"]:
        following = scene.api.run("front", again, thread_id=run["thread_id"])
        assert following["handed_over_to"] == "office"


def _paid_by_taker(scene: Scene, run: dict[str, Any]) -> None:
    assert scene.stack.effects(tool="pay", key=f"{scene.run_id}:2.0")  # with one key, if repeated
    assert scene.results(run)[1] == "paid 5"
    _handed_over_once(scene, run)


SCENARIOS = [
    Scenario(
        "a child's model call",
        "lead",
        lambda key: call("ask", input=question(key)),
        _wait_for_childs_model,
        let_model_answer,
        _one_child,
        lambda key: [text("child done", gate=GATES[key])],
    ),
    Scenario(
        "approval of a child's call",
        "lead",
        lambda key: call("ask", input=question(key)),
        _wait_for_childs_approval,
        _approve_for_child,
        _child_paid_once,
        lambda _: [call("pay", cents=5), text("child done")],
    ),
    Scenario(
        "approval of what a child is asked",
        "lead",
        lambda key: call("ask_gravely", input=question(key)),
        wait_for_approval,
        approve,
        _one_child,
        lambda _: [text("child done")],
    ),
    Scenario(
        "a handoff that is being made",
        "front",
        lambda key: [call("transfer_to_office"), call("hold", gate=key)],
        _wait_for_taker,
        open_gate,
        _handed_over_once,
        start=lambda key: {"metadata": {"gate": key}},
    ),
    Scenario(
        "approval after a handoff",
        "front",
        lambda _: [call("transfer_to_office"), call("pay", cents=5)],
        wait_for_approval,
        _approve_for_taker,
        _paid_by_taker,
        start=lambda key: {"thread_id": key.replace(" ", "-")},
    ),
]

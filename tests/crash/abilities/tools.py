"""Calls of tools that people, clients and hooks have a say in."""

from typing import Any

import httpx

from crash.abilities.playing import (
    Scenario,
    Scene,
    approve,
    sent_once,
    wait_for_approval,
)
from fakes.script import call


def _lose_the_worker(scene: Scene) -> None:
    scene.stack.wait_for_effects(1, tool="send_slowly", key=f"{scene.run_id}:1.0")
    scene.stack.worker.kill()
    scene.stack.start_worker()
    scene.api.wait_for_approval(scene.run_id)


def _complete(scene: Scene) -> httpx.Response:
    return scene.api.decide(scene.run_id, "1.0.doubt1", "complete", output="sent by hand")


def _never_again(scene: Scene, run: dict[str, Any]) -> None:
    assert scene.transfers("send_slowly") == 1
    assert scene.results(run) == ["sent by hand"]
    [asked] = run["approvals"]
    assert (asked["reason"], asked["resolution"]["action"]) == ("in_doubt", "complete")


def _wait_for_call(scene: Scene) -> None:
    scene.api.wait_for_calls(scene.run_id)


def _answer_call(scene: Scene) -> httpx.Response:
    return scene.api.answer(scene.run_id, "1.0", "Berlin")


def _answered_once(scene: Scene, run: dict[str, Any]) -> None:
    assert scene.results(run) == ["Berlin"]
    assert [each["answer"]["outcome"] for each in run["calls"]] == ["answered"]
    assert scene.api.answer(scene.run_id, "1.0", "Rome").status_code == 409


def _raise_limit(scene: Scene) -> httpx.Response:
    return scene.api.decide(scene.run_id, "limit1", "raise", limits={"max_turns": 2})


def _went_on_once(scene: Scene, run: dict[str, Any]) -> None:
    """The run was asked about its limit once, and went on from where it had stopped."""
    [asked] = run["approvals"]
    assert (asked["reason"], asked["resolution"]["limits"]["max_turns"]) == ("limit", 2)
    assert (run["turn"], scene.results(run), scene.transfers("note")) == (2, ["noted a"], 1)


def _charged_as_hooks_want(scene: Scene, run: dict[str, Any]) -> None:
    """What the hooks asked, changed and told of is as if nothing had happened."""
    [asked] = run["approvals"]
    assert (asked["question"], asked["resolution"]["action"]) == ("Is fifty right?", "approve")
    assert scene.results(run) == ["charged 50 to ****"]
    assert scene.transfers("charge") >= 1  # with the same key
    assert scene.stack.effects(hook="on_end completed", run=scene.run_id)


SCENARIOS = [
    Scenario(
        "a client's tool",
        "guide",
        lambda _: call("locate", of="ann"),
        _wait_for_call,
        _answer_call,
        _answered_once,
    ),
    Scenario(
        "a limit that is raised",
        "asking",
        lambda _: call("note", text="a"),
        wait_for_approval,
        _raise_limit,
        _went_on_once,
    ),
    Scenario(
        "hooks that ask a person",
        "guarded",
        lambda _: call("charge", cents=50),
        wait_for_approval,
        approve,
        _charged_as_hooks_want,
    ),
    Scenario(
        "approval of a tool that runs once",
        "bank",
        lambda _: call("send_approved", cents=5),
        wait_for_approval,
        approve,
        sent_once,
    ),
    Scenario(
        "a call in doubt",
        "bank",
        lambda key: call("send_slowly", cents=5, gate=key),
        _lose_the_worker,
        _complete,
        _never_again,
        disturbs=True,
    ),
]

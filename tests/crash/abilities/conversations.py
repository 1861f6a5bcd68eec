"""What a run goes on from: what it has read and found, what sums it up, another run."""

from typing import Any

import httpx

from crash.abilities.playing import (
    GATES,
    Scenario,
    Scene,
    let_model_answer,
    wait_for_approval,
    word,
)
from fakes.events import assert_events_are_whole
from fakes.script import Attempts, attempts, call, calls, text
from outlast_local.demo_model.openai_wire import Usage


def _approve_in_turn_3(scene: Scene) -> httpx.Response:
    return scene.api.decide(scene.run_id, "3.0", "approve")


def _knows_what_it_found(scene: Scene, run: dict[str, Any]) -> None:
    """What was read and found stays: the model is told of it after the kill as before."""
    skill, _, paid = scene.results(run)
    assert (skill.partition("\n")[0], paid) == ("Ask for a photo.", "paid 5")
    offered = scene.model.requests(scene.key)[-1].body["tools"]
    names = [tool["function"]["name"] for tool in offered]
    assert names == ["read_skill", "search_tools", "pay"]


def _long_run(key: str) -> list[Attempts]:
    """Say what makes a prompt too long; what sums that up reads the question, and so does the end.

    So each turn is asked for twice.
    """
    first = call("note", text="x" * 2_000)
    then = calls(call("note", text=key), usage=Usage(prompt_tokens=800))
    summary = text("They noted it.", gate=GATES[key])
    return [attempts(first, summary), attempts(then, text("done"))]


def _wait_for_summary(scene: Scene) -> None:
    scene.model.wait_for(scene.key, count=2)


def _summed_up_once(scene: Scene, run: dict[str, Any]) -> None:
    """One summary is in the journal and in the run's usage, however often it was asked for."""
    made = [event for event in scene.api.events(scene.run_id) if event["type"] == "compacted"]
    assert [(event["how"], event["turn"], event["messages"]) for event in made] == [
        ("summary", 3, 3)
    ]
    assert (run["usage"]["model_calls"], len(run["messages"])) == (4, 6)
    assert scene.results(run) == [f"noted {'x' * 2_000}", f"noted {scene.key}"]


def _fork(scene: Scene, prefer: str = "wait=30") -> httpx.Response:
    body = {"after_turn": 1, "thread_id": word(scene.key)}
    headers = {"Idempotency-Key": f"fork of {scene.run_id}", "Prefer": prefer}
    return scene.api.http.post(f"/runs/{scene.run_id}/fork", json=body, headers=headers)


def _wait_for_end(scene: Scene) -> None:
    scene.api.wait_for_status(scene.run_id, "completed")


def _wait_for_forks_model(scene: Scene) -> None:
    _wait_for_end(scene)
    begun = _fork(scene, "respond-async")
    assert begun.status_code == 202, begun.text
    scene.model.wait_for(scene.key, turn=2, count=2)


def _forked_once(scene: Scene, run: dict[str, Any]) -> None:
    """There is one fork, which reuses what was recorded, and whose thread has all of it once."""
    answer = _fork(scene)
    assert answer.status_code == 200, answer.text
    fork = answer.json()
    assert (fork["status"], fork["output"], fork["usage"]["tool_calls"]) == (
        "completed",
        "forked",
        0,
    )
    assert_events_are_whole(scene.api.events(fork["run_id"]), fork)
    said = scene.api.messages(word(scene.key))
    assert [each["content"] for each in said[-2:]] == [f"noted {scene.key}", "forked"]
    assert [each["run_id"] for each in said] == [*[run["run_id"]] * 3, fork["run_id"]]
    assert len(scene.stack.effects(tool="note", text=scene.key)) == 1
    listed = scene.api.http.get("/runs", params={"thread_id": word(scene.key)}).json()["items"]
    assert [each["run_id"] for each in listed] == [fork["run_id"]]


SCENARIOS = [
    Scenario(
        "a tool that was found",
        "scholar",
        lambda _: [
            call("read_skill", name="claims"),
            call("search_tools", query="pay"),
            call("pay", cents=5),
        ],
        wait_for_approval,
        _approve_in_turn_3,
        _knows_what_it_found,
    ),
    Scenario(
        "a summary",
        "rambler",
        _long_run,
        _wait_for_summary,
        let_model_answer,
        _summed_up_once,
    ),
    Scenario(
        "a fork that is being made",
        "tester",
        lambda key: [call("note", text=key), attempts(text("done"), text("forked"))],
        _wait_for_end,
        _fork,
        _forked_once,
    ),
    Scenario(
        "the model call of a fork",
        "tester",
        lambda key: [
            call("note", text=key),
            attempts(text("done"), text("forked", gate=GATES[key])),
        ],
        _wait_for_forks_model,
        let_model_answer,
        _forked_once,
    ),
]

"""How a run was made, for who may look behind it."""

from typing import Any

import pytest

from fakes.agents import LEAKED
from fakes.api import Api
from fakes.model_server import ScriptedModel
from fakes.script import Gate, call, calls, text
from fakes.stack import TestStack
from outlast.names import DEFAULT_TENANT, RunRef
from outlast.trace import trace_id_of


def look(api: Api, run_id: str, what: str) -> dict[str, Any]:
    answer = api.http.get(f"/runs/{run_id}/{what}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def said(prompt: dict[str, Any]) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in prompt["messages"]]


def test_definition_and_order(api: Api, model: ScriptedModel, key: str) -> None:
    """A run keeps its agent's definition, filled in, and what its start said."""
    model.script(key, [text("done")])
    context = {"company": "Acme", "secret": "4711"}
    asked = {"context": context, "metadata": {"ticket": "1"}, "limits": {"max_turns": 3}}
    run = api.run("tester", key, **asked)
    definition = look(api, run["run_id"], "definition")
    agent = api.http.get("/agents/tester").json()
    assert definition["digest"] == agent["digest"]
    assert (definition["model"], definition["instructions"]) == (
        agent["model"],
        agent["instructions"],
    )
    assert [(t["name"], t["parameters"]) for t in definition["tools"]] == [
        (t["name"], t["parameters"]) for t in agent["tools"]
    ]
    order = look(api, run["run_id"], "order")
    assert [(said["role"], said["content"]) for said in order["input"]] == [("user", key)]
    assert {name: order[name] for name in ("context", "metadata")} == {
        name: asked[name] for name in ("context", "metadata")
    }
    assert order["limits"]["max_turns"] == definition["limits"]["max_turns"] == 3
    assert order["created_at"] == run["created_at"]


def test_prompts(api: Api, model: ScriptedModel, key: str) -> None:
    """A turn's prompt is what the model was sent: with what was said before, and as it was told."""
    thread_id = key.replace(" ", "-")
    model.script(f"{key} first", [text("hello")])
    api.run("tester", f"{key} first", thread_id=thread_id)
    model.script(f"{key} second", [calls(call("note", text="a"), call("leak")), text("done")])
    second = api.run("tester", f"{key} second", thread_id=thread_id)
    before = [("user", f"{key} first"), ("assistant", "hello"), ("user", f"{key} second")]
    one, two = (look(api, second["run_id"], f"turns/{turn}/prompt") for turn in (1, 2))
    assert said(one) == before
    assert (one["history_count"], one["is_whole"]) == (2, True)
    assert [role for role, _ in said(two)] == [*(r for r, _ in before), "assistant", "tool", "tool"]
    assert LEAKED in said(two)[-1][1]
    assert LEAKED not in str(second["messages"])
    assert api.http.get(f"/runs/{second['run_id']}/turns/3/prompt").status_code == 404
    # What was said later changes nothing, and what is gone is not made up.
    model.script(f"{key} third", [text("bye")])
    api.run("tester", f"{key} third", thread_id=thread_id)
    assert look(api, second["run_id"], "turns/1/prompt") == one
    assert api.http.delete(f"/threads/{thread_id}").status_code == 204
    later = look(api, second["run_id"], "turns/1/prompt")
    assert (said(later), later["history_count"]) == (before[2:], 0)
    assert later["is_whole"] is False


def test_before_it_begins(api: Api, key: str) -> None:
    """A run that waits for its time has an order, and neither a definition nor a turn."""
    run_id = api.start("tester", key, after_s=3600)
    api.wait_for_status(run_id, "waiting")
    assert look(api, run_id, "order")["after_s"] == 3600
    for what in ("definition", "turns/1/prompt"):
        answer = api.http.get(f"/runs/{run_id}/{what}")
        assert (answer.status_code, answer.json()["type"]) == (404, "not-recorded")
    api.cancel(run_id)


@pytest.mark.parametrize("ended", [False, True])
def test_engine(api: Api, stack: TestStack, model: ScriptedModel, key: str, *, ended: bool) -> None:
    """Where a run is carried out, and its trace, are told to who asks for that, also afterwards."""
    gate = Gate()
    model.script(key, [text("done", gate=gate)])
    run_id = api.start("tester", key)
    model.wait_for(key)
    if ended:
        gate.open()
        api.result(run_id)
    run = api.http.get(f"/runs/{run_id}", params={"engine": "true"}).json()
    engine = run["engine"]
    assert engine["invocation_id"] == stack.invocation_id(run_id)
    assert engine["deployment_id"].startswith("dp_")
    assert engine["digest"] == api.http.get("/agents/tester").json()["digest"]
    assert run["trace_id"] == trace_id_of(RunRef(DEFAULT_TENANT, run_id), None)
    gate.open()
    plain = api.result(run_id)
    assert (plain["engine"], plain["trace_id"]) == (None, None)

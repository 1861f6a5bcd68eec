"""Forks: runs that go on from the middle of others, whose recorded results are reused."""

import json
import re
from typing import Any

import httpx
import pytest

from fakes.api import Api
from fakes.events import assert_events_are_whole
from fakes.model_server import ScriptedModel
from fakes.script import Gate, call, calls, fault, text
from fakes.stack import TestStack


def fork(api: Api, run_id: str, after_turn: int, key: str | None = None, **body: Any) -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    body = {"after_turn": after_turn, **body}
    return api.http.post(f"/runs/{run_id}/fork", json=body, headers=headers)


def forked(api: Api, run_id: str, after_turn: int, **body: Any) -> dict[str, Any]:
    answer: httpx.Response = fork(api, run_id, after_turn, **body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def refused(answer: httpx.Response) -> tuple[str, str]:
    assert answer.status_code == 422, answer.text
    [error] = answer.json()["errors"]
    return error["field"], error["message"]


def said(messages: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(message["role"], message["content"] or "") for message in messages]


def without_ids(sent: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out how a provider names calls, which is kept on threads alone."""
    plain = json.dumps(sent)
    names = dict.fromkeys(re.findall(r'"(?:id|tool_call_id)": "([^"]+)"', plain))
    for place, name in enumerate(names):
        plain = plain.replace(f'"{name}"', f'"{place}"')
    return json.loads(plain)


def noted_twice(api: Api, model: ScriptedModel, key: str, **body: Any) -> dict[str, Any]:
    """Run something with a tool call in each of two turns."""
    first = calls(call("note", text=f"{key} a"), call("leak"))
    model.script(key, [first, call("note", text=f"{key} b"), text("done")])
    return api.run("tester", key, **body)


def test_without_an_input(api: Api, stack: TestStack, model: ScriptedModel, key: str) -> None:
    """The model is sent what it was sent then, and no tool runs again."""
    source = noted_twice(api, model, key, metadata={"ticket": "1"})
    run = forked(api, source["run_id"], 2)
    assert (run["status"], run["output"], run["turn"]) == ("completed", "done", 1)
    assert run["usage"]["model_calls"] == 1
    assert run["usage"]["tool_calls"] == 0
    assert run["forked_from"] == {
        "run_id": source["run_id"],
        "after_turn": 2,
        "definition": "pinned",
    }
    assert (run["metadata"], run["thread_id"], run["parent"]) == ({"ticket": "1"}, None, None)
    then, now = model.requests(key, turn=3)
    assert without_ids(now.messages) == without_ids(then.messages)  # with what only models read
    assert len(stack.effects(tool="note", text=f"{key} a")) == 1
    assert said(run["messages"]) == [("assistant", "done")]
    assert_events_are_whole(api.events(run["run_id"]), run)
    prompt = api.http.get(f"/runs/{run['run_id']}/turns/1/prompt").json()
    assert (prompt["is_whole"], prompt["history_count"]) == (True, 6)
    listed = api.http.get("/runs", params={"limit": "5"}).json()["items"]
    [found] = [each for each in listed if each["run_id"] == run["run_id"]]
    assert found["forked_from"] == run["forked_from"]


def test_with_an_input_on_a_thread(api: Api, model: ScriptedModel, key: str) -> None:
    """A conversation of its own begins with what is kept, and goes on."""
    source = noted_twice(api, model, key)
    thread_id = key.replace(" ", "-")
    model.script(f"{key} other", [text("otherwise")])
    run = forked(api, source["run_id"], 1, input=f"{key} other", thread_id=thread_id)
    assert (run["output"], run["thread_id"]) == ("otherwise", thread_id)
    kept = said(api.messages(thread_id))
    assert kept[0] == ("user", key)
    assert kept[-2:] == [("user", f"{key} other"), ("assistant", "otherwise")]
    assert len(kept) == 6
    model.script(f"{key} next", [text("more")])
    api.run("tester", f"{key} next", thread_id=thread_id)
    asked = model.requests(f"{key} next")[-1].messages
    assert [m["role"] for m in asked if m["role"] != "system"][:4] == [
        "user",
        "assistant",
        "tool",
        "tool",
    ]
    again = fork(api, source["run_id"], 1, input="x", thread_id=thread_id)
    assert (again.status_code, again.json()["type"]) == (409, "thread-moved")


def test_of_a_run_on_a_thread(api: Api, model: ScriptedModel, key: str) -> None:
    """What was said before it belongs to it, for as long as that is there."""
    thread_id = key.replace(" ", "-")
    model.script(f"{key} first", [text("hello")])
    api.run("tester", f"{key} first", thread_id=thread_id)
    source = noted_twice(api, model, key, thread_id=thread_id)
    model.script(f"{key} other", [text("otherwise")])
    run = forked(api, source["run_id"], 0, input=f"{key} other")
    asked = [m for m in model.requests(f"{key} other")[-1].messages if m["role"] != "system"]
    assert [m["content"] for m in asked] == [f"{key} first", "hello", key, f"{key} other"]
    assert api.http.delete(f"/threads/{thread_id}").status_code == 204
    field, why = refused(fork(api, source["run_id"], 0, input="x"))
    assert (field, "is not there any more" in why) == ("body.after_turn", True)
    # The fork has what it goes on from.
    model.script(f"{key} third", [text("thrice")])
    third = forked(api, run["run_id"], 1, input=f"{key} third")
    asked = [m for m in model.requests(f"{key} third")[-1].messages if m["role"] != "system"]
    assert [m["content"] for m in asked][:3] == [f"{key} first", "hello", key]
    assert third["output"] == "thrice"


def test_results_that_a_start_brought_along(api: Api, model: ScriptedModel, key: str) -> None:
    """They stay as they were given, also where the run's own calls have the same names."""
    given = [
        {"role": "user", "content": key},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"call_id": "1.0", "name": "leak", "arguments": {}}],
        },
        {"role": "tool", "content": "as given", "call_id": "1.0"},
    ]
    model.script(key, [text("unused"), call("leak"), text("done"), text("done")])
    source = api.http.post("/agents/tester/runs", json={"input": given}).json()
    assert source["status"] == "completed", source
    forked(api, source["run_id"], 1)
    then, now = [request.messages for request in model.requests(key, turn=3)]
    assert contents_of_tools(now) == contents_of_tools(then)
    assert contents_of_tools(now)[0] == "as given"
    prompt = api.http.get(f"/runs/{source['run_id']}/turns/2/prompt").json()["messages"]
    assert contents_of_tools(prompt) == contents_of_tools(then)


def contents_of_tools(messages: list[dict[str, Any]]) -> list[str]:
    return [message["content"] for message in messages if message["role"] == "tool"]


def test_of_a_run_that_failed(api: Api, model: ScriptedModel, key: str) -> None:
    """It goes on where the model failed; the turn without an answer is none."""
    model.script(key, [call("note", text=key), fault(400, "bad")])
    source = api.run("tester", key)
    assert source["status"] == "failed"
    field, why = refused(fork(api, source["run_id"], 2))
    assert (field, why.endswith("the last one that can be is 1")) == ("body.after_turn", True)
    model.forget(key)
    model.script(key, [call("note", text=key), text("at last")])
    assert forked(api, source["run_id"], 1)["output"] == "at last"


def test_of_a_run_at_its_limit(api: Api, model: ScriptedModel, key: str) -> None:
    """The new run counts from nothing, by its agent's limits and its own."""
    model.script(key, [call("note", text="a"), call("note", text="b"), text("done")])
    source = api.run("tester", key, limits={"max_turns": 1})
    assert source["incomplete_reason"] == "max_turns"
    run = forked(api, source["run_id"], 1)
    assert (run["status"], run["turn"]) == ("completed", 2)
    short = forked(api, source["run_id"], 1, limits={"max_turns": 1})
    assert short["incomplete_reason"] == "max_turns"


def test_open_calls(api: Api, model: ScriptedModel, key: str) -> None:
    """A turn that was cut in the middle can't be gone on from, the one before it can."""
    model.script(key, [call("note", text="a"), call("pay", cents=1), text("done")])
    run_id = api.start("tester", key)
    api.wait_for_approval(run_id)
    running = fork(api, run_id, 1)
    assert (running.status_code, running.json()["type"]) == (409, "run-not-ended")
    api.cancel(run_id)
    api.wait_for_status(run_id, "cancelled")
    field, why = refused(fork(api, run_id, 2))
    assert (field, "of the calls 2.0" in why) == ("body.after_turn", True)
    asked = fork(api, run_id, 1)
    assert asked.status_code == 202, asked.text  # it asks for the same approval
    api.decide(asked.json()["run_id"], "1.0", "approve")
    assert api.result(asked.json()["run_id"])["output"] == "done"


def test_the_last_word(api: Api, model: ScriptedModel, key: str) -> None:
    """After an answer somebody has to say something; a turn that never was is refused."""
    source = noted_twice(api, model, key)
    assert refused(fork(api, source["run_id"], 3))[0] == "body.input"
    assert refused(fork(api, source["run_id"], 9))[0] == "body.after_turn"
    unknown = f"tester.{'a' * 26}"
    assert fork(api, unknown, 0).status_code == 404


def test_the_same_request(api: Api, model: ScriptedModel, key: str) -> None:
    """With one key there is one fork, also when its source is gone."""
    source = noted_twice(api, model, key)
    runs = [fork(api, source["run_id"], 2, key).json()["run_id"] for _ in range(2)]
    assert api.http.delete(f"/runs/{source['run_id']}").status_code == 204
    assert fork(api, source["run_id"], 2).status_code == 404
    again = fork(api, source["run_id"], 2, key)
    assert again.status_code == 200, again.text
    assert {*runs, again.json()["run_id"]} == {runs[0]}
    other = fork(api, source["run_id"], 1, key)
    assert (other.status_code, other.json()["type"]) == (422, "idempotency-conflict")


def test_the_definition(api: Api, model: ScriptedModel, key: str) -> None:
    """Options of the start stay with the fork, and instructions that it had filled in."""
    model.script(key, [call("note", text="a"), text("done")])
    options = {"temperature": 0.5}
    source = api.run("open_minded", key, options=options, instructions="Rhyme.")
    for definition in ("pinned", "current"):
        run = forked(api, source["run_id"], 1, definition=definition)
        kept = api.http.get(f"/runs/{run['run_id']}/definition").json()
        assert kept["instructions"].endswith("Rhyme.")
        assert kept["model_settings"]["temperature"] == 0.5
    assert model.requests(key)[-1].body["temperature"] == 0.5


def test_who_speaks(api: Api, model: ScriptedModel, key: str) -> None:
    """After a handoff it is the agent that had taken over, before it the one that was asked."""
    model.script(key, [call("transfer_to_office"), text("Done.")])
    source = api.run("front", key)
    for definition in ("pinned", "current"):
        run = forked(api, source["run_id"], 1, definition=definition)
        assert (run["agent"], run["handed_over_to"], run["output"]) == ("front", "office", "Done.")
        asked = model.requests(key, turn=2)[-1].messages
        assert asked[0]["content"] == "You are the office."
    again = forked(api, source["run_id"], 0)
    assert (again["turn"], again["output"]) == (2, "Done.")
    assert model.requests(key, turn=1)[-1].messages[0]["content"] == "You are the front."


def test_killed_on_a_thread(api: Api, stack: TestStack, model: ScriptedModel, key: str) -> None:
    """The conversation of a fork that is killed has what it went on from."""
    source = noted_twice(api, model, key)
    gate, thread_id = Gate(), key.replace(" ", "-")
    model.script(f"{key} other", [text("late", gate=gate)])
    body = {"input": f"{key} other", "thread_id": thread_id, "after_turn": 1}
    path = f"/runs/{source['run_id']}/fork"
    begun = api.http.post(path, json=body, headers={"Prefer": "respond-async"})
    model.wait_for(f"{key} other")
    stack.administer(begun.json()["run_id"], "kill")
    model.script(f"{key} next", [text("more")])
    api.run("tester", f"{key} next", thread_id=thread_id)
    gate.open()
    assert said(api.messages(thread_id))[0] == ("user", key)
    assert said(api.messages(thread_id))[-1] == ("assistant", "more")


@pytest.mark.both_modes
def test_streamed(api: Api, model: ScriptedModel, key: str) -> None:
    """A fork can be watched from its start on, as any run."""
    source = noted_twice(api, model, key)
    body = {"after_turn": 2}
    headers = {"Accept": "text/event-stream"}
    streamed = api.http.post(f"/runs/{source['run_id']}/fork", json=body, headers=headers)
    assert streamed.headers["content-type"].startswith("text/event-stream")
    assert "event: run.completed" in streamed.text

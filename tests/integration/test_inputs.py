"""Conversations that callers bring along, and what becomes of those that threads have."""

from typing import Any

import pytest

from fakes.api import Api
from fakes.events import assert_valid_conversation
from fakes.model_server import ScriptedModel
from fakes.script import Gate, call, text
from fakes.stack import TestStack
from fakes.waiting import wait_until


@pytest.fixture
def thread_id(key: str) -> str:
    """A thread of this test's own."""
    return key.replace(" ", "-")


def start(api: Api, messages: list[dict[str, Any]], **body: Any) -> dict[str, Any]:
    answer = api.http.post("/agents/tester/runs", json={"input": messages, **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


def asks(*ids: str) -> dict[str, Any]:
    calls = [{"call_id": each, "name": "note", "arguments": {"text": each}} for each in ids]
    return {"role": "assistant", "content": "", "tool_calls": calls}


def test_a_conversation_from_elsewhere(api: Api, model: ScriptedModel, key: str) -> None:
    """The model is told all of it, each call with its result; the run shows it as it came."""
    model.script(key, [call("note", text="a"), text("done")])
    run = start(
        api,
        [
            {"id": "m-1", "role": "user", "content": "Hi."},
            asks("x", "y"),
            {"role": "tool", "call_id": "y", "content": "of y", "is_error": True},
            {"id": "m-4", "role": "user", "content": key},
        ],
    )
    assert run["status"] == "completed"
    assert_valid_conversation(run["messages"])
    assert run["messages"][0]["id"] == "m-1"
    assert api.get(run["run_id"])["messages"] == run["messages"]
    sent = model.requests(key)[0].messages[1:]
    assert [m["role"] for m in sent] == ["user", "assistant", "tool", "tool", "user"]
    assert [m["tool_call_id"] for m in sent[2:4]] == [c["id"] for c in sent[1]["tool_calls"]]
    assert "Nobody has given a result" in sent[2]["content"]
    assert sent[3]["content"] == "of y"


def test_a_result_at_the_end(api: Api, model: ScriptedModel, key: str) -> None:
    """A run may begin with the result of a call that another one asked for."""
    model.script(key, [text("asked before"), text("done")])
    result = {"role": "tool", "call_id": "x", "content": "42"}
    run = start(api, [{"role": "user", "content": key}, asks("x"), result])
    assert run["output"] == "done"


def test_a_result_without_a_call(api: Api, key: str) -> None:
    """It is refused, with its place."""
    result = {"role": "tool", "call_id": "x", "content": "42"}
    answer = api.http.post("/agents/tester/runs", json={"input": [result]})
    assert answer.status_code == 422
    assert "message 0: no call 'x'" in answer.json()["detail"]


def test_replacing_a_conversation(api: Api, model: ScriptedModel, key: str, thread_id: str) -> None:
    """The run reads nothing of the thread, and the thread has what it says and nothing else."""
    model.script(f"{key} one", [text("first")])
    model.script(f"{key} two", [text("second")])
    model.script(f"{key} three", [text("third")])
    long = "x" * 70_000  # a page of its own
    api.run("tester", f"{key} one {long}", thread_id=thread_id)
    api.run("tester", f"{key} one {long}", thread_id=thread_id)
    run = start(
        api,
        [{"role": "user", "content": f"{key} two"}],
        thread_id=thread_id,
        history="replace",
    )
    assert [m["role"] for m in model.requests(f"{key} two")[0].messages] == ["system", "user"]
    assert api.messages(thread_id) == run["messages"]
    assert api.http.get(f"/threads/{thread_id}").json()["message_count"] == 2
    api.run("tester", f"{key} three", thread_id=thread_id)
    said = [m["content"] for m in model.requests(f"{key} three")[0].messages[1:]]
    assert said == [f"{key} two", "second", f"{key} three"]


def test_a_run_that_never_began_replaces_nothing(
    api: Api, model: ScriptedModel, key: str, thread_id: str
) -> None:
    """One that is cancelled in line leaves the conversation as it is."""
    gate = Gate()
    model.script(key, [text("first", gate=gate)])
    first = api.start("tester", key, thread_id=thread_id)
    model.wait_for(key)
    second = api.start("tester", "Never.", thread_id=thread_id, history="replace")
    assert api.cancel(second).status_code == 202
    api.wait_for_status(second, "cancelled")
    gate.open()
    assert api.result(first)["status"] == "completed"
    assert [m["content"] for m in api.messages(thread_id)] == [key, "first"]


def test_a_killed_run_that_replaces(
    api: Api, stack: TestStack, model: ScriptedModel, key: str, thread_id: str
) -> None:
    """What it had said takes the place of the conversation all the same."""
    gate = Gate()
    model.script(f"{key} one", [text("first")])
    model.script(f"{key} two", [call("note", text="a"), text("never", gate=gate)])
    model.script(f"{key} three", [text("third")])
    api.run("tester", f"{key} one", thread_id=thread_id)
    killed = api.start("tester", f"{key} two", thread_id=thread_id, history="replace")
    model.wait_for(f"{key} two", turn=2)
    stack.administer(killed, "kill")
    gate.open()
    api.run("tester", f"{key} three", thread_id=thread_id)
    wait_until(lambda: len(api.messages(thread_id)) == 5, "the killed run's messages")
    said = [m["content"] for m in api.messages(thread_id)]
    assert said[0] == f"{key} two"
    assert_valid_conversation(api.messages(thread_id))


def test_after_a_run(api: Api, model: ScriptedModel, key: str, thread_id: str) -> None:
    """A run starts only after the one that its caller has seen; a repeated start is the same."""
    model.script(key, [text("ok")])
    first = api.run("tester", key, thread_id=thread_id, after_run="none")["run_id"]
    taken = api.post("tester", key, thread_id=thread_id, after_run="none")
    assert taken.status_code == 409
    assert (taken.json()["type"], taken.json()["run_id"]) == ("thread-moved", first)
    headers = {"Idempotency-Key": key}
    second = api.post("tester", key, headers, thread_id=thread_id, after_run=first)
    again = api.post("tester", key, headers, thread_id=thread_id, after_run=first)
    assert second.json()["run_id"] == again.json()["run_id"]
    assert api.post("tester", key, thread_id=thread_id, after_run=first).status_code == 409
    assert len(api.messages(thread_id)) == 4


def test_adding_to_a_thread(api: Api, model: ScriptedModel, key: str, thread_id: str) -> None:
    """What a client adds itself is part of the conversation, once, and in valid order."""
    path = f"/threads/{thread_id}/messages"
    gate = Gate()
    model.script(f"{key} one", [text("first", gate=gate)])
    model.script(f"{key} two", [text("second")])
    added = [{"id": "m-9", "role": "user", "content": "By the way."}, asks("x")]
    assert api.http.post(path, json={"messages": added}).status_code == 404
    first = api.start("tester", f"{key} one", thread_id=thread_id)
    model.wait_for(f"{key} one")
    held = api.http.post(path, json={"messages": added})
    assert (held.status_code, held.json()["run_id"]) == (409, first)
    gate.open()
    api.result(first)
    headers = {"Idempotency-Key": key}
    answer = api.http.post(path, json={"messages": added}, headers=headers)
    assert answer.status_code == 200, answer.text
    again = api.http.post(path, json={"messages": added}, headers=headers)
    assert again.json() == answer.json()
    other = api.http.post(path, json={"messages": added[:1]}, headers=headers)
    assert (other.status_code, other.json()["type"]) == (422, "idempotency-conflict")
    said = api.messages(thread_id)
    assert [m["id"] for m in said[2:]] == answer.json()["message_ids"]
    assert said[2]["id"] == "m-9"
    assert_valid_conversation(said)
    api.run("tester", f"{key} two", thread_id=thread_id, after_run=first)
    sent = model.requests(f"{key} two")[0].messages
    assert [m["role"] for m in sent[3:]] == ["user", "assistant", "tool", "user"]

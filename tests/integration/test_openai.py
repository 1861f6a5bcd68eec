"""OpenAI's API on the whole stack: beside the native interface, and between tenants."""

import json
from typing import Any

import httpx
import pytest

from fakes.api import Api
from fakes.frames import read_frames
from fakes.model_server import ScriptedModel
from fakes.protocols import said_by_chat
from fakes.script import Gate, call, calls, text
from fakes.stack import TestStack
from outlast_app.keyring import hash_of_key

RESPONSES, CHAT = "/v1/responses", "/v1/chat/completions"


def run_of(response: dict[str, Any]) -> str:
    return response["id"].removeprefix("resp_").rpartition("_")[0]


def said_by(completion: httpx.Response) -> str:
    if completion.headers["content-type"].startswith("text/event-stream"):
        return said_by_chat(completion)
    return completion.json()["choices"][0]["message"]["content"]


def said_in(response: dict[str, Any]) -> list[str]:
    return [part["text"] for item in response["output"] for part in item.get("content", [])]


def test_started_here_watched_and_decided_there(api: Api, model: ScriptedModel, key: str) -> None:
    """A response is a native run: its approval is given natively, and its client goes on."""
    model.script(key, [call("transfer", cents=5), text("Sent.")])
    first = api.http.post(RESPONSES, json={"model": "partner", "input": key}).json()
    run_id = run_of(first)
    assert [item["type"] for item in first["output"]] == ["mcp_approval_request"]
    waiting = api.wait_for_event(run_id, type="run.waiting")
    assert waiting["approvals"] == [{"run_id": run_id, "id": "1.0"}]
    assert api.decide(run_id, "1.0", "approve").status_code == 200
    assert api.result(run_id)["output"] == "Sent."
    second = api.http.get(f"{RESPONSES}/resp_{run_id}_2").json()
    assert (second["status"], said_in(second)) == ("completed", ["Sent."])
    assert second["previous_response_id"] == first["id"]
    assert api.http.get(f"{RESPONSES}/{first['id']}").json() == first
    assert api.http.get(f"{RESPONSES}/resp_{run_id}_3").status_code == 404


def test_a_native_run_read_here(api: Api, model: ScriptedModel, key: str) -> None:
    """Any run can be read as a response, and its streams are resumed by number."""
    gate = Gate(after_chunks=4)
    model.script(key, [calls(call("look_up", word="x"), text="Wait."), text("a b c d", gate=gate)])
    run_id = api.start("partner", key, stream=True)
    gate.wait_reached()
    path = f"{RESPONSES}/resp_{run_id}_1"
    assert api.http.get(path).json()["status"] == "in_progress"
    gate.open()
    api.result(run_id)
    events = read_frames([api.http.get(path, params={"stream": "true"}).content])
    assert [e["type"] for e in events if "response" in e] == [
        "response.created",
        "response.in_progress",
        "response.completed",
    ]
    assert said_in(events[-1]["response"]) == ["Wait.", "a b c d"]
    after = {"stream": "true", "starting_after": events[4]["sequence_number"]}
    assert read_frames([api.http.get(path, params=after).content]) == events[5:]


def test_a_wait_that_no_client_ends(api: Api, model: ScriptedModel, key: str) -> None:
    """While a run waits for a signal, its response is in progress; it ends when that has come."""
    model.script(key, [call("deliver", parcel="p"), text("Delivered.")])
    body = {"model": "courier", "input": key, "background": True}
    response = api.http.post(RESPONSES, json=body).json()
    run_id = run_of(response)
    api.wait_for_event(run_id, type="run.waiting")
    assert api.http.get(f"{RESPONSES}/{response['id']}").json()["status"] == "in_progress"
    assert api.http.post(f"/runs/{run_id}/signals/paid", json=100).status_code == 200
    api.wait_for_status(run_id, "completed")
    ended = api.http.get(f"{RESPONSES}/{response['id']}").json()
    assert (ended["status"], said_in(ended)) == ("completed", ["Delivered."])


def test_said_beside_an_answer(api: Api, model: ScriptedModel, key: str) -> None:
    """A user's words beside the output of a function steer the run, once."""
    model.script(key, [call("locate", of="ann"), text("In Berlin.")])
    first = api.http.post(RESPONSES, json={"model": "partner", "input": key}).json()
    call_id = first["output"][0]["call_id"]
    items = [
        {"type": "function_call_output", "call_id": call_id, "output": "Berlin"},
        {"role": "user", "content": f"Be quick, {key}."},
    ]
    model.script(f"Be quick, {key}.", [text("Berlin!")])
    answer = {"model": "partner", "previous_response_id": first["id"], "input": items}
    for _ in range(2):
        second = api.http.post(RESPONSES, json=answer)
        assert second.status_code == 200, second.text
        assert said_in(second.json()) == ["Berlin!"]
    said = [m["content"] for m in api.get(run_of(first))["messages"]]
    assert said == [key, "", "Berlin", f"Be quick, {key}.", "Berlin!"]


@pytest.mark.parametrize("stream", [True, False])
def test_the_same_request_again(api: Api, model: ScriptedModel, key: str, stream: bool) -> None:
    """With a key it is the same run, whatever became of the first answer; another body is not."""
    model.script(key, [text("Hello.")])
    body = {"model": "partner", "messages": [{"role": "user", "content": key}], "stream": stream}
    headers = {"Idempotency-Key": key}
    answers = [api.http.post(CHAT, json=body, headers=headers) for _ in range(2)]
    assert answers[0].content == answers[1].content
    otherwise = api.http.post(CHAT, json={**body, "stream": not stream}, headers=headers)
    assert {said_by(each) for each in (*answers, otherwise)} == {"Hello."}
    assert len(model.requests(key)) == 1
    other = {**body, "messages": [{"role": "user", "content": f"{key}!"}]}
    refused = api.http.post(CHAT, json=other, headers=headers)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "idempotency_conflict")


def keys_of(rights: dict[str, list[str]]) -> dict[str, str]:
    """Return the settings of an app with a tenant for each key."""
    keys = {
        tenant: [{"name": tenant, "sha256": hash_of_key(f"s-{tenant}"), "rights": of}]
        for tenant, of in rights.items()
    }
    return {"APP_KEYS": json.dumps(keys)}


def as_one(tenant: str) -> dict[str, str]:
    return {"Authorization": f"Bearer s-{tenant}"}


def test_other_tenants(stack: TestStack, model: ScriptedModel, key: str) -> None:
    """Another tenant's ids are nobody's, wherever they are sent; who may not approve can't here."""
    model.script(key, [calls(call("transfer", cents=5), call("locate", of="x")), text("Sent.")])
    model.script(f"{key} in chat", [call("locate", of="x"), text("Unknown.")])
    rights = {"acme": ["invoke", "read"], "rival": ["invoke", "read", "approve"]}
    with stack.another_app(keys_of(rights)) as url, Api(url) as api:
        acme, rival = as_one("acme"), as_one("rival")
        made = api.http.post("/v1/conversations", json={}, headers=acme).json()["id"]
        body = {"model": "partner", "input": key, "conversation": made}
        first = api.http.post(RESPONSES, json=body, headers=acme).json()
        run_id = run_of(first)
        ids = {item["type"]: item for item in first["output"]}
        decided = {
            "type": "mcp_approval_response",
            "approval_request_id": ids["mcp_approval_request"]["id"],
            "approve": True,
        }
        call_id = ids["function_call"]["call_id"]
        output = {"type": "function_call_output", "call_id": call_id, "output": "here"}
        answer = {"model": "partner", "input": [decided]}
        mine = api.http.post(RESPONSES, json=answer, headers=acme)
        assert (mine.status_code, mine.json()["error"]["code"]) == (403, "missing_right")

        before = {"previous_response_id": first["id"]}
        reference = {"type": "item_reference", "id": ids["function_call"]["id"]}
        message = {"type": "item_reference", "id": f"msg_{run_id}_1"}
        user = {"role": "user", "content": "x"}
        path, talk = f"{RESPONSES}/{first['id']}", f"/v1/conversations/{made}"
        asked: list[tuple[str, str, Any]] = [
            ("POST", RESPONSES, answer),
            ("POST", RESPONSES, {"model": "partner", "input": "x", **before}),
            ("POST", RESPONSES, {"model": "partner", "input": [output], **before}),
            ("POST", RESPONSES, {"model": "partner", "input": [reference, user]}),
            ("POST", RESPONSES, {"model": "partner", "input": [message, user]}),
            ("POST", RESPONSES, {"model": "partner", "input": "x", "conversation": made}),
            ("POST", f"{path}/cancel", None),
            ("GET", path, None),
            ("GET", f"{path}?stream=true", None),
            ("GET", f"{path}/input_items", None),
            ("DELETE", path, None),
            ("GET", talk, None),
            ("GET", f"{talk}/items", None),
            ("POST", talk, {"metadata": {"a": "b"}}),
            ("POST", f"{talk}/items", {"items": [user]}),
            ("DELETE", talk, None),
        ]
        for method, where, said in asked:
            theirs = api.http.request(method, where, json=said, headers=rival)
            assert theirs.status_code == 404, (method, where, said, theirs.text)
        # In a chat it is a call like any other: history.
        function = {"name": "locate", "arguments": "{}"}
        called = {"id": call_id, "type": "function", "function": function}
        history = [
            {"role": "user", "content": f"{key} in chat"},
            {"role": "assistant", "tool_calls": [called]},
            {"role": "tool", "tool_call_id": call_id, "content": "here"},
        ]
        chat = {"model": "partner", "messages": history}
        theirs = api.http.post(CHAT, json=chat, headers=rival)
        assert said_by(theirs) == "Unknown."
        assert theirs.headers["x-run-id"] != run_id
        assert api.http.get(path, headers=acme).json() == first
    assert not [each for each in stack.effects(tool="transfer") if run_id in each["key"]]


def test_who_may_not_read(stack: TestStack, model: ScriptedModel, key: str) -> None:
    """Cancelling tells them how a response stands, and nothing that is in it."""
    model.script(key, [calls(call("transfer", cents=5), text="A secret.")])
    keys = {
        "acme": [
            {"name": name, "sha256": hash_of_key(f"s-{name}"), "rights": rights}
            for name, rights in (("desk", ["invoke", "read"]), ("door", ["invoke"]))
        ]
    }
    with stack.another_app({"APP_KEYS": json.dumps(keys)}) as url, Api(url) as api:
        body = {"model": "partner", "input": key, "metadata": {"secret": "yes"}}
        made = api.http.post(RESPONSES, json=body, headers=as_one("desk")).json()
        for _ in range(2):
            path = f"{RESPONSES}/{made['id']}/cancel"
            cancelled = api.http.post(path, headers=as_one("door")).json()
            # The response has ended where it asked; the run is what is cancelled.
            assert cancelled == {"id": made["id"], "object": "response", "status": "completed"}
        path = f"{RESPONSES}/{made['id']}"
        assert api.http.get(path, headers=as_one("desk")).json()["metadata"] == {"secret": "yes"}
        ended = api.http.get(f"/runs/{run_of(made)}", headers=as_one("desk")).json()
        assert ended["status"] == "cancelled"

"""Approvals of called runs over protocols: all, some, twice, in vain, and in bad faith."""

import json
from collections.abc import Iterator
from typing import Any

import httpx

from fakes.ag_ui_page import Page
from fakes.api import Api
from fakes.chat import Chat, answer_of, shown, user
from fakes.frames import read_frames
from fakes.model_server import ScriptedModel
from fakes.script import Gate, call, calls, text
from fakes.stack import TestStack
from fakes.ui_message import UiMessage
from outlast.names import child_run_id
from outlast_app.keyring import hash_of_key


def script_team(model: ScriptedModel, key: str, gate: Gate | None = None) -> None:
    """Have a lead call somebody who pays, and somebody else: both must be approved."""
    ask = call("ask", input=f"{key} child")
    gravely = call("ask_gravely", input=f"{key} other")
    model.script(f"{key} boss", [calls(ask, gravely), text("Done.")])
    model.script(f"{key} child", [call("pay", cents=5), text("Paid.", gate=gate)])
    model.script(f"{key} other", [text("Said.")])


def child_of(run_id: str, index: int = 0) -> str:
    return child_run_id("tester", run_id, f"1.{index}")


class Responses:
    """A client of Responses that follows one run."""

    def __init__(self, http: httpx.Client, agent: str) -> None:
        self._http = http
        self._agent = agent

    def create(self, said: Any, **more: Any) -> httpx.Response:
        return self._http.post("/v1/responses", json={"model": self._agent, "input": said, **more})

    def decide(self, before: dict[str, Any], *names: str, **more: Any) -> httpx.Response:
        decided = [
            {"type": "mcp_approval_response", "approval_request_id": name, "approve": True, **more}
            for name in names
        ]
        return self.create(decided, previous_response_id=before["id"])


def asked_in(response: dict[str, Any]) -> dict[str, dict[str, Any]]:
    items = [i for i in response["output"] if i["type"] == "mcp_approval_request"]
    return {item["name"]: item for item in items}


def test_responses(api: Api, model: ScriptedModel, key: str) -> None:
    """What is left is asked again; what was decided otherwise is named; it is read as it was."""
    script_team(model, key)
    client = Responses(api.http, "lead")
    first = client.create(f"{key} boss").json()
    asked = asked_in(first)
    assert list(asked) == ["ask_gravely", "tester.pay"]
    run_id = first["id"].split("_")[1]
    assert asked["tester.pay"]["id"] == f"mcpr_{run_id}_{child_of(run_id)}_1_0"
    unanswered = client.create("And?", previous_response_id=first["id"]).json()["error"]
    assert asked["tester.pay"]["id"] in unanswered["message"]

    second = client.decide(first, asked["tester.pay"]["id"]).json()
    assert list(asked_in(second)) == ["ask_gravely"]
    [called] = [item for item in second["output"] if item["type"] == "mcp_call"]
    assert (called["name"], called["output"]) == ("ask", "Paid.")
    assert client.decide(first, asked["tester.pay"]["id"]).json() == second
    late = client.decide(first, asked["tester.pay"]["id"], approve=False)
    assert (late.status_code, late.json()["error"]["code"]) == (400, "already_decided")
    assert second["id"] in late.json()["error"]["message"]
    items = api.http.get(f"/v1/responses/{second['id']}/input_items").json()["data"]
    assert [item["approval_request_id"] for item in items] == [asked["tester.pay"]["id"]]

    third = client.decide(second, asked["ask_gravely"]["id"]).json()
    assert third["output"][-1]["content"][0]["text"] == "Done."
    streams = [
        read_frames([api.http.get(f"/v1/responses/{each['id']}?stream=true").content])
        for each in (first, second, third)
    ]
    assert api.http.delete(f"/runs/{child_of(run_id)}").status_code == 204
    for each, before in zip((first, second, third), streams, strict=True):
        later = read_frames([api.http.get(f"/v1/responses/{each['id']}?stream=true").content])
        assert [(e["type"], e["sequence_number"]) for e in later] == [
            (e["type"], e["sequence_number"]) for e in before
        ]
    assert list(asked_in(api.http.get(f"/v1/responses/{first['id']}").json())) == [
        "ask_gravely",
        "tester",
    ]


def open_parts(message: UiMessage) -> Iterator[dict[str, Any]]:
    return (part for part in message.parts if part.get("state") == "approval-requested")


def decide_all(message: UiMessage, *, approved: bool = True) -> dict[str, Any]:
    """Decide on all that a page asks, as the SDK keeps that; return the message."""
    for part in open_parts(message):
        part |= {"type": "dynamic-tool", "state": "approval-responded"}
        part["approval"] = {"id": part["toolCallId"], "approved": approved}
    return shown(message)


def test_a_chat(api: Api, model: ScriptedModel, key: str) -> None:
    """All at once, some elsewhere meanwhile; the page sends once, and ends with nothing open."""
    script_team(model, key)
    chat, said = Chat(api.http, agent="lead"), user("u1", f"{key} boss")
    message = answer_of(chat.post(said))
    assert [part["toolName"] for part in open_parts(message)] == ["ask_gravely", "tester.pay"]
    [run_id] = chat.runs()
    undecided = {"id": message.message_id, "role": "assistant", "parts": []}
    refused = chat.post(said, undecided, user("u2", "Well?"))
    assert (refused.status_code, child_of(run_id) in refused.text) == (400, True), refused.text
    loaded = answer_of(chat.get("stream"))
    assert [part["toolName"] for part in open_parts(loaded)] == ["ask_gravely", "tester.pay"]

    assert api.decide(child_of(run_id), "1.0", "approve").status_code == 200
    # However far the run has heard of it: who loads the page now is not asked that again.
    loaded = answer_of(chat.get("stream"))
    assert [part["toolName"] for part in open_parts(loaded)] == ["ask_gravely"]
    api.wait_for_event(run_id, type="run.waiting", waiting_for="approval", segment=2)
    decided = decide_all(message)
    answer = chat.post(said, decided)
    assert message.take(read_frames([answer.content])).finished == "stop"
    assert message.texts() == ["Done."]
    assert not any(part.get("state") == "approval-responded" for part in message.parts)


def test_a_chat_of_many_called_runs(api: Api, model: ScriptedModel, key: str) -> None:
    """However they end one by one, who has decided on all is told on, to the end."""
    asks = [call("ask", input=f"{key} child {n};") for n in range(4)]
    model.script(f"{key} boss", [calls(*asks), text("Done.")])
    for n in range(4):
        model.script(f"{key} child {n};", [call("pay", cents=n), text("Paid.")])
    chat, said = Chat(api.http, agent="lead"), user("u1", f"{key} boss")
    message = answer_of(chat.post(said))
    assert len([*open_parts(message)]) == 4
    decided = decide_all(message)
    assert message.is_sent_by_itself()
    message.take(read_frames([chat.post(said, decided).content]))
    assert (message.finished, message.texts()) == ("stop", ["Done."])
    assert not message.is_sent_by_itself()
    assert {part["state"] for part in message.parts if part["type"] == "dynamic-tool"} == {
        "output-available"
    }


def test_a_chat_that_refuses(api: Api, model: ScriptedModel, key: str) -> None:
    """A refusal is one at the called run; another decision afterwards is told what counts."""
    model.script(f"{key} boss", [call("ask", input=f"{key} child"), text("Not done.")])
    model.script(f"{key} child", [call("pay", cents=5), text("Not paid.")])
    chat, said = Chat(api.http, agent="lead"), user("u1", f"{key} boss")
    message = answer_of(chat.post(said))
    [part] = open_parts(message)
    late = shown(message)["parts"].copy()
    decided = decide_all(message, approved=False)
    body = {"id": decided["id"], "role": "assistant", "parts": [dict(p) for p in late]}
    message.take(read_frames([chat.post(said, decided).content]))
    assert (part["state"], message.texts()) == ("output-denied", ["Not done."])
    [run_id] = chat.runs()
    [approval] = api.get(child_of(run_id))["approvals"]
    assert approval["resolution"]["action"] == "reject"
    for each in body["parts"]:
        if each.get("toolCallId") == part["toolCallId"]:
            each |= {"state": "approval-responded"}
            each["approval"] = {"id": part["toolCallId"], "approved": True}
    assert chat.post(said, body).status_code == 409


def test_a_page_of_ag_ui(api: Api, model: ScriptedModel, key: str) -> None:
    """All interrupts are to be answered; who comes back while the called run works is told on."""
    gate = Gate()
    script_team(model, key, gate)
    page = Page(api.http, agent="lead").say("u1", f"{key} boss")
    resume = page.resume()
    assert len(resume) == 2
    page.run(resume=resume[:1])
    assert page.resume() == resume
    [run_id] = page.runs()
    assert api.get(run_id)["status"] == "waiting"
    with page.streaming(resume=resume) as stream:
        lines = stream.iter_lines()
        assert "RUN_STARTED" in next(lines)
        model.wait_for(f"{key} child", turn=2)
        again = page.load()
        with again.streaming() as second:
            again_lines = second.iter_lines()
            assert "RUN_STARTED" in next(again_lines)
            gate.open()
            events = read_frames(["\n".join([*again_lines, "", ""]).encode()])
    assert events[-1]["outcome"] == {"type": "success"}
    assert events[-1]["result"] == "Done."
    assert api.get(child_of(run_id))["status"] == "completed"
    assert api.get(run_id)["segment"] <= 3
    # The same answers once more are told the same.
    answer = page.post(page.client.messages[0], resume=resume)
    assert read_frames([answer.content])[-1]["result"] == "Done."


def test_cancelled_while_a_called_run_asks(api: Api, model: ScriptedModel, key: str) -> None:
    """Nothing is asked any more, and no part stays open."""
    model.script(f"{key} boss", [call("ask", input=f"{key} child"), text("never")])
    model.script(f"{key} child", [call("pay", cents=5), text("never")])
    chat, said = Chat(api.http, agent="lead"), user("u1", f"{key} boss")
    message = answer_of(chat.post(said))
    [run_id] = chat.runs()
    assert chat.send_to("stop").status_code == 204
    api.wait_for_status(run_id, "cancelled")
    decided = decide_all(message)
    assert chat.post(said, decided).status_code == 409
    page = api.http.get(f"/v1/responses/resp_{run_id}_1").json()
    assert list(asked_in(page)) == ["tester.pay"]
    late = Responses(api.http, "lead").decide(page, asked_in(page)["tester.pay"]["id"])
    assert (late.status_code, late.json()["error"]["code"]) == (400, "already_decided")


def test_keys(stack: TestStack, model: ScriptedModel, key: str) -> None:
    """Who may not approve can't decide for a called run; another tenant finds none of its own."""
    model.script(f"{key} boss", [call("ask", input=f"{key} child"), text("Done.")])
    model.script(f"{key} child", [call("pay", cents=5), text("Paid.")])
    rights = {"acme": ["invoke", "read"], "rival": ["invoke", "read", "approve"]}
    keys = {
        tenant: [{"name": "k", "sha256": hash_of_key(tenant), "rights": own}]
        for tenant, own in rights.items()
    }
    with stack.another_app({"APP_KEYS": json.dumps(keys)}) as url, Api(url) as api, Api(url) as foe:
        api.http.headers["authorization"] = "Bearer acme"
        foe.http.headers["authorization"] = "Bearer rival"
        mine, theirs = Responses(api.http, "lead"), Responses(foe.http, "lead")
        first, other = mine.create(f"{key} boss").json(), theirs.create(f"{key} boss").json()
        run_id, rivals = (each["id"].split("_")[1] for each in (first, other))
        name = asked_in(first)["tester.pay"]["id"]
        refused = mine.decide(first, name)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "missing_right")
        for forged in (name, name.replace(run_id, rivals, 1)):
            decided = {
                "type": "mcp_approval_response",
                "approval_request_id": forged,
                "approve": True,
            }
            assert theirs.create([decided]).status_code == 404
        assert api.get(run_id)["waiting_for"] == "child"
        [approval] = api.get(child_of(run_id))["approvals"]
        assert approval["resolution"] is None
        assert theirs.decide(other, asked_in(other)["tester.pay"]["id"]).status_code == 200


def test_ids_of_others(api: Api, model: ScriptedModel, key: str) -> None:
    """An approval is decided over the run that waits for it, and over no other one."""
    model.script(f"{key} boss", [call("ask", input=f"{key} child"), text("Done.")])
    model.script(f"{key} child", [call("pay", cents=5), text("Paid.")])
    model.script(f"{key} alone", [call("pay", cents=5), text("Paid.")])
    chat, said = Chat(api.http, agent="lead"), user("u1", f"{key} boss")
    message = answer_of(chat.post(said))
    page = Page(api.http, agent="lead").say("u1", f"{key} boss")
    first = Responses(api.http, "lead").create(f"{key} boss").json()
    alone = api.start("tester", f"{key} alone")
    api.wait_for_approval(alone)
    [run_id], [paged] = chat.runs(), page.runs()
    nobody = f"tester.{'a' * 26}"
    for below, call_id in ((alone, "1_0"), (nobody, "1_0"), (child_of(run_id), "9_0")):
        name = f"call_{run_id}_{below}_{call_id}"
        part = {
            "type": "dynamic-tool",
            "toolName": "x",
            "toolCallId": name,
            "state": "approval-responded",
            "approval": {"id": name, "approved": True},
        }
        answer = {"id": message.message_id, "role": "assistant", "parts": [part]}
        assert chat.post(said, answer).status_code in {400, 404}, name
        entry = {"interruptId": name.replace(run_id, paged), "status": "resolved"}
        body = page.post(*page.client.messages, resume=[{**entry, "payload": {"approved": True}}])
        assert body.status_code == 404, body.text
        refused = Responses(api.http, "lead").decide(first, name.replace("call_", "mcpr_"))
        assert refused.json()["error"]["code"] == "not_found", refused.text
        own = name.replace(run_id, first["id"].split("_")[1]).replace("call_", "mcpr_")
        assert Responses(api.http, "lead").decide(first, own).status_code == 404
    waiting = [alone, *(child_of(each) for each in (run_id, paged))]
    for each in waiting:
        [approval] = api.get(each)["approvals"]
        assert approval["resolution"] is None

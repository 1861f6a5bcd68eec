"""SIGKILL of each process while a client of OpenAI's API streams, or is waited for."""

import json
from typing import Any

import pytest

from fakes.api import Api
from fakes.model_server import ScriptedModel
from fakes.response_follower import ResponseFollower
from fakes.script import Gate, attempts, call, text
from fakes.stack import TestStack
from fakes.waiting import wait_until

pytestmark = pytest.mark.crash

FIRST = "one two three four five"
SECOND = "uno dos tres cuatro cinco"


def ask(key: str) -> dict[str, Any]:
    return {"model": "partner", "input": key}


def texts_of(response: dict[str, Any]) -> list[str]:
    return [part["text"] for item in response["output"] for part in item.get("content", [])]


@pytest.mark.parametrize("again", [FIRST, SECOND], ids=["the same", "other words"])
def test_worker_in_mid_text(
    api: Api, stack: TestStack, model: ScriptedModel, key: str, again: str
) -> None:
    """Over one connection: nobody notices the same text; another one is in a part of its own."""
    gate = Gate(after_chunks=4)
    model.script(key, [text(FIRST, gate=gate)])
    with ResponseFollower(stack.app_url, ask(key)) as follower:
        follower.wait_for_text("one two three")
        stack.worker.kill()
        model.forget(key)
        model.script(key, [text(again)])
        stack.start_worker()
        response = follower.wait_for_end()
    gate.open()
    assert follower.connections == 1
    assert texts_of(response) == [again]
    parts = list(follower.parts.values())
    assert parts == ([FIRST] if again == FIRST else ["one two three", SECOND])
    assert api.http.get(f"/v1/responses/{response['id']}").json() == response


def test_app_in_mid_text(api: Api, stack: TestStack, model: ScriptedModel, key: str) -> None:
    """The client goes on after the last number that it has, in the middle of the text."""
    gate = Gate(after_chunks=4)
    model.script(key, [call("look_up", word="x"), text(FIRST, gate=gate)])
    with ResponseFollower(stack.app_url, ask(key)) as follower:
        follower.wait_for_text("one two three")
        stack.app.kill()
        stack.start_app()
        wait_until(lambda: follower.connections > 1, "another connection")
        gate.open()
        response = follower.wait_for_end()
    assert list(follower.parts.values()) == [FIRST]
    assert texts_of(response) == [FIRST]
    run_id = response["id"].removeprefix("resp_").removesuffix("_1")
    assert stack.executions(run_id).count("model 2") == 1


def test_all_while_a_client_is_waited_for(
    api: Api, stack: TestStack, model: ScriptedModel, key: str
) -> None:
    """Between a function's call and its output everything dies: the output is taken, once."""
    model.script(key, [call("locate", of="ann"), text("In Berlin.")])
    made = api.http.post("/v1/responses", json=ask(key))
    assert made.status_code == 200, made.text
    first = made.json()
    [asked] = first["output"]
    for process in (stack.app, stack.worker, stack.restate):
        process.kill()
    stack.start_restate()
    stack.start_worker()
    stack.start_app()
    stack.wait_ready()
    output = {"type": "function_call_output", "call_id": asked["call_id"], "output": "Berlin"}
    answer = {"model": "partner", "previous_response_id": first["id"], "input": [output]}
    seconds = [api.http.post("/v1/responses", json=answer) for _ in range(2)]
    assert [each.status_code for each in seconds] == [200, 200], seconds[0].text
    assert seconds[0].json() == seconds[1].json()
    assert texts_of(seconds[0].json()) == ["In Berlin."]
    assert len(model.requests(key)) == 2


def test_all_while_a_called_run_asks(
    api: Api, stack: TestStack, model: ScriptedModel, key: str
) -> None:
    """All dies while it asks, and what carries it out once more after the decision: it counts."""
    gate = Gate(after_chunks=1)
    model.script(f"{key} boss", [call("ask", input=f"{key} child"), text("Done.")])
    model.script(
        f"{key} child", [call("pay", cents=5), attempts(text("Paid.", gate=gate), text("Paid."))]
    )
    first = api.http.post("/v1/responses", json={"model": "lead", "input": f"{key} boss"}).json()
    [asked] = [item for item in first["output"] if item["type"] == "mcp_approval_request"]
    for process in (stack.app, stack.worker, stack.restate):
        process.kill()
    stack.start_restate()
    stack.start_worker()
    stack.start_app()
    stack.wait_ready()
    assert api.http.get(f"/v1/responses/{first['id']}").json() == first
    decided = {
        "type": "mcp_approval_response",
        "approval_request_id": asked["id"],
        "approve": True,
    }
    answer = {"model": "lead", "previous_response_id": first["id"], "input": [decided]}
    begun = api.http.post("/v1/responses", json={**answer, "background": True})
    assert begun.status_code == 200, begun.text
    gate.wait_reached()
    for process in (stack.app, stack.worker):
        process.kill()
    stack.start_worker()
    stack.start_app()
    second = api.http.post("/v1/responses", json=answer).json()
    gate.open()
    assert (second["id"], texts_of(second)) == (begun.json()["id"], ["Done."])
    child = asked["id"].split("_")[2]
    assert len(stack.effects(key=f"{child}:1.0")) == 1


def test_an_answer_that_is_taken_back_in_chat(
    api: Api, stack: TestStack, model: ScriptedModel, key: str
) -> None:
    """The stream ends loudly; the same request with its key gives the whole answer."""
    gate = Gate(after_chunks=4)
    model.script(key, [text(FIRST, gate=gate)])
    body = {"model": "partner", "messages": [{"role": "user", "content": key}], "stream": True}
    headers, path = {"Idempotency-Key": key}, "/v1/chat/completions"
    said: list[str] = []
    shown, kills = "", 0
    with api.http.stream("POST", path, json=body, headers=headers) as stream:
        for line in stream.iter_lines():
            if not line.startswith("data: "):
                continue
            said.append(line)
            if line == "data: [DONE]":
                break
            for choice in json.loads(line.removeprefix("data: ")).get("choices", ()):
                shown += choice["delta"].get("content") or ""
            if shown == "one two three" and not kills:
                kills += 1
                stack.worker.kill()
                model.forget(key)
                model.script(key, [text(SECOND)])
                stack.start_worker()
    gate.open()
    assert (shown, kills) == ("one two three", 1)
    assert "answer_restarted" in said[-1]
    assert "data: [DONE]" not in said
    again = api.http.post(path, json={**body, "stream": False}, headers=headers)
    assert again.status_code == 200, again.text
    assert again.json()["choices"][0]["message"]["content"] == SECOND
    again = api.http.post(path, json=body, headers=headers)
    assert "data: [DONE]" in again.text.split("\n")

"""Tools that clients run: asked for, answered exactly once, expired, cancelled, listed."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from fakes.api import Api
from fakes.events import assert_events_are_whole
from fakes.model_server import ScriptedModel
from fakes.script import call, calls, text
from fakes.stack import TestStack
from fakes.waiting import wait_until


def ask(api: Api, model: ScriptedModel, key: str, **body: Any) -> str:
    """Start a run whose call waits for a client; return the run."""
    model.script(key, [call("locate", of="ann"), text("done")])
    run_id = api.start("guide", key, **body)
    [asked] = api.wait_for_calls(run_id)["calls"]
    assert (asked["call_id"], asked["name"], asked["arguments"]) == ("1.0", "locate", {"of": "ann"})
    return run_id


def results_of(run: dict[str, Any]) -> list[str]:
    return [m["content"] for m in run["messages"] if m["role"] == "tool"]


def test_answered(api: Api, model: ScriptedModel, key: str) -> None:
    """A run waits suspended for a client, and goes on with what it sends."""
    run_id = ask(api, model, key)
    waiting = api.wait_for_status(run_id, "waiting")
    assert waiting["waiting_for"] == waiting["waiting"]["kind"] == "client"
    assert waiting["waiting"]["call_ids"] == ["1.0"]
    answer = api.answer(run_id, "1.0", "Berlin", by="browser")
    assert answer.status_code == 200, answer.text
    assert answer.json()["outcome"] == "answered"
    assert answer.json()["by"] == {"key": None, "said": "browser"}
    run = api.result(run_id)
    assert (run["output"], results_of(run), run["usage"]["tool_calls"]) == ("done", ["Berlin"], 1)
    assert run["calls"][0]["answer"] == answer.json()
    events = api.events(run_id)
    assert_events_are_whole(events, run)
    kinds = [event["type"] for event in events]
    assert kinds.index("tool_call.requested") < kinds.index("run.waiting")
    assert "tool_call.started" not in kinds
    [told] = [m for m in model.requests(key)[-1].messages if m["role"] == "tool"]
    assert told["content"] == "Berlin"


def test_an_image(api: Api, model: ScriptedModel, key: str) -> None:
    """A client may send images and documents beside text; the model sees them."""
    pixel = "data:image/png;base64,iVBORw0KGgo="
    parts = [{"type": "text", "text": "The map:"}, {"type": "image", "url": pixel}]
    run_id = ask(api, model, key)
    refused = api.http.post(
        f"/runs/{run_id}/results/1.0", json={"output": [{"type": "image", "url": "file:///x"}]}
    )
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "body.output")
    for _ in range(2):
        answer = api.http.post(f"/runs/{run_id}/results/1.0", json={"output": parts})
        assert answer.status_code == 200, answer.text
    run = api.result(run_id)
    assert results_of(run) == [parts]
    [completed] = [e for e in api.events(run_id) if e["type"] == "tool_call.completed"]
    assert completed["output"] == "The map:\n(an image)"
    assert pixel in str(model.requests(key)[-1].messages)


def test_the_same_again_and_another(api: Api, model: ScriptedModel, key: str) -> None:
    """The first result counts: the same again gets its answer, another one is a 409."""
    run_id = ask(api, model, key)
    first = api.answer(run_id, "1.0", "Berlin")
    for _ in range(2):
        again = api.answer(run_id, "1.0", "Berlin")
        assert (again.status_code, again.json()) == (200, first.json())
        for body in ({"output": "Rome"}, {"output": "Berlin", "is_error": True}):
            other = api.answer(run_id, "1.0", **body)
            assert (other.status_code, other.json()["type"]) == (409, "already-answered")
        assert results_of(api.result(run_id)) == ["Berlin"]


def test_many_at_once(api: Api, model: ScriptedModel, key: str) -> None:
    """Of many results at once one counts; each 200 says what it is."""
    run_id = ask(api, model, key)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: (n, api.answer(run_id, "1.0", f"city {n}")), range(8)))
    counts = [n for n, answer in answers if answer.status_code == 200]
    assert len(counts) == 1
    assert {answer.status_code for _, answer in answers} == {200, 409}
    assert results_of(api.result(run_id)) == [f"city {counts[0]}"]


def test_what_cannot_be_answered(api: Api, model: ScriptedModel, key: str) -> None:
    """Unknown calls, runs that have ended, and results that are too large are told apart."""
    run_id = ask(api, model, key)
    large = api.answer(run_id, "1.0", "x" * (256 * 1024 + 1))
    assert (large.status_code, large.json()["type"]) == (413, "body-too-large")
    for call_id in ("1.1", "2.0"):
        unknown = api.answer(run_id, call_id, "x")
        assert (unknown.status_code, unknown.json()["type"]) == (404, "unknown-call")
    assert api.answer(run_id, "x", "x").status_code == 422
    assert api.answer(run_id, "1.0", "x", more=1).status_code == 422
    assert api.answer("guide." + "a" * 26, "1.0", "x").status_code == 404
    assert api.answer(run_id, "1.0", "x" * 256 * 1024).status_code == 200


def test_one_by_one(api: Api, stack: TestStack, model: ScriptedModel, key: str) -> None:
    """Other calls run meanwhile, and each answer that leaves some open is a wait of its own."""
    three = calls(call("locate", of="ann"), call("send", cents=5), call("locate", of="bob"))
    model.script(key, [three, text("done")])
    run_id = api.start("guide", key)
    api.wait_for_calls(run_id, 2)
    api.wait_for_event(run_id, type="tool_call.completed", call_id="1.1")
    api.wait_for_status(run_id, "waiting")
    assert api.answer(run_id, "1.2", "Rome").status_code == 200
    second = api.wait_for_event(run_id, type="run.waiting", segment=2)
    assert second["calls"] == [{"run_id": run_id, "id": "1.0"}]
    assert api.answer(run_id, "1.0", "the phone is off", is_error=True).status_code == 200
    run = api.result(run_id)
    assert results_of(run) == ["the phone is off", "sent 5", "Rome"]
    assert run["segment"] == 3
    assert len(stack.effects(tool="send", key=f"{run_id}:1.1")) == 1


def test_arguments_that_do_not_fit(api: Api, model: ScriptedModel, key: str) -> None:
    """No client sees a call that does not fit; the model is told what is wrong."""
    model.script(key, [call("locate", whom="ann"), text("sorry")])
    run = api.run("guide", key)
    assert run["calls"] == []
    assert "locate are not valid" in results_of(run)[0]


def test_nobody_answers(api: Api, model: ScriptedModel, key: str) -> None:
    """A call that no client answers in time ends, and then it is too late."""
    model.script(key, [call("locate_soon", of="ann"), text("sorry")])
    run_id = api.start("guide", key)
    api.wait_for_calls(run_id)
    run = api.wait_for_status(run_id, "completed")
    assert "in time" in results_of(run)[0]
    assert run["calls"][0]["answer"]["outcome"] == "expired"
    late = api.answer(run_id, "1.0", "Berlin")
    assert (late.status_code, late.json()["answer"]["outcome"]) == (409, "expired")


@pytest.mark.parametrize("ended", ["cancelled", "failed"])
def test_ended_while_it_waits(
    api: Api, stack: TestStack, model: ScriptedModel, key: str, ended: str
) -> None:
    """Nothing can be answered of a run that was cancelled, or killed; its thread goes on."""
    thread_id = key.replace(" ", "-")
    run_id = ask(api, model, key, thread_id=thread_id)
    if ended == "cancelled":
        assert api.cancel(run_id).status_code == 202
    else:
        stack.administer(run_id, "kill")
    api.wait_for_status(run_id, ended)
    assert api.answer(run_id, "1.0", "Berlin").status_code == 409
    model.script(f"{key} next", [text("next")])
    assert api.run("guide", f"{key} next", thread_id=thread_id)["output"] == "next"


def test_tools_of_one_run(api: Api, model: ScriptedModel, key: str) -> None:
    """A caller brings tools along, where the agent allows it; they are pinned for this run."""
    city = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    tools = [{"name": "weather", "description": "The weather.", "parameters": city}]
    model.script(key, [call("weather", city="Rome"), text("done")])
    run_id = api.start("guide", key, client_tools=tools)
    [asked] = api.wait_for_calls(run_id)["calls"]
    assert (asked["name"], asked["arguments"]) == ("weather", {"city": "Rome"})
    assert api.answer(run_id, "1.0", "sunny").status_code == 200
    assert results_of(api.result(run_id)) == ["sunny"]
    offered = {tool["function"]["name"] for tool in model.requests(key)[0].body["tools"]}
    assert offered == {"locate", "locate_soon", "send", "weather"}
    refused = api.post("tester", key, client_tools=tools)
    assert refused.status_code == 422
    assert 'overrides={"client_tools", "options"}' in refused.json()["errors"][0]["message"]
    clash = api.post("guide", key, client_tools=[{**tools[0], "name": "locate"}])
    assert (clash.status_code, clash.json()["errors"][0]["field"]) == (422, "body.client_tools")


def test_plain_start(api: Api, model: ScriptedModel, key: str) -> None:
    """A plain start is answered as soon as the run waits for a client."""
    model.script(key, [call("locate", of="ann"), text("done")])
    answer = api.post("guide", key)
    assert (answer.status_code, answer.json()["waiting_for"]) == (202, "client")
    assert api.answer(answer.json()["run_id"], "1.0", "Berlin").status_code == 200
    assert api.result(answer.json()["run_id"])["output"] == "done"


def test_listed_over_all_runs(api: Api, model: ScriptedModel, key: str) -> None:
    """What waits for a client is listed with its run, until it is answered."""
    run_id = ask(api, model, key)

    def listed() -> list[str]:
        items = api.http.get("/calls", params={"limit": 100}).json()["items"]
        return [item["call_id"] for item in items if item["run_id"] == run_id]

    assert listed() == ["1.0"]
    [shown] = [run for run in api.http.get("/runs").json()["items"] if run["run_id"] == run_id]
    assert [call["call_id"] for call in shown["calls"]] == ["1.0"]
    api.answer(run_id, "1.0", "Berlin")
    wait_until(lambda: listed() == [], "no call")
    api.result(run_id)

"""Agents that call agents: each call is a run of its own, which the calling one waits for."""

from typing import Any

import httpx
import pytest

from fakes.api import Api
from fakes.model_server import ScriptedModel
from fakes.script import Gate, call, calls, text
from fakes.stack import TestStack
from fakes.waiting import wait_until
from outlast.names import child_run_id


def ask(key: str, tool: str = "ask") -> Any:
    return call(tool, input=key)


def child_of(run_id: str, call_id: str = "1.0", agent: str = "tester") -> str:
    return child_run_id(agent, run_id, call_id)


def results(run: dict[str, Any]) -> list[str]:
    return [message["content"] for message in run["messages"] if message["role"] == "tool"]


def test_a_child_is_a_run(api: Api, model: ScriptedModel, stack: TestStack, key: str) -> None:
    """It can be read and followed like any other, and tells whose call it answers."""
    model.script(f"{key} boss", [ask(f"{key} child"), text("Done.")])
    model.script(f"{key} child", [call("note", text="hello"), text("Noted.")])
    run = api.run("lead", f"{key} boss", metadata={"ticket": "7"}, context={"plan": "pro"})
    child = api.get(child_of(run["run_id"]))
    assert (run["output"], results(run)) == ("Done.", ["Noted."])
    assert (child["status"], child["output"], child["agent"]) == ("completed", "Noted.", "tester")
    assert child["parent"] == {"run_id": run["run_id"], "call_id": "1.0"}
    assert child["metadata"] == {"ticket": "7"}
    assert run["parent"] is None
    assert run["usage"]["model_calls"] == child["usage"]["model_calls"] + 2 == 4
    assert run["usage"]["input_tokens"] > child["usage"]["input_tokens"] > 0
    assert run["usage"]["tool_calls"] == 2
    events = api.events(run["run_id"])
    [started] = [event for event in events if event["type"] == "child.started"]
    assert (started["child_run_id"], started["agent"]) == (child["run_id"], "tester")
    assert api.events(child["run_id"])[-1]["type"] == "run.completed"
    assert len(stack.effects(key=f"{child['run_id']}:1.0")) == 1


def test_several_beside_tools(api: Api, model: ScriptedModel, key: str) -> None:
    """Children of one turn go on at the same time, beside tools."""
    gates = [Gate() for _ in range(3)]
    asked = [ask(f"{key} child {index};") for index in range(3)]
    model.script(f"{key} boss", [calls(*asked, call("note", text="x")), text("All.")])
    for index, gate in enumerate(gates):
        model.script(f"{key} child {index};", [text(f"answer {index}", gate=gate)])
    run_id = api.start("lead", f"{key} boss")
    for index in range(3):  # all of them are asked before any of them has answered
        model.wait_for(f"{key} child {index};")
    for gate in reversed(gates):
        gate.open()
    run = api.result(run_id)
    assert results(run) == ["answer 0", "answer 1", "answer 2", "noted x"]


def test_children_of_children(api: Api, model: ScriptedModel, key: str) -> None:
    """A child's children are its own, and what they used is used by all above them."""
    model.script(f"{key} chief", [ask(f"{key} lead", "lead"), text("Top.")])
    model.script(f"{key} lead", [ask(f"{key} child"), text("Middle.")])
    model.script(f"{key} child", [text("Bottom.")])
    run = api.run("chief", f"{key} chief")
    lead = api.get(child_of(run["run_id"], agent="lead"))
    bottom = api.get(child_of(lead["run_id"]))
    assert (results(run), results(lead), bottom["output"]) == (["Middle."], ["Bottom."], "Bottom.")
    assert (run["usage"]["model_calls"], lead["usage"]["model_calls"]) == (5, 3)


def test_a_conversation_of_its_own(api: Api, model: ScriptedModel, key: str) -> None:
    """An agent that remembers is told what was said in its earlier calls, and others are not."""
    thread_id = key.replace(" ", "-")
    for turn in ("one", "two"):
        model.script(
            f"{key} boss {turn}",
            [ask(f"{key} child {turn}", "ask_again"), ask(f"{key} other {turn}"), text("Done.")],
        )
        model.script(f"{key} child {turn}", [text(f"heard {turn}")])
        model.script(f"{key} other {turn}", [text(f"heard {turn}, too")])
        api.run("lead", f"{key} boss {turn}", thread_id=thread_id)
    said = [message["content"] for message in model.requests(f"{key} child two")[0].messages]
    assert said[1:] == [f"{key} child one", "heard one", f"{key} child two"]
    said = [message["content"] for message in model.requests(f"{key} other two")[0].messages]
    assert said[1:] == [f"{key} other two"]


def test_a_child_that_fails(api: Api, model: ScriptedModel, stack: TestStack, key: str) -> None:
    """It is an error that says why, and the run goes on: also if the child was killed."""
    model.script(f"{key} boss", [ask(f"{key} nobody"), ask(f"{key} child"), text("So be it.")])
    gate = Gate()
    model.script(f"{key} child", [call("note", text="x"), text("never", gate=gate)])
    run_id = api.start("lead", f"{key} boss")
    model.wait_for(f"{key} child", turn=2)
    killed = child_of(run_id, "2.0")
    stack.administer(killed, "kill")
    run = api.result(run_id)
    gate.open()
    failed, gone = results(run)
    assert failed.startswith("The agent tester failed: model-")
    assert gone == "The agent tester was killed in Restate before it had answered."
    assert (run["status"], run["output"]) == ("completed", "So be it.")
    # What it had used is counted.
    assert run["usage"]["model_calls"] == 3 + 1
    assert api.get(killed)["error"]["type"] == "killed"


def test_cancel_goes_down(api: Api, model: ScriptedModel, key: str) -> None:
    """A cancelled run cancels all that is below it, and ends after that."""
    gate = Gate()
    model.script(f"{key} chief", [ask(f"{key} lead", "lead"), text("never")])
    model.script(f"{key} lead", [calls(ask(f"{key} child"), ask(f"{key} quick")), text("never")])
    model.script(f"{key} child", [text("never", gate=gate)])
    model.script(f"{key} quick", [text("quick")])
    run_id = api.start("chief", f"{key} chief")
    lead = child_of(run_id, agent="lead")
    model.wait_for(f"{key} child")
    api.wait_for_status(child_of(lead, "1.1"), "completed")
    assert api.cancel(run_id).status_code == 202
    run = api.wait_for_status(run_id, "cancelled")
    gate.open()
    below = [api.get(each) for each in (lead, child_of(lead))]
    assert [each["status"] for each in below] == ["cancelled", "cancelled"]
    assert run["usage"]["model_calls"] == 3
    assert results(run) == ["The agent lead was cancelled."]
    assert results(below[0]) == ["The agent tester was cancelled.", "quick"]


# While a tool holds, the runs of the other mode hear of nothing, and call nobody.
@pytest.mark.usual_mode
def test_a_run_that_fails_cancels_its_children(
    api: Api, model: ScriptedModel, stack: TestStack, key: str
) -> None:
    """Nothing goes on below a run that one of its hooks has failed."""
    gate = Gate()
    held = calls(ask(f"{key} child"), call("hold", gate=key))
    model.script(f"{key} boss", [held, text("never")])
    model.script(f"{key} child", [text("never", gate=gate)])
    run_id = api.start("fragile", f"{key} boss")
    model.wait_for(f"{key} child")
    stack.open_gate(key)
    run = api.wait_for_status(run_id, "failed")
    gate.open()
    assert run["error"]["type"] == "hook-failed"
    assert api.get(child_of(run_id))["status"] == "cancelled"
    assert results(run)[0] == "The agent tester was cancelled."


def test_a_cancelled_child(api: Api, model: ScriptedModel, key: str) -> None:
    """Whoever cancels a child alone has its caller go on with what it had said."""
    gate = Gate()
    model.script(f"{key} boss", [ask(f"{key} child"), text("Without it.")])
    model.script(f"{key} child", [text("never", gate=gate)])
    run_id = api.start("lead", f"{key} boss")
    model.wait_for(f"{key} child")
    api.cancel(child_of(run_id))
    run = api.result(run_id)
    gate.open()
    assert results(run) == ["The agent tester was cancelled."]
    assert run["output"] == "Without it."


def test_a_killed_run_kills_its_children(
    api: Api, model: ScriptedModel, stack: TestStack, key: str
) -> None:
    """Nothing goes on below a run that somebody killed in Restate."""
    gate = Gate()
    model.script(f"{key} boss", [ask(f"{key} child"), text("never")])
    model.script(f"{key} child", [text("never", gate=gate)])
    run_id = api.start("lead", f"{key} boss")
    model.wait_for(f"{key} child")
    stack.administer(run_id, "kill")
    for each in (run_id, child_of(run_id)):
        assert api.wait_for_status(each, "failed")["error"]["type"] == "killed"
    gate.open()


def test_one_wait(api: Api, model: ScriptedModel, key: str) -> None:
    """Whoever started the run at the top hears that people are waited for, and where."""
    model.script(f"{key} chief", [ask(f"{key} lead", "lead"), text("Top.")])
    model.script(f"{key} lead", [ask(f"{key} child"), text("Middle.")])
    model.script(f"{key} child", [call("pay", cents=5), text("It is paid.")])
    answer = api.post("chief", f"{key} chief")
    assert answer.status_code == 202, answer.text
    run = answer.json()
    lead = child_of(run["run_id"], agent="lead")
    child = child_of(lead)
    assert (run["status"], run["waiting_for"]) == ("waiting", "child")
    assert run["waiting"]["run_id"] == lead
    events = api.wait_for_event(run["run_id"], type="run.waiting")
    assert events["approvals"] == [{"run_id": child, "id": "1.0"}]
    assert (events["waiting_for"], events["segment"]) == ("child", 1)
    assert child in _pending(api)
    assert api.decide(child, "1.0", "approve").status_code == 200
    done = wait_until(
        lambda: now if (now := api.get(answer.json()["run_id"]))["ended_at"] else None, "its end"
    )
    assert (done["output"], results(done), done["segment"]) == ("Top.", ["Middle."], 2)


def test_one_wait_of_a_line(api: Api, model: ScriptedModel, key: str) -> None:
    """Two calls of an agent that remembers go one after another: while one waits, all wait."""
    asked = calls(*(ask(f"{key} child {number}", "ask_again") for number in (0, 1)))
    model.script(f"{key} boss", [asked, text("Done.")])
    for number in (0, 1):
        model.script(f"{key} child {number}", [call("pay", cents=number), text(f"paid {number}")])
    started = api.post("lead", f"{key} boss")
    assert started.status_code == 202, started.text
    run = started.json()
    run_id, first = run["run_id"], run["waiting"]["run_id"]
    assert (run["waiting_for"], sorted(run["waiting"]["call_ids"])) == ("child", ["1.0", "1.1"])
    [then] = {child_of(run_id, "1.0"), child_of(run_id, "1.1")} - {first}
    assert api.get(then)["status"] == "queued"
    assert api.decide(first, "1.0", "approve").status_code == 200
    wait_until(lambda: (api.get(run_id)["waiting"] or {}).get("run_id") == then, "the other one")
    assert api.decide(then, "1.0", "approve").status_code == 200
    assert results(api.wait_for_status(run_id, "completed")) == ["paid 0", "paid 1"]


def test_approval_of_what_a_child_is_asked(api: Api, model: ScriptedModel, key: str) -> None:
    """A person sees it before there is a child, and what they put in its place is asked."""
    model.script(
        f"{key} boss",
        [calls(ask(f"{key} idly", "ask_gravely"), ask(f"{key} x", "ask_gravely")), text("Done.")],
    )
    model.script(f"{key} idly", [text("idle")])
    model.script(f"{key} other", [text("grave")])
    run_id = api.start("lead", f"{key} boss")
    [asked] = api.wait_for_approval(run_id)["approvals"]
    assert (asked["name"], asked["arguments"]) == ("ask_gravely", {"input": f"{key} x"})
    assert asked["question"] == "May the agent tester be asked this?"
    refused = api.decide(run_id, "1.1", "approve", arguments={"input": " "})
    assert refused.json()["errors"][0]["field"] == "body.arguments.input"
    decided = api.decide(run_id, "1.1", "approve", arguments={"input": f"{key} other"})
    assert decided.status_code == 200, decided.text
    assert results(api.result(run_id)) == ["idle", "grave"]
    assert api.get(child_of(run_id, "1.1"))["input_preview"] == f"{key} other"


def test_a_client_of_a_child(api: Api, model: ScriptedModel, key: str) -> None:
    """A child's call for a client is found from the run at the top, and answered at the child's."""
    model.script(f"{key} chief", [ask(f"{key} lead", "lead"), text("Top.")])
    model.script(f"{key} lead", [ask(f"{key} child", "ask_guide"), text("Middle.")])
    model.script(f"{key} child", [call("locate", of="ann"), text("She is there.")])
    answer = api.post("chief", f"{key} chief")
    assert answer.status_code == 202, answer.text
    run_id = answer.json()["run_id"]
    child = child_of(child_of(run_id, agent="lead"), agent="guide")
    assert (answer.json()["status"], answer.json()["waiting_for"]) == ("waiting", "child")
    told = api.wait_for_event(run_id, type="run.waiting")
    assert (told["calls"], told["approvals"]) == ([{"run_id": child, "id": "1.0"}], [])
    listed = api.http.get("/calls", params={"limit": 100}).json()["items"]
    [open_call] = [each for each in listed if each["run_id"] == child]
    assert (open_call["name"], open_call["arguments"]) == ("locate", {"of": "ann"})
    assert api.answer(child, "1.0", "Berlin").status_code == 200
    run = api.wait_for_status(run_id, "completed")
    assert (run["output"], results(run)) == ("Top.", ["Middle."])
    assert results(api.get(child)) == ["Berlin"]


def test_deletion_goes_down(api: Api, model: ScriptedModel, key: str) -> None:
    """A run takes with it what it has called, and the conversations that nobody comes back to."""
    model.script(f"{key} chief", [ask(f"{key} lead", "lead"), text("Top.")])
    asked = calls(ask(f"{key} child", "ask_again"), ask(f"{key} child"))
    model.script(f"{key} lead", [asked, text("Middle.")])
    model.script(f"{key} child", [text("Bottom.")] * 2)
    run_id = api.run("chief", f"{key} chief")["run_id"]
    lead = child_of(run_id, agent="lead")
    below = [lead, child_of(lead, "1.0"), child_of(lead, "1.1")]
    thread_id = api.get(below[1])["thread_id"]
    assert [message["content"] for message in api.messages(thread_id)][1] == "Bottom."
    assert api.http.delete(f"/runs/{run_id}").status_code == 204
    for path in (*(f"/runs/{each}" for each in (run_id, *below)), f"/threads/{thread_id}"):
        assert api.http.get(path).status_code == 404, path


def test_listing_by_parent(api: Api, model: ScriptedModel, key: str) -> None:
    """The children of a run are found by it, and nobody else's."""
    model.script(f"{key} boss", [calls(ask(f"{key} a"), ask(f"{key} b")), text("Done.")])
    model.script(f"{key} a", [text("a")])
    model.script(f"{key} b", [text("b")])
    run = api.run("lead", f"{key} boss")
    found = _list(api, parent=run["run_id"])
    assert {each["run_id"] for each in found} == {
        child_of(run["run_id"], "1.0"),
        child_of(run["run_id"], "1.1"),
    }
    assert {each["parent"]["call_id"] for each in found} == {"1.0", "1.1"}
    assert _list(api, parent=found[0]["run_id"]) == []
    assert _list(api, parent=run["run_id"], status="completed", agent="tester") != []
    assert _list(api, parent=run["run_id"], agent="lead") == []
    answer = api.http.get("/runs", params={"parent": "no run id"})
    assert answer.status_code == 422, answer.text


def _list(api: Api, **params: str) -> list[dict[str, Any]]:
    answer: httpx.Response = api.http.get("/runs", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


def _pending(api: Api) -> list[str]:
    answer = api.http.get("/approvals", params={"limit": 100})
    assert answer.status_code == 200, answer.text
    return [each["run_id"] for each in answer.json()["items"]]

"""Tool calls that wait for a person: decided once, by whoever is first, and for days if need be."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fakes.api import Api
from fakes.events import assert_events_are_whole, assert_valid_conversation
from fakes.model_server import ScriptedModel
from fakes.script import call, calls, text
from fakes.stack import TestStack
from fakes.waiting import wait_until

ANN = {"key": None, "said": "ann"}


def _tools(run: dict[str, Any]) -> list[dict[str, Any]]:
    return [m for m in run["messages"] if m["role"] == "tool"]


def test_approve(api: Api, stack: TestStack, model: ScriptedModel, key: str) -> None:
    """A call waits until a person approves it; who did and when is in run, thread and events."""
    thread_id = key.replace(" ", "-")
    model.script(key, [call("pay", cents=100), text("done")])
    run_id = api.start("tester", key, thread_id=thread_id)
    waiting = api.wait_for_status(run_id, "waiting")
    assert waiting["waiting_for"] == "approval"
    [approval] = waiting["approvals"]
    assert (approval["call_id"], approval["arguments"]) == ("1.0", {"cents": 100})
    answer = api.decide(run_id, "1.0", "approve", by="ann", reason="fine")
    assert answer.status_code == 200
    assert (answer.json()["action"], answer.json()["by"]) == ("approve", ANN)
    run = api.result(run_id)
    assert (run["output"], _tools(run)[0]["content"]) == ("done", "paid 100")
    assert run["approvals"][0]["resolution"] == answer.json()
    assert _tools(run)[0]["approval"] == answer.json()
    events = api.events(run_id)
    assert_events_are_whole(events, run)
    resolved = next(e for e in events if e["type"] == "approval.resolved")
    assert (resolved["by"], resolved["at"]) == (ANN, answer.json()["at"])
    [result] = [m for m in api.messages(thread_id) if m["role"] == "tool"]
    assert result["approval"] == answer.json()


def test_the_same_decision_again(api: Api, model: ScriptedModel, key: str) -> None:
    """A repeated decision gets the answer of the first; another one is a 409 that says what is."""
    model.script(key, [call("pay", cents=1), text("done")])
    run_id = api.start("tester", key)
    api.wait_for_approval(run_id)
    first = api.decide(run_id, "1.0", "reject", reason="no", by="ann")
    for _ in range(2):
        again = api.decide(run_id, "1.0", "reject", reason="no", by="ann")
        assert (again.status_code, again.json()) == (200, first.json())
        other = api.decide(run_id, "1.0", "approve")
        assert (other.status_code, other.json()["type"]) == (409, "already-decided")
        assert other.json()["resolution"]["by"] == ANN
        run = api.result(run_id)
    assert "rejected by a person and not run: no" in _tools(run)[0]["content"]


def test_large_numbers_in_a_decision(api: Api, model: ScriptedModel, key: str) -> None:
    """What a person decided is told again as it was; what some readers would change is refused."""
    model.script(key, [call("pay", cents=1), text("done")])
    run_id = api.start("tester", key)
    api.wait_for_approval(run_id)
    refused = api.decide(run_id, "1.0", "approve", arguments={"cents": 10**30})
    assert refused.status_code == 422
    assert "write it as a text" in refused.json()["errors"][0]["message"]
    assert api.decide(run_id, "1.0", "approve", arguments={"cents": 2**53 - 1}).status_code == 200
    other = api.decide(run_id, "1.0", "reject")
    assert other.status_code == 409
    assert other.json()["resolution"]["arguments"] == {"cents": 2**53 - 1}


def test_edited_arguments(api: Api, model: ScriptedModel, key: str) -> None:
    """A call can be approved with other arguments; they are checked as the model's are."""
    model.script(key, [call("pay", cents=100), text("done")])
    run_id = api.start("tester", key)
    api.wait_for_approval(run_id)
    for wrong, field in [
        ({"cents": "x"}, "body.arguments.cents"),
        ({}, "body.arguments.cents"),
        ({"cents": 1, "more": 1}, "body.arguments.more"),
    ]:
        refused = api.decide(run_id, "1.0", "approve", arguments=wrong)
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["field"] == field
    assert api.decide(run_id, "1.0", "approve", arguments={"cents": 5}).status_code == 200
    run = api.result(run_id)
    assert _tools(run)[0]["content"] == "paid 5"
    [told] = [m for m in model.requests(key)[-1].messages if m["role"] == "tool"]
    assert 'changed the arguments of this call to {"cents": 5}' in told["content"]


def test_too_early_too_late_unknown(api: Api, model: ScriptedModel, key: str) -> None:
    """What does not wait can't be decided on."""
    model.script(key, [call("note", text="a"), text("done")])
    run = api.run("tester", key)
    for call_id in ("1.0", "2.0"):
        answer = api.decide(run["run_id"], call_id, "approve")
        assert (answer.status_code, answer.json()["type"]) == (404, "unknown-approval")
    assert api.decide(run["run_id"], "x", "approve").status_code == 422
    assert api.decide(run["run_id"], "1.0", "maybe").status_code == 422
    assert api.decide(run["run_id"], "1.0", "reject", arguments={}).status_code == 422
    assert api.decide("tester." + "a" * 26, "1.0", "approve").status_code == 404


def test_only_when_needed(api: Api, model: ScriptedModel, key: str) -> None:
    """A function decides from the arguments whether a person is asked; others run meanwhile."""
    model.script(
        key,
        [
            calls(
                call("pay_little", cents=50),
                call("pay_little", cents=500),
                call("pay", cents=7),
                call("note", text="a"),
            ),
            text("done"),
        ],
    )
    run_id = api.start("tester", key)
    run = api.wait_for_approval(run_id, 2)
    assert {approval["call_id"] for approval in run["approvals"]} == {"1.1", "1.2"}
    api.wait_for_event(run_id, type="tool_call.completed", call_id="1.3")
    assert api.decide(run_id, "1.2", "approve").status_code == 200
    assert api.decide(run_id, "1.1", "reject").status_code == 200
    results = [m["content"] for m in _tools(api.result(run_id))]
    assert results[0] == "paid 50"
    assert results[1].startswith("This call of pay_little was rejected")
    assert results[2:] == ["paid 7", "noted a"]


def test_invalid_arguments_are_not_asked_about(api: Api, model: ScriptedModel, key: str) -> None:
    """Nobody is bothered with a call that can't run: the model is told what is wrong."""
    model.script(key, [call("pay", euros=1), text("sorry")])
    run = api.run("tester", key)
    assert run["approvals"] == []
    assert "cents: Field required" in _tools(run)[0]["content"]


def test_expiry(api: Api, model: ScriptedModel, key: str) -> None:
    """An approval that nobody gives in time expires; then it is too late."""
    model.script(key, [call("pay_now", cents=1), text("sorry")])
    run_id = api.start("tester", key)
    api.wait_for_approval(run_id)
    run = api.wait_for_status(run_id, "completed")
    assert "in time" in _tools(run)[0]["content"]
    assert run["approvals"][0]["resolution"]["action"] == "expired"
    assert run["approvals"][0]["resolution"]["at"] == run["approvals"][0]["expires_at"]
    assert api.decide(run_id, "1.0", "approve").status_code == 409


def test_decisions_at_once(api: Api, stack: TestStack, model: ScriptedModel, key: str) -> None:
    """Of many decisions at once one counts: each 200 says what it is, the others are 409."""
    model.script(key, [call("pay", cents=3), text("done")])
    run_id = api.start("tester", key)
    api.wait_for_approval(run_id)
    with ThreadPoolExecutor(16) as pool:
        answers = list(
            pool.map(
                lambda i: api.decide(run_id, "1.0", ["approve", "reject"][i % 2], by=str(i)),
                range(16),
            )
        )
    resolution = api.result(run_id)["approvals"][0]["resolution"]
    assert {a.json()["action"] for a in answers if a.status_code == 200} == {resolution["action"]}
    assert {a.status_code for a in answers} == {200, 409}
    paid = len(stack.effects(tool="pay", key=f"{run_id}:1.0"))
    assert paid == (resolution["action"] == "approve")


def test_cancelled_while_it_waits(api: Api, model: ScriptedModel, key: str) -> None:
    """A run that waits for a person is cancelled at once; then nothing can be decided."""
    thread_id = key.replace(" ", "-")
    model.script(key, [call("pay", cents=3), text("done")])
    run_id = api.start("tester", key, thread_id=thread_id)
    api.wait_for_approval(run_id)
    assert api.cancel(run_id).status_code == 202
    run = api.wait_for_status(run_id, "cancelled")
    assert run["approvals"][0]["resolution"]["action"] == "reject"
    assert api.decide(run_id, "1.0", "approve").status_code == 409
    assert_events_are_whole(api.events(run_id), run)
    model.script(f"{key} next", [text("next")])
    assert api.run("tester", f"{key} next", thread_id=thread_id)["output"] == "next"
    assert_valid_conversation(api.messages(thread_id))


def test_killed_while_it_waits(api: Api, stack: TestStack, model: ScriptedModel, key: str) -> None:
    """Nothing can be decided on a run that was killed, or steered into it."""
    model.script(key, [call("pay", cents=3), text("done")])
    run_id = api.start("tester", key)
    api.wait_for_approval(run_id)
    stack.administer(run_id, "kill")
    api.wait_for_status(run_id, "failed")
    assert api.decide(run_id, "1.0", "approve").status_code == 409
    assert api.steer(run_id, "hello").status_code == 409
    assert api.steer(run_id, "hello", {"Idempotency-Key": "k"}).status_code == 409


def test_plain_start(api: Api, model: ScriptedModel, key: str) -> None:
    """A plain start is answered as soon as the run waits for a person, or behind one that does."""
    thread_id = key.replace(" ", "-")
    model.script(f"{key} one", [call("pay", cents=3), text("done")])
    model.script(f"{key} two", [text("two")])
    began = time.monotonic()
    first = api.post("tester", f"{key} one", thread_id=thread_id)
    second = api.post("tester", f"{key} two", thread_id=thread_id)
    assert time.monotonic() - began < 10
    assert (first.status_code, first.json()["waiting_for"]) == (202, "approval")
    assert (second.status_code, second.json()["status"]) == (202, "queued")
    run_id = first.json()["run_id"]
    again = api.http.get(f"/runs/{run_id}/result")
    assert (again.status_code, again.json()["status"]) == (202, "waiting")
    assert api.decide(run_id, "1.0", "approve").status_code == 200
    assert api.result(run_id)["output"] == "done"
    assert api.result(second.json()["run_id"])["output"] == "two"


def test_listed_over_all_runs(api: Api, model: ScriptedModel, key: str) -> None:
    """What waits is listed with its run, until it is decided."""
    model.script(key, [calls(call("pay", cents=1), call("pay", cents=2)), text("done")])
    run_id = api.start("tester", key)
    api.wait_for_approval(run_id, 2)

    def listed() -> set[str]:
        items = api.http.get("/approvals", params={"limit": 100}).json()["items"]
        return {item["call_id"] for item in items if item["run_id"] == run_id}

    assert listed() == {"1.0", "1.1"}
    api.decide(run_id, "1.0", "reject")
    wait_until(lambda: listed() == {"1.1"}, "one approval less")
    api.decide(run_id, "1.1", "reject")
    api.result(run_id)
    assert listed() == set()


def test_agents_say_what_needs_approval(api: Api) -> None:
    """The description of an agent tells which tools need a person."""
    tools = {tool["name"]: tool for tool in api.http.get("/agents/tester").json()["tools"]}
    needs = [tools[name]["needs_approval"] for name in ("note", "pay", "pay_little")]
    assert needs == [False, True, "sometimes"]
    assert tools["pay_now"]["approval_timeout_s"] == 1

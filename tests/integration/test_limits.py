"""Where runs stop: by what was used, whatever is replayed."""

import pytest

from fakes.api import Api
from fakes.events import assert_valid_conversation
from fakes.model_server import ScriptedModel
from fakes.script import call, calls, text


@pytest.mark.parametrize(
    "limit", [{"max_tokens": 1}, {"max_cost_usd": 1e-9}, {"max_duration_s": 0.001}], ids=str
)
def test_a_run_stops_before_its_next_model_call(
    api: Api, model: ScriptedModel, key: str, limit: dict[str, float]
) -> None:
    """What was in flight is finished, and the run says which limit it reached."""
    model.script(key, [call("note", text="1"), text("never")])
    run = api.run("tester", key, limits=limit)
    assert (run["status"], run["incomplete_reason"]) == ("incomplete", *limit)
    assert (run["usage"]["model_calls"], run["usage"]["tool_calls"]) == (1, 1)
    assert model.count(key) == 1
    assert_valid_conversation(run["messages"])


def test_tool_calls(api: Api, model: ScriptedModel, key: str) -> None:
    """Calls beyond the limit are not run, and the conversation has a result for each."""
    model.script(key, [calls(*[call("note", text=str(n)) for n in range(3)]), text("never")])
    run = api.run("tester", key, limits={"max_tool_calls": 2})
    assert (run["status"], run["incomplete_reason"]) == ("incomplete", "max_tool_calls")
    results = [message["content"] for message in run["messages"] if message["role"] == "tool"]
    assert results[:2] == ["noted 0", "noted 1"]
    assert "2 tool calls" in results[2]
    assert_valid_conversation(run["messages"])


def test_a_cost_that_nobody_knows(api: Api, key: str) -> None:
    """A run with a limit of cost fails at its start where its model has no price."""
    run = api.run("asking", key, limits={"max_cost_usd": 1})
    assert (run["status"], run["error"]["type"]) == ("failed", "price-unknown")
    assert "MODEL_PRICES" in run["error"]["message"]
    assert run["usage"]["model_calls"] == 0


def test_a_person_raises_a_limit(api: Api, model: ScriptedModel, key: str) -> None:
    """At a limit the run waits for a person, and goes on with the one that they set."""
    model.script(key, [call("note", text="1"), call("note", text="2"), text("done")])
    started = api.post("asking", key)
    assert started.status_code == 202
    run = started.json()
    assert (run["status"], run["waiting_for"]) == ("waiting", "approval")
    [asked] = run["approvals"]
    assert (asked["approval_id"], asked["reason"], asked["name"]) == (
        "limit1",
        "limit",
        "max_turns",
    )
    assert api.decide(run["run_id"], "limit1", "approve").status_code == 422
    raised = api.decide(run["run_id"], "limit1", "raise", limits={"max_turns": 2})
    assert raised.status_code == 200
    waiting = api.wait_for_approval(run["run_id"])
    assert [each["approval_id"] for each in waiting["approvals"]] == ["limit1", "limit2"]
    assert api.decide(run["run_id"], "limit2", "stop").status_code == 200
    ended = api.result(run["run_id"])
    assert (ended["incomplete_reason"], ended["turn"]) == ("max_turns", 2)

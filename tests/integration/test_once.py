"""Tools that run once: what is in doubt is asked, decided, and never run twice."""

from typing import Any

import pytest

from fakes.api import Api
from fakes.events import assert_events_are_whole
from fakes.model_server import ScriptedModel
from fakes.script import call, text
from fakes.stack import TestStack

TOO_SLOW, BAD_LINE = "send_too_slowly", "send_over_a_bad_line"


def in_doubt(api: Api, model: ScriptedModel, key: str, tool: str) -> str:
    """Start a run whose call is in doubt; return the run."""
    model.script(key, [call(tool, cents=5), text("done")])
    run_id = api.start("bank", key)
    [asked] = api.wait_for_approval(run_id)["approvals"]
    assert (asked["approval_id"], asked["call_id"]) == ("1.0.doubt1", "1.0")
    assert asked["reason"] == "in_doubt"
    return run_id


def result_of(run: dict[str, Any]) -> str:
    return next(m["content"] for m in run["messages"] if m["role"] == "tool")


def sent(stack: TestStack, run_id: str, tool: str) -> int:
    return len(stack.effects(tool=tool, key=f"{run_id}:1.0"))


def test_claimed_and_run(api: Api, stack: TestStack, model: ScriptedModel, key: str) -> None:
    """A call that nothing disturbs runs once, and nobody is asked."""
    model.script(key, [call("send", cents=5), text("done")])
    run = api.run("bank", key)
    assert (result_of(run), run["approvals"]) == ("sent 5", [])
    assert sent(stack, run["run_id"], "send") == 1


@pytest.mark.parametrize(
    ("tool", "why"),
    [(TOO_SLOW, "did not finish within 0."), (BAD_LINE, "the line to the bank broke")],
)
def test_what_is_in_doubt(
    api: Api, stack: TestStack, model: ScriptedModel, key: str, tool: str, why: str
) -> None:
    """A timeout, or the tool itself, leaves a call in doubt; a person completes it."""
    run_id = in_doubt(api, model, key, tool)
    waiting = api.wait_for_status(run_id, "waiting")
    assert why in waiting["approvals"][0]["question"]
    assert waiting["waiting"]["kind"] == waiting["waiting_for"] == "approval"
    assert waiting["waiting"]["call_ids"] == ["1.0"]
    refused = api.decide(run_id, "1.0.doubt1", "approve")
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "body.action"
    listed = api.http.get("/approvals", params={"limit": 100}).json()["items"]
    assert "1.0.doubt1" in [each["approval_id"] for each in listed if each["run_id"] == run_id]
    answer = api.decide(run_id, "1.0.doubt1", "complete", output={"transfer": "t-1"})
    assert answer.status_code == 200, answer.text
    run = api.result(run_id)
    assert result_of(run) == '{"transfer":"t-1"}'
    assert api.decide(run_id, "1.0.doubt1", "retry").status_code == 409
    assert sent(stack, run_id, tool) == 1
    assert_events_are_whole(api.events(run_id), run)


def test_given_up(api: Api, model: ScriptedModel, key: str) -> None:
    """The model is told that nobody knows, and what the person says."""
    run_id = in_doubt(api, model, key, BAD_LINE)
    assert api.decide(run_id, "1.0.doubt1", "give_up", reason="ask on Monday").status_code == 200
    text_of = result_of(api.result(run_id))
    assert "Nobody knows" in text_of
    assert "ask on Monday" in text_of


def test_tried_again(api: Api, stack: TestStack, model: ScriptedModel, key: str) -> None:
    """A retry comes when the first execution is over for sure, and may be in doubt itself."""
    run_id = in_doubt(api, model, key, TOO_SLOW)
    assert api.decide(run_id, "1.0.doubt1", "retry").status_code == 200
    run = api.wait_for_approval(run_id)
    first, second = (approval["approval_id"] for approval in run["approvals"])
    assert (first, second) == ("1.0.doubt1", "1.0.doubt2")
    assert api.decide(run_id, second, "complete", output="sent").status_code == 200
    assert result_of(api.result(run_id)) == "sent"
    assert sent(stack, run_id, TOO_SLOW) == 2


def test_approved_first(api: Api, stack: TestStack, model: ScriptedModel, key: str) -> None:
    """The approval of a call is no answer to its doubt: each has an address of its own."""
    model.script(key, [call("send_approved", cents=5), text("done")])
    run_id = api.start("bank", key)
    api.wait_for_approval(run_id)
    assert api.decide(run_id, "1.0", "approve").status_code == 200
    assert result_of(api.result(run_id)) == "sent 5"
    assert api.decide(run_id, "1.0.doubt1", "complete", output="x").status_code == 404
    assert sent(stack, run_id, "send_approved") == 1


def test_cancelled_while_it_runs(
    api: Api, stack: TestStack, model: ScriptedModel, key: str
) -> None:
    """A cancellation breaks the call off, and the run says that nobody knows."""
    model.script(key, [call("send_slowly", cents=5, gate=key), text("done")])
    run_id = api.start("bank", key)
    stack.wait_for_effects(1, tool="send_slowly", key=f"{run_id}:1.0")
    assert api.cancel(run_id).status_code == 202
    run = api.wait_for_status(run_id, "cancelled")
    assert "nobody knows whether it ran" in result_of(run)
    assert sent(stack, run_id, "send_slowly") == 1
    stack.open_gate(key)

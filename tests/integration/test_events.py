"""What a run tells of itself afterwards: its events with their times, its trace."""

import json
from datetime import datetime
from typing import Any

import pytest

from fakes.api import Api
from fakes.model_server import ScriptedModel
from fakes.script import Gate, call, calls, text
from fakes.stack import TestStack
from outlast.names import DEFAULT_TENANT, RunRef
from outlast.trace import Trace, trace_of

TRACE = {
    "traceparent": f"00-{'a' * 32}-{'b' * 16}-01",
    "tracestate": "vendor=1",
}


def lines(api: Api, run_id: str, after: int = 0) -> list[dict[str, Any]]:
    answer = api.http.get(
        f"/runs/{run_id}/events",
        params={"after": after},
        headers={"Accept": "application/x-ndjson"},
    )
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


def test_lines_of_json(api: Api, model: ScriptedModel, key: str) -> None:
    """The events so far come without a wait; at the end they are those of the stream."""
    gate = Gate()
    model.script(key, [call("note", text="a"), text("done", gate=gate)])
    run_id = api.start("tester", key)
    model.wait_for(key, turn=2)
    so_far = lines(api, run_id)
    assert so_far[-1]["type"] == "turn.started"
    gate.open()
    api.result(run_id)
    whole = lines(api, run_id)
    assert whole == api.events(run_id)
    assert whole[: len(so_far)] == so_far
    assert lines(api, run_id, after=len(so_far)) == whole[len(so_far) :]
    assert api.http.get(f"/runs/{run_id[:-1]}a/events").status_code == 404


def test_times(api: Api, model: ScriptedModel, key: str) -> None:
    """Each event says when it happened; calls say when they began, and how they failed."""
    model.script(key, [calls(call("note", text="a"), call("fail", text="b")), text("done")])
    run_id = api.run("tester", key)["run_id"]
    events = api.events(run_id)
    at = [datetime.fromisoformat(event["at"]) for event in events]
    assert at == sorted(at)
    done = [event for event in events if event["type"] == "tool_call.completed"]
    assert {(event["name"], event["error_type"]) for event in done} == {
        ("note", None),
        ("fail", "tool_error"),
    }
    for event in [*done, *(e for e in events if e["type"] == "message.completed")]:
        assert events[0]["at"] <= event["started_at"] <= event["at"]
    assert [e["attempts"] for e in events if e["type"] == "message.completed"] == [1, 1]


@pytest.mark.parametrize("on_thread", [False, True])
@pytest.mark.parametrize("given", [TRACE, {}], ids=["caller's", "own"])
def test_trace(
    api: Api,
    stack: TestStack,
    model: ScriptedModel,
    key: str,
    given: dict[str, str],
    *,
    on_thread: bool,
) -> None:
    """A run is executed in its caller's trace, or in one of its own; its order has the caller's."""
    gate = Gate()
    model.script(key, [text("done", gate=gate)])
    thread = {"thread_id": key.replace(" ", "-")} if on_thread else {}
    run_id = api.start("tester", key, given, **thread)
    model.wait_for(key)
    caller = Trace.read(*given.values()) if given else None
    wanted = trace_of(RunRef(DEFAULT_TENANT, run_id), caller)
    [began] = [e for e in stack.logged("run_started") if e["run_id"] == run_id][:1]
    # Restate puts its own spans between; on a thread it begins a trace of its own.
    if not on_thread:
        assert began["traceparent"].split("-")[1] == wanted.trace_id
    order = json.loads(_state(stack, run_id, "order"))
    assert order.get("trace") == (given or None)
    gate.open()
    api.result(run_id)


def test_trace_of_a_decision(api: Api, stack: TestStack, model: ScriptedModel, key: str) -> None:
    """Who decides is in another trace, which the run keeps and no client sees."""
    answering = Gate()
    model.script(key, [call("pay", cents=1), text("done", gate=answering)])
    run_id = api.start("tester", key)
    api.wait_for_approval(run_id)
    path = f"/runs/{run_id}/approvals/1.0"
    decided = api.http.post(path, json={"action": "approve"}, headers=TRACE)
    assert decided.status_code == 200
    model.wait_for(key, turn=2)
    answering.open()
    run = api.result(run_id)
    said = json.dumps([decided.json(), run, api.events(run_id)])
    assert [value for value in TRACE.values() if value in said] == []
    promised = stack.query(
        "SELECT completion_success_value_utf8 AS value FROM sys_promise"
        f" WHERE service_key LIKE '%{run_id}' AND key = 'decision:1.0'"
    )
    assert json.loads(promised[0]["value"])["trace"] == TRACE


def _state(stack: TestStack, run_id: str, key: str) -> str:
    [row] = stack.query(
        f"SELECT value_utf8 FROM state WHERE service_key LIKE '%{run_id}' AND key = '{key}'"
    )
    return row["value_utf8"]

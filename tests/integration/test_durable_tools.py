"""Durable tools: calls with a journal of their own, which wait for days and for signals."""

import json
from typing import Any

import pytest

from fakes.api import Api
from fakes.events import assert_events_are_whole
from fakes.model_server import ScriptedModel
from fakes.script import call, calls, text
from fakes.stack import TestStack
from fakes.waiting import wait_until


def send(api: Api, run_id: str, name: str, value: Any, call_id: str | None = None) -> Any:
    params = {"call_id": call_id} if call_id else {}
    path, headers = f"/runs/{run_id}/signals/{name}", {"content-type": "application/json"}
    return api.http.post(path, params=params, content=json.dumps(value), headers=headers)


def start(api: Api, model: ScriptedModel, key: str, **arguments: Any) -> str:
    """Start a run that delivers a parcel, and wait until it waits for the money."""
    model.script(key, [call("deliver", parcel=key, **arguments), text("done")])
    run_id = api.start("courier", key)
    wait_for(api, run_id, "signal")
    return run_id


def wait_for(api: Api, run_id: str, kind: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        run = api.get(run_id)
        return run if run["waiting_for"] == kind else None

    return wait_until(look, f"the run to wait for a {kind}")


def ended(api: Api, run_id: str) -> dict[str, Any]:
    """Wait for the end; `/result` answers at once while the run still shows that it waits."""
    return wait_until(lambda: run if (run := api.get(run_id))["ended_at"] else None, "the end")


def output_of(api: Api, run_id: str) -> str:
    [done] = [e for e in api.events(run_id) if e["type"] == "tool_call.completed"]
    return done["output"]


def test_a_call_goes_on_with_a_signal(
    api: Api, stack: TestStack, model: ScriptedModel, key: str
) -> None:
    """A call waits for its signal; each step is executed once, and typed as its function says."""
    run_id = start(api, model, key)
    run = api.get(run_id)
    assert run["status"] == "waiting"
    assert run["waiting"]["call_ids"] == ["1.0"]
    assert run["waiting"]["text"] == "Waits for the signal paid of deliver."
    taken = send(api, run_id, "paid", {"cents": 500})
    assert (taken.status_code, taken.json()) == (
        200,
        {"call_id": "1.0", "name": "paid", "value": {"cents": 500}},
    )
    run = ended(api, run_id)
    assert (run["status"], run["output"]) == ("completed", "done")
    said = f'label of {key}, {float(len(key))} kg, paid {{"cents": 500}}'
    assert output_of(api, run_id) == said
    assert [trace["step"] for trace in stack.effects(parcel=key)] == ["label", "weigh", "hand over"]
    assert stack.effects(parcel=key, step="label")[0]["key"] == f"{run_id}:1.0:label"
    events = api.events(run_id)
    assert_events_are_whole(events, run)
    [waiting] = [event for event in events if event["type"] == "run.waiting"]
    assert (waiting["waiting_for"], waiting["calls"]) == (
        "signal",
        [{"run_id": run_id, "id": "1.0"}],
    )


def test_the_first_value_counts(api: Api, model: ScriptedModel, key: str) -> None:
    """The same again is fine, another one is refused, and so is what nobody declares."""
    run_id = start(api, model, key, pause_s=300)
    assert send(api, run_id, "paid", {"cents": 1, "by": "Ann"}).status_code == 200
    wait_for(api, run_id, "timer")
    assert send(api, run_id, "paid", {"by": "Ann", "cents": 1}).status_code == 200
    for other in ({"cents": True, "by": "Ann"}, {"cents": 1}, 1, None):
        conflict = send(api, run_id, "paid", other)
        assert (conflict.status_code, conflict.json()["type"]) == (409, "signal-conflict")
    for name, call_id in (("refunded", None), ("paid", "1.1"), ("paid", "2.0")):
        unknown = send(api, run_id, name, 1, call_id)
        assert (unknown.status_code, unknown.json()["type"]) == (404, "unknown-signal")
    assert send(api, run_id, "no such name", 1).status_code == 422
    assert send(api, run_id, "paid", 1, "x").status_code == 422
    api.http.post(f"/runs/{run_id}/cancel")
    assert ended(api, run_id)["status"] == "cancelled"
    late = send(api, run_id, "paid", 1)
    assert (late.status_code, late.json()["type"]) == (409, "run-ended")


def test_an_early_signal_is_kept(api: Api, model: ScriptedModel, key: str) -> None:
    """What is sent before the tool asks for it is there when it does; null is a value, too."""
    model.script(key, [call("deliver", parcel=key), text("done")])
    run_id = api.start("courier", key)
    api.wait_for_event(run_id, type="tool_call.started")
    wait_until(lambda: send(api, run_id, "paid", None).status_code == 200, "the call to be open")
    assert ended(api, run_id)["status"] == "completed"
    assert output_of(api, run_id).endswith("paid null")


def test_two_calls_of_one_signal(api: Api, model: ScriptedModel, key: str) -> None:
    """Where two calls take a signal, the sender has to say which."""
    both = [call("deliver", parcel=f"{key} {which}") for which in "ab"]
    model.script(key, [calls(*both), text("done")])
    run_id = api.start("courier", key)
    waiting = wait_until(
        lambda: (
            run
            if (run := wait_for(api, run_id, "signal"))["waiting"]["call_ids"] == ["1.0", "1.1"]
            else None
        ),
        "both calls to wait",
    )
    assert waiting["status"] == "waiting"
    unclear = send(api, run_id, "paid", 1)
    assert (unclear.status_code, unclear.json()["type"]) == (409, "signal-conflict")
    assert "1.0, 1.1" in unclear.json()["detail"]
    assert send(api, run_id, "paid", 2, "1.1").json()["call_id"] == "1.1"
    api.wait_for_event(run_id, type="tool_call.completed", call_id="1.1")
    assert send(api, run_id, "paid", 1).json()["call_id"] == "1.0"
    run = ended(api, run_id)
    results = [m["content"] for m in run["messages"] if m["role"] == "tool"]
    assert [result[-6:] for result in results] == ["paid 1", "paid 2"]


def test_a_signal_that_does_not_come(
    api: Api, stack: TestStack, model: ScriptedModel, key: str
) -> None:
    """The tool goes on without it when its time is over."""
    run_id = start(api, model, key, paid_within_s=2.5)
    until = api.get(run_id)["waiting"]["until"]
    assert until is not None
    assert ended(api, run_id)["status"] == "completed"
    assert output_of(api, run_id) == f"{key} was not paid in time"
    assert len(stack.effects(parcel=key)) == 1


def test_a_sleep_is_shown(api: Api, model: ScriptedModel, key: str) -> None:
    """A call that sleeps says until when, and goes on by itself."""
    run_id = start(api, model, key, pause_s=3)
    send(api, run_id, "paid", 1)
    run = wait_for(api, run_id, "timer")
    assert (run["status"], run["waiting"]["kind"]) == ("waiting", "timer")
    assert run["waiting"]["until"] > run["waiting"]["since"]
    assert ended(api, run_id)["status"] == "completed"
    waits = [e["waiting_for"] for e in api.events(run_id) if e["type"] == "run.waiting"]
    assert waits == ["signal"]


@pytest.mark.parametrize(
    ("how", "error_type", "said", "tries"),
    [
        ("fails", "tool_error", "The tool lose failed in its step fail: ConnectionError.", 2),
        ("late", "timeout", "The tool lose did not finish within 0:00:02.", 0),
        ("beside", "tool_error", "The tool lose failed: RuntimeError.", 0),
        ("caught", None, "caught a ConnectionError of fail", 2),
    ],
)
def test_what_goes_wrong(
    api: Api,
    stack: TestStack,
    model: ScriptedModel,
    key: str,
    how: str,
    error_type: str | None,
    said: str,
    tries: int,
) -> None:
    """A tool that fails tells the model, and clients no secrets; its steps are tried again."""
    model.script(key, [call("lose", parcel=key, how=how), text("done")])
    run = api.run("courier", key)
    assert run["status"] == "completed"
    [done] = [e for e in api.events(run["run_id"]) if e["type"] == "tool_call.completed"]
    assert (done["error_type"], done["is_error"]) == (error_type, error_type is not None)
    assert done["output"].startswith(said)
    assert "4711" not in str(api.events(run["run_id"]))
    told = model.requests(key)[-1].messages[-1]["content"]
    assert ("4711" in told) == (how == "fails")
    assert len(stack.effects(parcel=key, step="fail")) == tries


def test_arguments_that_do_not_fit(api: Api, model: ScriptedModel, key: str) -> None:
    """The model is told what is wrong, and nothing is begun."""
    model.script(key, [call("deliver", box=key), text("done")])
    run = api.run("courier", key)
    [done] = [e for e in api.events(run["run_id"]) if e["type"] == "tool_call.completed"]
    assert done["error_type"] == "invalid_arguments"


def test_a_cancellation_reaches_the_call(
    api: Api, stack: TestStack, model: ScriptedModel, key: str
) -> None:
    """A cancelled run ends its calls, in a step and in a wait; nothing of them goes on."""
    run_id = start(api, model, f"{key} waits")
    assert api.http.post(f"/runs/{run_id}/cancel").status_code == 202
    assert ended(api, run_id)["status"] == "cancelled"
    busy = start(api, model, f"{key} busy", gate=key)
    send(api, busy, "paid", 1)
    stack.wait_for_effects(1, parcel=f"{key} busy", step="hand over")
    assert api.http.post(f"/runs/{busy}/cancel").status_code == 202
    assert ended(api, busy)["status"] == "cancelled"
    wait_until(lambda: not _open_invocations(stack, [run_id, busy]), "the calls to end")
    assert len(stack.effects(parcel=f"{key} busy", step="hand over")) == 1
    stack.open_gate(key)


def _open_invocations(stack: TestStack, run_ids: list[str]) -> list[dict[str, Any]]:
    keys = ", ".join(f"'default/{run_id}/1.0'" for run_id in run_ids)
    return stack.query(
        "SELECT id FROM sys_invocation WHERE status <> 'completed'"
        f" AND target_handler_name = 'call_tool' AND target_service_key IN ({keys})"
    )


def test_a_call_that_is_killed(api: Api, stack: TestStack, model: ScriptedModel, key: str) -> None:
    """A call that somebody ends in Restate is an error for the model, and the run goes on."""
    run_id = start(api, model, key)
    [call_of_run] = _open_invocations(stack, [run_id])
    stack.kill_invocation(call_of_run["id"])
    run = ended(api, run_id)
    assert run["status"] == "completed"
    [done] = [e for e in api.events(run_id) if e["type"] == "tool_call.completed"]
    assert (done["error_type"], done["is_error"]) == ("stopped", True)


def test_what_agents_show(api: Api) -> None:
    """Which tools are durable, and which signals they take, is in the agent's description."""
    tools = {tool["name"]: tool for tool in api.http.get("/agents/courier").json()["tools"]}
    assert (tools["deliver"]["durable"], tools["deliver"]["signals"]) == (
        True,
        ["address", "paid"],
    )
    assert (tools["lose"]["durable"], tools["lose"].get("signals")) == (True, None)

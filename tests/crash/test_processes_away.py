"""Requests while a process is away, and its end with runs in flight."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from fakes.api import Api
from fakes.model_server import ScriptedModel
from fakes.script import Gate, attempts, call, calls, text
from fakes.stack import TestStack
from fakes.waiting import wait_until
from outlast_local.stack import is_up

pytestmark = pytest.mark.crash


def test_without_a_worker(api: Api, stack: TestStack, model: ScriptedModel, key: str) -> None:
    """With the worker down a start is accepted, a run is read quickly, and all goes on later."""
    model.script(key, [text("ok")])
    model.script(f"{key} cancelled", [text("never")])
    stack.worker.kill()
    run_id = api.start("tester", key)
    cancelled = api.start("tester", f"{key} cancelled")
    began = api.http.get(f"/runs/{run_id}")
    assert (began.status_code, began.json()["status"]) == (200, "queued")
    assert began.elapsed.total_seconds() < 2.5
    assert api.cancel(cancelled).status_code == 202
    thread = api.http.get("/threads/any")
    assert (thread.status_code, thread.json()["type"]) == (503, "worker-unavailable")
    stack.start_worker()
    assert api.result(run_id)["output"] == "ok"
    assert api.result(cancelled)["status"] == "cancelled"
    assert model.count(f"{key} cancelled") == 0


def test_listings_without_a_worker(
    api: Api, stack: TestStack, model: ScriptedModel, key: str
) -> None:
    """With the worker down runs are listed; one that is cancelled while paused ends with the next.

    A run that no worker has seen is queued. Its resumption is accepted, and carried out later.
    """
    model.script(f"{key} resumed", [text("ok")])
    model.script(f"{key} cancelled", [text("never")])
    stack.worker.kill()
    unseen = api.start("tester", key)
    resumed, cancelled = (api.start("tester", f"{key} {name}") for name in ("resumed", "cancelled"))
    for run_id in (resumed, cancelled):
        wait_until(lambda run_id=run_id: api.get(run_id)["engine"]["attempts"], "an attempt")
        stack.administer(run_id, "pause")
        api.wait_for_status(run_id, "paused")

    def listed() -> dict[str, dict[str, Any]]:
        items = api.http.get("/runs", params={"limit": 100}).json()["items"]
        return {item["run_id"]: item for item in items}

    assert [listed()[run_id]["status"] for run_id in (unseen, resumed)] == ["queued", "paused"]
    assert listed()[resumed]["engine"]["last_failure"]
    queued = api.http.get("/runs", params={"status": "queued"}).json()["items"]
    assert unseen in [item["run_id"] for item in queued]
    assert api.http.post(f"/runs/{resumed}/resume").status_code == 202
    assert listed()[resumed]["status"] == "queued"
    assert api.cancel(cancelled).status_code == 202
    assert api.cancel(unseen).status_code == 202
    stack.start_worker()
    assert api.result(resumed)["output"] == "ok"
    assert api.result(cancelled)["status"] == "cancelled"
    assert model.count(f"{key} cancelled") == 0


def test_without_restate(api: Api, stack: TestStack, key: str) -> None:
    """With Restate down nothing is started, and every call says so at once."""
    stack.restate.kill()
    starts = [
        api.post("tester", key),
        api.post("tester", key, {"Prefer": "respond-async"}),
        api.post("tester", key, thread_id="any"),
    ]
    others = [
        api.http.get(f"/runs/tester.{'a' * 26}"),
        api.cancel(f"tester.{'a' * 26}"),
        api.http.get("/threads/any"),
        api.http.get("/readyz"),
    ]
    assert all("nothing was started" in answer.json()["detail"] for answer in starts)
    assert not any("nothing was started" in answer.json()["detail"] for answer in others)
    for answer in starts + others:
        assert answer.status_code == 503, answer.text
        assert answer.json()["type"] == "restate-unavailable"
        assert answer.headers["retry-after"]
        assert answer.elapsed.total_seconds() < 2
        assert "run_id" not in answer.json()
    assert api.http.get("/healthz").status_code == 200


def test_sigterm_with_runs_in_flight(
    api: Api, stack: TestStack, model: ScriptedModel, key: str
) -> None:
    """SIGTERM ends the worker within seconds; the runs go on with the next one."""
    gate = Gate()
    model.script(f"{key} model", [attempts(text("lost", gate=gate), text("ok"))])
    model.script(f"{key} tool", [call("hold", gate=key), text("ok")])
    run_ids = [api.start("tester", f"{key} {kind}") for kind in ("model", "tool")]
    model.wait_for(f"{key} model")
    stack.wait_for_effects(1, gate=key)
    logged_before = len(stack.worker.log_lines())
    assert stack.worker.terminate(timeout_s=20) < 10
    logged = stack.worker.log_lines()[logged_before:]
    assert "worker_cut_off" in logged[-1]
    assert not [line for line in logged if '"level":"error"' in line]
    stack.open_gate(key)
    stack.start_worker()
    assert [api.result(run_id)["output"] for run_id in run_ids] == ["ok", "ok"]
    gate.open()


def test_sigterm_lets_short_steps_end(
    api: Api, stack: TestStack, model: ScriptedModel, key: str
) -> None:
    """What ends soon after SIGTERM is not executed again, whatever else is in flight."""
    gates = [f"{key}-{index}" for index in range(4)]
    for gate in gates:
        model.script(f"{gate};", [calls(call("hold", gate=gate)), text("ok")])
    run_ids = [api.start("tester", f"{gate};") for gate in gates]
    for gate in gates:
        stack.wait_for_effects(1, gate=gate)
    logged_before = len(stack.worker.log_lines())
    with ThreadPoolExecutor(1) as pool:
        ending = pool.submit(stack.worker.terminate, 20)
        health = f"http://127.0.0.1:{stack.ports.worker}/healthz"
        wait_until(lambda: not is_up(health), "the worker to stop listening")
        for gate in gates[:-1]:  # one after the other, beside one that stays
            stack.open_gate(gate)
            stack.wait_for_effects(1, passed=gate)
        assert ending.result() < 10
    logged = stack.worker.log_lines()[logged_before:]
    assert "worker_cut_off" in logged[-1]
    assert not [line for line in logged if '"level":"error"' in line]
    stack.open_gate(gates[-1])
    stack.start_worker()
    assert [api.result(run_id)["output"] for run_id in run_ids] == ["ok"] * 4
    assert [len(stack.effects(gate=gate)) for gate in gates] == [1, 1, 1, 2]

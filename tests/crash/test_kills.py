"""SIGKILL of each process at the worst moments: runs go on, nothing is lost or done twice.

Each test asserts the answer, the conversation, how often each step was executed, and that the
committed events came once and in order.
"""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from fakes.api import Api
from fakes.events import assert_events_are_whole, assert_valid_conversation
from fakes.model_server import ScriptedModel
from fakes.script import Gate, attempts, call, calls, text
from fakes.stack import TestStack
from fakes.waiting import wait_until
from outlast_local.stack import is_up

pytestmark = pytest.mark.crash


@pytest.fixture
def thread_id(key: str) -> str:
    """A thread of this test's own."""
    return key.replace(" ", "-")


def _check(api: Api, stack: TestStack, run_id: str, thread_id: str, repeated: set[str]) -> dict:
    """Check all that must hold of a completed run, of which only some steps were cut."""
    run = api.result(run_id)
    assert run["status"] == "completed"
    assert_events_are_whole(api.events(run_id), run)
    executed = Counter(stack.executions(run_id))
    assert {step for step, count in executed.items() if count > 1} <= repeated
    assert max(executed.values()) <= 2
    messages = wait_until(
        lambda: found if (found := api.messages(thread_id)) else None, "the conversation"
    )
    assert_valid_conversation(messages)
    assert [m["id"] for m in messages] == [m["id"] for m in run["messages"]]
    return run


def _restart_worker(stack: TestStack) -> None:
    stack.worker.kill()
    stack.start_worker()


def test_worker_during_the_first_model_call(
    api: Api, stack: TestStack, model: ScriptedModel, key: str, thread_id: str
) -> None:
    """The call is repeated, with the same request, and its second answer counts."""
    gate = Gate()
    model.script(key, [attempts(text("lost", gate=gate), call("note", text=key)), text("ok")])
    run_id = api.start("tester", key, thread_id=thread_id)
    model.wait_for(key)
    _restart_worker(stack)
    run = _check(api, stack, run_id, thread_id, {"model 1"})
    assert run["output"] == "ok"
    first, second = model.requests(key, 1)
    assert first.messages == second.messages
    assert len(stack.effects(text=key)) == 1
    gate.open()


def test_worker_during_a_tool(
    api: Api, stack: TestStack, model: ScriptedModel, key: str, thread_id: str
) -> None:
    """The tool that was cut is executed again with the same key; its finished sibling is not."""
    model.script(key, [calls(call("note", text=key), call("hold", gate=key)), text("ok")])
    run_id = api.start("tester", key, thread_id=thread_id)
    api.wait_for_event(run_id, type="tool_call.completed", name="note")
    stack.wait_for_effects(1, gate=key)
    _restart_worker(stack)
    traces = stack.wait_for_effects(2, gate=key)
    stack.open_gate(key)
    run = _check(api, stack, run_id, thread_id, {"tool hold"})
    assert run["output"] == "ok"
    assert {trace["key"] for trace in traces} == {f"{run_id}:1.1"}
    assert len(stack.effects(text=key)) == 1
    assert model.count(key) == 2


def test_worker_between_tool_and_next_model_call(
    api: Api, stack: TestStack, model: ScriptedModel, key: str, thread_id: str
) -> None:
    """Finished tools are not executed again; the next model call sees their results."""
    gate = Gate()
    model.script(key, [call("note", text=key), attempts(text("lost", gate=gate), text("ok"))])
    run_id = api.start("tester", key, thread_id=thread_id)
    model.wait_for(key, turn=2)
    _restart_worker(stack)
    run = _check(api, stack, run_id, thread_id, {"model 2"})
    assert run["output"] == "ok"
    assert len(stack.effects(text=key)) == 1
    assert model.count(key, 1) == 1
    gate.open()


@pytest.mark.parametrize("runs", [20])
def test_worker_while_runs_finish(
    api: Api, stack: TestStack, model: ScriptedModel, key: str, runs: int
) -> None:
    """Killed while many runs give their turn back, none is lost or in its thread twice."""
    threads = [f"{key.replace(' ', '-')}.{index}" for index in range(runs)]
    gate = Gate()
    for index in range(runs):
        model.script(f"{key} #{index:02}", [text(f"no {index}", gate=gate)])
        model.script(f"{key} next #{index:02}", [text(f"next {index}")])
    run_ids = [
        api.start("tester", f"{key} #{index:02}", thread_id=threads[index]) for index in range(runs)
    ]
    for index in range(runs):
        model.wait_for(f"{key} #{index:02}")
    gate.open()
    # Some have returned and some have not when the first is through: kill among them.
    wait_until(lambda: any(api.get(run_id)["status"] == "completed" for run_id in run_ids), "one")
    _restart_worker(stack)
    for index, run_id in enumerate(run_ids):
        run = api.result(run_id)
        assert run["output"] == f"no {index}"
        assert_events_are_whole(api.events(run_id), run)
        following = api.run("tester", f"{key} next #{index:02}", thread_id=threads[index])
        assert following["output"] == f"next {index}"
        messages = wait_until(
            lambda index=index: found if len(found := api.messages(threads[index])) >= 4 else None,
            "both turns",
        )
        assert [m["content"] for m in messages[1::2]] == [f"no {index}", f"next {index}"]


def test_worker_during_finish(
    api: Api, stack: TestStack, model: ScriptedModel, key: str, thread_id: str
) -> None:
    """A `finish` that no worker carries out waits for one; the next run sees the whole turn."""
    gate = Gate()
    model.script(f"{key} first", [text("first", gate=gate)])
    model.script(f"{key} second", [text("second")])
    first = api.start("tester", f"{key} first", thread_id=thread_id)
    second = api.start("tester", f"{key} second", thread_id=thread_id)
    model.wait_for(f"{key} first")
    gate.open()
    api.wait_for_event(first, type="run.completed")
    _restart_worker(stack)
    assert api.result(second)["output"] == "second"
    messages = wait_until(
        lambda: found if len(found := api.messages(thread_id)) == 4 else None, "both turns"
    )
    assert [m["run_id"] for m in messages] == [first, first, second, second]
    seen = model.requests(f"{key} second", 1)[-1].messages
    assert [m["content"] for m in seen[1:]] == [f"{key} first", "first", f"{key} second"]
    assert_events_are_whole(api.events(first), api.result(first))


def test_worker_again_and_again(
    api: Api, stack: TestStack, model: ScriptedModel, key: str, thread_id: str
) -> None:
    """A run of ten turns outlives five kills; no finished step is executed again."""
    turns = [call("note", text=f"{key} {turn}") for turn in range(10)]
    model.script(key, [*turns, text("ok")])
    run_id = api.start("tester", key, thread_id=thread_id)
    for turn in (1, 3, 5, 7, 9):
        api.wait_for_event(run_id, type="turn.started", turn=turn)
        _restart_worker(stack)
    run = api.result(run_id)
    assert run["output"] == "ok"
    executed = Counter(stack.executions(run_id))
    assert sum(executed.values()) <= len(run["messages"]) + 10
    # Each kill can have cut one step at most, and a step that was cut ran once more.
    model_steps = [count for step, count in executed.items() if step.startswith("model")]
    notes = Counter(t["key"] for t in stack.effects(tool="note") if run_id in t["key"])
    repeats = sum(model_steps) - 11 + sum(notes.values()) - 10
    assert 0 <= repeats <= 5
    assert len(notes) == 10
    assert_events_are_whole(api.events(run_id), run)
    assert_valid_conversation(api.messages(thread_id))


def test_app_while_a_caller_waits(
    api: Api, stack: TestStack, model: ScriptedModel, key: str, thread_id: str
) -> None:
    """The caller's connection breaks, the run goes on, and the same key finds it."""
    gate = Gate()
    model.script(key, [text("ok", gate=gate)])
    headers = {"Idempotency-Key": key}
    waiting = api.run_in_background("tester", key, headers=headers, thread_id=thread_id)
    model.wait_for(key)
    stack.app.kill()
    with pytest.raises(httpx.TransportError):
        waiting.result(20)
    stack.start_app()
    again = api.run_in_background("tester", key, headers=headers, thread_id=thread_id)
    gate.open()
    run = again.result(30).json()
    assert run["output"] == "ok"
    assert model.count(key) == 1
    _check(api, stack, run["run_id"], thread_id, set())


def test_restate_during_a_model_call(
    api: Api, stack: TestStack, model: ScriptedModel, key: str, thread_id: str
) -> None:
    """A waiting caller rides out a crash of Restate; the run goes on from its last step."""
    gate = Gate()
    model.script(key, [call("note", text=key), attempts(text("lost", gate=gate), text("ok"))])
    waiting = api.run_in_background("tester", key, thread_id=thread_id)
    model.wait_for(key, turn=2)
    stack.restate.kill()
    stack.start_restate()
    answer = waiting.result(40)
    assert answer.status_code == 200, answer.text
    run = _check(api, stack, answer.json()["run_id"], thread_id, {"model 2"})
    assert run["output"] == "ok"
    assert len(stack.effects(text=key)) == 1
    gate.open()


def test_restate_while_nobody_waits(
    api: Api, stack: TestStack, model: ScriptedModel, key: str, thread_id: str
) -> None:
    """A run that was accepted is there after a crash of Restate, and so is a queued one."""
    gate = Gate()
    model.script(f"{key} first", [text("first", gate=gate)])
    model.script(f"{key} second", [text("second")])
    first = api.start("tester", f"{key} first", thread_id=thread_id)
    second = api.start("tester", f"{key} second", thread_id=thread_id)
    model.wait_for(f"{key} first")
    stack.restate.kill()
    gate.open()
    stack.start_restate()
    assert api.result(first)["output"] == "first"
    assert api.result(second)["output"] == "second"
    messages = wait_until(
        lambda: found if len(found := api.messages(thread_id)) == 4 else None, "both turns"
    )
    assert_valid_conversation(messages)
    for run_id in (first, second):
        assert_events_are_whole(api.events(run_id), api.result(run_id))


def test_restate_lost_after_it_accepted(
    api: Api, stack: TestStack, model: ScriptedModel, key: str
) -> None:
    """A caller whose wait is over while Restate is gone learns the run's id."""
    gate = Gate()
    model.script(key, [attempts(text("lost", gate=gate), text("ok"))])
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(api.post, "tester", key, {"Prefer": "wait=3"})
        model.wait_for(key)
        stack.restate.kill()
        answer = waiting.result(20)
    assert answer.status_code == 503
    run_id = answer.json()["run_id"]
    assert answer.headers["location"] == f"/runs/{run_id}"
    stack.start_restate()
    assert api.result(run_id)["output"] == "ok"
    gate.open()


def test_killed_holder_frees_the_thread(
    api: Api, stack: TestStack, model: ScriptedModel, key: str, thread_id: str
) -> None:
    """An operator kills the run that holds the thread: it shows as failed, the others go on.

    What it had done stays in the conversation, with a result for each tool call.
    """
    model.script(f"{key} first", [calls(call("note", text=key), call("hold", gate=key))])
    model.script(f"{key} second", [text("second")])
    model.script(f"{key} third", [text("third")])
    first = api.start("tester", f"{key} first", thread_id=thread_id)
    second, third = (
        api.start("tester", f"{key} {name}", thread_id=thread_id) for name in ("second", "third")
    )
    api.wait_for_event(first, type="tool_call.completed", name="note")
    stack.administer(first, "kill")
    assert api.result(second)["output"] == "second"
    assert api.result(third)["output"] == "third"
    killed = api.get(first)
    assert (killed["status"], killed["error"]["type"]) == ("failed", "killed")
    events = api.events(first)
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert events[-1]["type"] == "run.failed"
    path = f"/runs/{first}/events"
    assert api.http.get(path, params={"after": events[-1]["seq"]}).status_code == 204
    messages = wait_until(
        lambda: found if len(found := api.messages(thread_id)) == 8 else None, "three turns"
    )
    assert_valid_conversation(messages)
    assert messages[2]["content"] == f"noted {key}"
    stack.open_gate(key)


def test_purged_holder_frees_the_thread(
    api: Api, stack: TestStack, model: ScriptedModel, key: str, thread_id: str
) -> None:
    """A killed and purged run is gone, and its thread goes on with the next start."""
    model.script(f"{key} first", [call("hold", gate=key)])
    model.script(f"{key} second", [text("second")])
    first = api.start("tester", f"{key} first", thread_id=thread_id)
    stack.wait_for_effects(1, gate=key)
    stack.administer(first, "kill")
    stack.administer(first, "purge")
    wait_until(lambda: api.http.get(f"/runs/{first}").status_code == 404, "the run to be gone")
    assert api.run("tester", f"{key} second", thread_id=thread_id)["output"] == "second"
    assert_valid_conversation(api.messages(thread_id))
    stack.open_gate(key)


def test_paused_run_shows_as_paused(
    api: Api, stack: TestStack, model: ScriptedModel, key: str
) -> None:
    """A run that Restate has paused says so, and goes on when it is resumed."""
    gate = Gate()
    model.script(key, [attempts(text("lost", gate=gate), text("ok"))])
    run_id = api.start("tester", key)
    model.wait_for(key)
    stack.worker.kill()
    wait_until(lambda: api.get(run_id)["engine"]["last_failure"], "Restate to notice")
    stack.administer(run_id, "pause")
    run = api.wait_for_status(run_id, "paused")
    assert run["engine"]["last_failure"]
    stack.start_worker()
    stack.administer(run_id, "resume")
    assert api.result(run_id)["output"] == "ok"
    gate.open()


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

"""SIGKILL of each process at the worst moments: runs go on, nothing is lost or done twice.

Each test asserts the answer, the conversation, how often each step was executed, and that the
committed events came once and in order.
"""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from fakes.api import Api
from fakes.events import assert_events_are_whole, assert_valid_conversation
from fakes.model_server import ScriptedModel
from fakes.script import Gate, attempts, call, calls, text
from fakes.stack import TestStack
from fakes.waiting import wait_until

pytestmark = pytest.mark.crash


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


def test_worker_between_what_a_model_thought_and_its_next_call(
    api: Api, stack: TestStack, model: ScriptedModel, key: str, thread_id: str
) -> None:
    """What Anthropic's model thought goes back as it came, from another process."""
    thinks = calls(call("hold", gate=key), text="Wait.", reasoning="Let me see.")
    model.script(key, [thinks, text("ok")])
    run_id = api.start("thinker", key, thread_id=thread_id)
    stack.wait_for_effects(1, gate=key)
    _restart_worker(stack)
    stack.wait_for_effects(2, gate=key)
    stack.open_gate(key)
    _check(api, stack, run_id, thread_id, {"tool hold"})
    _, second = model.requests(key)
    thought = {"type": "thinking", "thinking": "Let me see.", "signature": "sig"}
    assert second.messages[1]["content"][0] == thought


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

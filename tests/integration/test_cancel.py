"""Cancelling a run, wherever it is, within a second."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from fakes.api import Api
from fakes.events import assert_events_are_whole, assert_valid_conversation
from fakes.follower import Follower, assert_exact
from fakes.model_server import ScriptedModel
from fakes.script import Gate, attempts, call, calls, fault, hang, text
from fakes.stack import TestStack
from fakes.waiting import wait_until


def _cancel(api: Api, run_id: str) -> dict:
    """Cancel, and return the run, which has to have ended soon."""
    began = time.monotonic()
    assert api.cancel(run_id).status_code == 202
    run = api.wait_for_status(run_id, "cancelled")
    assert time.monotonic() - began < 3
    assert api.cancel(run_id).status_code == 202
    assert_events_are_whole(api.events(run_id), run)
    assert run["ended_at"] >= run["created_at"]
    return run


def test_during_a_model_call(api: Api, model: ScriptedModel, key: str) -> None:
    """The provider's request is broken off and the run ends as cancelled."""
    thread_id = key.replace(" ", "-")
    model.script(key, [hang()])
    run_id = api.start("tester", key, thread_id=thread_id)
    model.wait_for(key)
    _cancel(api, run_id)
    model.wait_for(key, outcome="aborted")
    wait_until(lambda: len(api.messages(thread_id)) == 1, "the question to be in the thread")


def test_in_mid_stream(api: Api, model: ScriptedModel, key: str) -> None:
    """What the model had said stays in the conversation, and is what the client shows."""
    thread_id = key.replace(" ", "-")
    gate = Gate(after_chunks=4)
    model.script(f"{key} one", [text("one two three four five", gate=gate)])
    run_id = api.start("tester", f"{key} one", thread_id=thread_id)
    with Follower([str(api.http.base_url)], run_id) as follower:
        follower.wait_for_text(1, "one two three")
        run = _cancel(api, run_id)
        follower.wait_for_end()
    assert run["messages"][-1]["content"] == "one two three"
    assert follower.of("message.completed")[0]["finish_reason"] == "cancelled"
    assert run["usage"]["cost_usd"] is None
    assert_exact(follower, run)
    model.script(f"{key} next", [text("going on")])
    assert api.run("tester", f"{key} next", thread_id=thread_id)["output"] == "going on"
    assert_valid_conversation(api.messages(thread_id))
    gate.open()


@pytest.mark.both_modes
def test_during_tool_calls(api: Api, stack: TestStack, model: ScriptedModel, key: str) -> None:
    """Finished results stay, the call in flight says that it was stopped, history is valid."""
    thread_id = key.replace(" ", "-")
    model.script(key, [calls(call("note", text="a"), call("hold", gate=key))])
    run_id = api.start("tester", key, thread_id=thread_id)
    stack.wait_for_effects(1, gate=key)
    if not stack.always_replays:
        api.wait_for_event(run_id, type="tool_call.completed", name="note")
    run = _cancel(api, run_id)
    results = [m["content"] for m in run["messages"] if m["role"] == "tool"]
    assert results[0] == "noted a"
    assert "stopped before this call finished" in results[1]
    messages = wait_until(
        lambda: found if len(found := api.messages(thread_id)) == 4 else None, "four messages"
    )
    assert_valid_conversation(messages)
    model.script(f"{key} next", [text("going on")])
    assert api.run("tester", f"{key} next", thread_id=thread_id)["output"] == "going on"


def test_while_it_sleeps(api: Api, key: str) -> None:
    """A run that waits for its time ends without having begun."""
    run_id = api.start("tester", key, after_s=3600)
    api.wait_for_status(run_id, "waiting")
    run = _cancel(api, run_id)
    assert run["started_at"] is None


def test_while_it_backs_off(api: Api, model: ScriptedModel, key: str) -> None:
    """A run that waits out a provider's limit can be cancelled meanwhile."""
    model.script(key, [attempts(fault(429, {}, {"retry-after": "300"}), text("never"))])
    run_id = api.start("tester", key)
    model.wait_for(key, outcome="answered")
    _cancel(api, run_id)


def test_while_it_is_queued(api: Api, model: ScriptedModel, key: str) -> None:
    """A queued run leaves the line; the one behind it moves up, the conversation is as before."""
    thread_id, gate = key.replace(" ", "-"), Gate()
    model.script(f"{key} #0", [text("zero", gate=gate)])
    model.script(f"{key} #2", [text("two")])
    first, second, third = (
        api.start("tester", f"{key} #{index}", thread_id=thread_id) for index in range(3)
    )
    api.wait_for_status(second, "queued")
    model.wait_for(f"{key} #0")
    _cancel(api, second)
    gate.open()
    assert api.result(first)["output"] == "zero"
    assert api.result(third)["output"] == "two"
    messages = wait_until(
        lambda: found if len(found := api.messages(thread_id)) == 4 else None, "four messages"
    )
    assert [m["content"] for m in messages[1::2]] == ["zero", "two"]


def test_run_that_has_ended(api: Api, model: ScriptedModel, key: str) -> None:
    """There is nothing left to cancel in a completed run."""
    model.script(key, [text("done")])
    run = api.run("tester", key)
    answer = api.cancel(run["run_id"])
    assert (answer.status_code, answer.json()["type"]) == (409, "run-ended")


def test_unknown_run(api: Api) -> None:
    """A run that never was is a 404, whatever the id looks like."""
    for run_id in ("nonsense", f"tester.{'a' * 26}", f"nosuch.{'a' * 26}"):
        assert api.cancel(run_id).json()["type"] == "unknown-run"
        assert api.http.get(f"/runs/{run_id}/events").status_code == 404


def test_cancelled_many_times(api: Api, model: ScriptedModel, key: str) -> None:
    """Cancellations at the same moment lose nothing of what was said and decided."""
    gate = Gate(after_chunks=4)
    said = calls(call("pay", cents=1), text="Let me see.")
    model.script(f"{key} one", [said])
    model.script(f"{key} two", [text("one two three four five", gate=gate)])
    asking = api.start("tester", f"{key} one")
    streaming = api.start("tester", f"{key} two")
    api.wait_for_approval(asking)
    with Follower([str(api.http.base_url)], streaming) as follower:
        follower.wait_for_text(1, "one two three")
        taken = [api.steer(streaming, f"message {index}") for index in range(5)]
        with ThreadPoolExecutor(8) as pool:
            each = [run_id for _ in range(4) for run_id in (asking, streaming)]
            assert {a.status_code for a in pool.map(api.cancel, each)} == {202}
        follower.wait_for_end()
    run = api.wait_for_status(streaming, "cancelled")
    contents = [m["content"] for m in run["messages"]]
    assert "one two three" in contents
    assert {f"message {index}" for index in range(5)} <= set(contents)
    assert {answer.status_code for answer in taken} == {202}
    assert api.wait_for_status(asking, "cancelled")["approvals"][0]["resolution"]
    gate.open()

"""What an operator does to a run in Restate: its thread goes on, and the run says so."""

import pytest

from fakes.api import Api
from fakes.events import assert_valid_conversation
from fakes.model_server import ScriptedModel
from fakes.script import Gate, attempts, call, calls, text
from fakes.stack import TestStack
from fakes.waiting import wait_until

pytestmark = pytest.mark.crash


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

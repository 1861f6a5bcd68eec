"""Threads that are to be forgotten, with each process killed meanwhile."""

import pytest

from fakes.api import Api
from fakes.model_server import ScriptedModel
from fakes.script import Gate, text
from fakes.stack import TestStack
from fakes.waiting import wait_until

pytestmark = pytest.mark.crash


def _is_gone(api: Api, thread_id: str) -> bool:
    return api.http.get(f"/threads/{thread_id}").status_code == 404


@pytest.mark.parametrize("victim", ["worker", "app", "restate"])
def test_killed(stack: TestStack, api: Api, model: ScriptedModel, key: str, victim: str) -> None:
    """An idle thread goes all the same, and one that a run holds stays for as long as it does."""
    gate, again = Gate(), [text("hello"), text("hello")]
    model.script(key, [text("hello", gate=gate), *again])
    idle, busy = f"{key.replace(' ', '-')}-idle", f"{key.replace(' ', '-')}-busy"
    for thread_id in (idle, busy):
        body = {"thread_id": thread_id, "expires_after_s": 3}
        assert api.http.post("/threads", json=body).status_code == 201
    run_id = api.start("tester", key, thread_id=busy)
    model.wait_for(key)
    process = getattr(stack, victim)
    process.kill()
    getattr(stack, f"start_{victim}")()
    stack.wait_ready()
    wait_until(lambda: _is_gone(api, idle), "the idle thread to be forgotten", 60)
    assert api.http.get(f"/threads/{busy}").json()["status"] == "busy"
    gate.open()
    api.result(run_id)
    wait_until(lambda: _is_gone(api, busy), "the other one to be forgotten", 60)

"""What was cancelled while no worker was there ends so, whatever the next worker does first."""

from datetime import UTC, datetime

import httpx
import pytest

from fakes.api import Api
from fakes.events import assert_events_are_whole
from fakes.model_server import ScriptedModel
from fakes.script import call, text
from fakes.stack import TestStack
from fakes.waiting import wait_until
from outlast.contract import CancelOrder

pytestmark = pytest.mark.crash


def _drop_cancel_handlers(stack: TestStack, run_id: str) -> int:
    """Kill what would tell the run of its cancellation, as if it were late; say how many."""
    rows = stack.query(
        "SELECT id FROM sys_invocation WHERE target_handler_name = 'cancel'"
        f" AND target_service_key = 'default/{run_id}' AND status != 'completed'"
    )
    for row in rows:
        stack.kill_invocation(row["id"])
    return len(rows)


def _attempts(api: Api, run_id: str) -> int:
    return wait_until(lambda: api.get(run_id)["engine"]["attempts"], "an attempt")


def _pause(api: Api, stack: TestStack, run_id: str) -> None:
    _attempts(api, run_id)
    stack.administer(run_id, "pause")
    api.wait_for_status(run_id, "paused")


def _assert_cancelled(api: Api, run_id: str) -> None:
    run = api.wait_for_status(run_id, "cancelled")
    assert run["ended_at"] > run["created_at"]
    assert_events_are_whole(api.events(run_id), run)


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("state", ["unseen", "paused"])
def test_before_it_began(
    api: Api, stack: TestStack, model: ScriptedModel, key: str, state: str, times: int
) -> None:
    """A run that no worker has seen never begins, cancelled once or again."""
    model.script(key, [text("never")])
    stack.worker.kill()
    run_id = api.start("tester", key)
    if state == "paused":
        _pause(api, stack, run_id)
    assert {api.cancel(run_id).status_code for _ in range(times)} == {202}
    assert _drop_cancel_handlers(stack, run_id) == times
    stack.start_worker()
    _assert_cancelled(api, run_id)
    assert not model.count(key)


@pytest.mark.parametrize("state", ["retried", "paused"])
def test_during_a_tool(
    api: Api, stack: TestStack, model: ScriptedModel, key: str, state: str
) -> None:
    """The tool that was cut with the worker is not executed again."""
    model.script(key, [call("hold", gate=key), text("never")])
    run_id = api.start("tester", key)
    stack.wait_for_effects(1, gate=key)
    stack.worker.kill()
    if state == "paused":
        _pause(api, stack, run_id)
    stack.open_gate(key)
    assert api.cancel(run_id).status_code == 202
    assert _drop_cancel_handlers(stack, run_id) == 1
    stack.start_worker()
    _assert_cancelled(api, run_id)
    assert len(stack.effects(gate=key)) == 1
    assert model.count(key) == 1


def test_of_a_decision_that_was_taken(
    api: Api, stack: TestStack, model: ScriptedModel, key: str
) -> None:
    """What was approved and not begun yet is not executed after the cancellation."""
    model.script(key, [call("pay", cents=7), text("never")])
    run_id = api.start("tester", key)
    approval = api.wait_for_approval(run_id)["approvals"][0]
    stack.worker.kill()
    assert api.cancel(run_id).status_code == 202
    assert api.decide(run_id, approval["call_id"], "approve").status_code == 202
    assert _drop_cancel_handlers(stack, run_id) == 1
    stack.start_worker()
    _assert_cancelled(api, run_id)
    assert not stack.effects(key=f"{run_id}:1.0")
    assert model.count(key) == 1


def test_whose_app_dies_in_between(
    api: Api, stack: TestStack, model: ScriptedModel, key: str
) -> None:
    """A cancellation that was carried out by half is whole when it is repeated."""
    model.script(key, [text("never")])
    stack.worker.kill()
    run_id = api.start("tester", key)
    order = CancelOrder(
        run_id=run_id, invocation_id=stack.invocation_id(run_id), at=datetime.now(UTC)
    )
    half = f"{stack.ingress_url}/restate/send/tester/default%2F{run_id}/cancel"
    httpx.post(half, json=order.model_dump(mode="json"), trust_env=False).raise_for_status()
    assert api.cancel(run_id).status_code == 202
    assert _drop_cancel_handlers(stack, run_id) == 2
    stack.start_worker()
    _assert_cancelled(api, run_id)
    assert not model.count(key)


def test_twice_with_the_worker_back(
    api: Api, stack: TestStack, model: ScriptedModel, key: str, thread_id: str
) -> None:
    """Restate's own cancellation and that of the handler leave one whole conversation."""
    model.script(f"{key} next", [text("going on")])
    model.script(key, [call("hold", gate=key), text("never")])
    run_id = api.start("tester", key, thread_id=thread_id)
    stack.wait_for_effects(1, gate=key)
    stack.worker.kill()
    for _ in range(3):
        assert api.cancel(run_id).status_code == 202
    stack.start_worker()
    _assert_cancelled(api, run_id)
    said = [message["role"] for message in api.messages(thread_id)]
    assert said == ["user", "assistant", "tool"]
    stack.open_gate(key)
    assert api.run("tester", f"{key} next", thread_id=thread_id)["output"] == "going on"

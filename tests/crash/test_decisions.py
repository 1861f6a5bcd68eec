"""The worker is away while somebody decides: what counts is when the decision was made."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from fakes.api import Api
from fakes.events import assert_events_are_whole
from fakes.model_server import ScriptedModel
from fakes.script import call, text
from fakes.stack import TestStack
from fakes.waiting import wait_until

pytestmark = pytest.mark.crash


@pytest.fixture
def deciding(api: Api) -> Iterator[Any]:
    """Sends a decision that may take as long as the worker is away."""
    with ThreadPoolExecutor(1) as pool:

        def decide(run_id: str) -> Future[httpx.Response]:
            return pool.submit(api.decide, run_id, "1.0", "approve", by="ann")

        yield decide


def _ask(api: Api, stack: TestStack, model: ScriptedModel, key: str) -> tuple[str, datetime]:
    """Start a run that asks for an approval, and kill the worker; return when it expires."""
    model.script(key, [call("pay_soon", cents=5), text("done")])
    run_id = api.start("tester", key)
    [approval] = api.wait_for_approval(run_id)["approvals"]
    stack.worker.kill()
    return run_id, datetime.fromisoformat(approval["expires_at"])


def _wait_until_over(expires_at: datetime) -> None:
    wait_until(lambda: datetime.now(UTC) > expires_at, "the time to be over")


def test_in_time(api: Api, stack: TestStack, model: ScriptedModel, key: str, deciding: Any) -> None:
    """A decision that was made in time counts, however late a worker sees it."""
    run_id, expires_at = _ask(api, stack, model, key)
    answer = deciding(run_id)
    _wait_until_over(expires_at)
    stack.start_worker()
    run = api.wait_for_status(run_id, "completed")
    [approval] = run["approvals"]
    assert approval["resolution"]["action"] == "approve"
    assert approval["resolution"]["by"] == {"key": None, "said": "ann"}
    assert datetime.fromisoformat(approval["resolution"]["at"]) < expires_at
    assert len(stack.effects(tool="pay_soon", key=f"{run_id}:1.0")) == 1
    assert answer.result().status_code in (200, 202)
    assert_events_are_whole(api.events(run_id), run)


def test_too_late(
    api: Api, stack: TestStack, model: ScriptedModel, key: str, deciding: Any
) -> None:
    """One that was made after the time was over never runs the call, whichever comes first."""
    run_id, expires_at = _ask(api, stack, model, key)
    _wait_until_over(expires_at)
    answer = deciding(run_id)
    stack.start_worker()
    run = api.wait_for_status(run_id, "completed")
    [approval] = run["approvals"]
    assert approval["resolution"]["action"] == "expired"
    assert approval["resolution"]["at"] == approval["expires_at"]
    assert stack.effects(tool="pay_soon", key=f"{run_id}:1.0") == []
    # 202 where the worker took longer than one waits for it.
    assert answer.result().status_code in (202, 409, 503)
    assert api.decide(run_id, "1.0", "approve").status_code == 409
    assert_events_are_whole(api.events(run_id), run)

"""Runs that were handed over, where a deployment takes the agent away that has them."""

import pytest

from fakes.api import Api
from fakes.model_server import ScriptedModel
from fakes.script import Gate, call, text
from fakes.stack import TestStack
from fakes.waiting import wait_until

pytestmark = pytest.mark.crash


def test_a_worker_without_the_agent(
    api: Api, stack: TestStack, model: ScriptedModel, key: str
) -> None:
    """The run waits for a worker that has it, says for what, and goes on where it was."""
    gate = Gate()
    model.script(key, [call("transfer_to_office"), text("done", gate=gate)])
    run_id = api.start("front", key)
    model.wait_for(key, turn=2)
    stack.worker.kill()
    without = stack.process("outlast_worker", {"AGENTS": "fakes.front_alone"})
    without.start()
    try:
        wait_until(
            lambda: "the agent office, which this worker does not have" in _failure(api, run_id),
            "what it waits for",
        )
        assert api.get(run_id)["ended_at"] is None
    finally:
        without.terminate()
    gate.open()
    stack.start_worker()
    run = api.result(run_id)
    assert (run["output"], run["handed_over_to"]) == ("done", "office")
    assert stack.executions(run_id).count("handoff transfer_to_office") == 1


def _failure(api: Api, run_id: str) -> str:
    engine = api.get(run_id)["engine"] or {}
    return engine.get("last_failure") or ""

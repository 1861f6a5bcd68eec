"""Runs that wait for a person while everything else dies."""

import pytest

from fakes.api import Api
from fakes.model_server import ScriptedModel
from fakes.script import call, text
from fakes.stack import TestStack

pytestmark = pytest.mark.crash


def test_outlives_restarts_of_everything(
    api: Api, stack: TestStack, model: ScriptedModel, key: str
) -> None:
    """A decision that is waited for survives the death of everything, and a deploy."""
    model.script(key, [call("pay", cents=9), text("done")])
    run_id = api.start("tester", key)
    api.wait_for_approval(run_id)
    for process, start in [
        (stack.worker, stack.start_worker),
        (stack.restate, stack.start_restate),
        (stack.app, stack.start_app),
    ]:
        process.kill()
        start()
    stack.register()  # as a deploy does
    stack.wait_ready()
    api.wait_for_approval(run_id)
    assert api.decide(run_id, "1.0", "approve").status_code == 200
    assert api.result(run_id)["output"] == "done"
    assert len(stack.effects(tool="pay", key=f"{run_id}:1.0")) == 1

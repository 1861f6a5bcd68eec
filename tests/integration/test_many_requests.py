"""Connections between Restate and the worker carry any number of requests."""

from concurrent.futures import ThreadPoolExecutor

import httpx

from fakes.api import Api
from fakes.model_server import ScriptedModel
from fakes.script import call, text
from fakes.stack import TestStack

_REQUESTS = 2_500


def test_steps_in_flight_outlive_thousands_of_requests(
    api: Api, stack: TestStack, model: ScriptedModel, key: str
) -> None:
    """A step in flight is not cut because its connection has served many requests."""
    model.script(key, [call("hold", gate=key), text("ok")])
    run_id = api.start("tester", key)
    stack.wait_for_effects(1, gate=key)
    path = f"/restate/call/tester/default%2F{run_id}/status"
    with (
        httpx.Client(base_url=stack.ingress_url, trust_env=False) as restate,
        ThreadPoolExecutor(16) as pool,
    ):
        asked = pool.map(lambda _: restate.post(path, json={}).status_code, range(_REQUESTS))
        assert {*asked} == {200}
    stack.open_gate(key)
    assert api.result(run_id)["output"] == "ok"
    assert stack.executions(run_id).count("tool hold") == 1

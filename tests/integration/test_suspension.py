"""Runs that wait leave the worker; runs that work stay reachable."""

import pytest

from fakes.api import Api
from fakes.model_server import ScriptedModel
from fakes.script import Gate, call, text
from fakes.stack import TestStack
from fakes.waiting import wait_until


def _engine_status(stack: TestStack, run_id: str) -> str:
    where = f"id = '{stack.invocation_id(run_id)}'"
    return stack.query(f"SELECT status FROM sys_invocation WHERE {where}")[0]["status"]


@pytest.mark.both_modes
def test_waiting_runs_are_suspended(
    api: Api, stack: TestStack, model: ScriptedModel, key: str
) -> None:
    """Runs that wait for their turn, their time, a person or a client leave the worker."""
    thread_id, gate = key.replace(" ", "-"), Gate()
    model.script(f"{key} first", [text("first", gate=gate)])
    model.script(f"{key} queued", [text("queued")])
    model.script(f"{key} asleep", [text("asleep")])
    first = api.start("tester", f"{key} first", thread_id=thread_id)
    queued = api.start("tester", f"{key} queued", thread_id=thread_id)
    asleep = api.start("tester", f"{key} asleep", after_s=6)
    model.script(f"{key} asks", [call("pay", cents=1), text("asked")])
    asks = api.start("tester", f"{key} asks")
    model.script(f"{key} client", [call("locate", of="ann"), text("located")])
    client = api.start("guide", f"{key} client")
    for run_id in (queued, asleep, asks, client):
        wait_until(
            lambda run_id=run_id: _engine_status(stack, run_id) == "suspended", "a suspended run"
        )
    gate.open()
    assert api.answer(client, "1.0", "Berlin").status_code == 200
    assert api.result(client)["output"] == "located"
    assert api.result(first)["output"] == "first"
    assert api.result(queued)["output"] == "queued"
    assert api.result(asleep)["output"] == "asleep"
    assert api.decide(asks, "1.0", "approve").status_code == 200
    assert api.result(asks)["output"] == "asked"

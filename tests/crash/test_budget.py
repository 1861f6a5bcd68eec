"""SIGKILL of worker and Restate while runs below a limited one ask for their model calls."""

from typing import Any

import pytest

from fakes.api import Api
from fakes.model_server import ScriptedModel
from fakes.script import Gate, call, calls, text
from fakes.stack import TestStack
from fakes.waiting import wait_until
from outlast.names import child_run_id
from outlast_local.demo_model.openai_wire import Usage

pytestmark = pytest.mark.crash

_USED = Usage(prompt_tokens=4000, completion_tokens=1000)
_TOKENS = 5000
_MOST_OF_A_CALL = 32 * 1024
_CHILDREN = 6


@pytest.mark.parametrize("victim", ["worker", "restate"])
def test_killed(api: Api, stack: TestStack, model: ScriptedModel, key: str, victim: str) -> None:
    """Nothing reserved is lost or counted twice: the limit holds, and nobody waits for ever."""
    limit, gate = 60_000, Gate()
    asked = [call("ask", input=f"{key} child {n};") for n in range(_CHILDREN)]
    model.script(f"{key} boss", [calls(*asked), text("never")])
    for n in range(_CHILDREN):
        turns = [calls(call("note", text="a"), usage=_USED, gate=gate)]
        turns += [calls(call("note", text=f"{turn}"), usage=_USED) for turn in range(9)]
        model.script(f"{key} child {n};", turns)
    run_id = api.start("lead", f"{key} boss", limits={"max_tokens": limit})
    children = [child_run_id("tester", run_id, f"1.{n}") for n in range(_CHILDREN)]
    wait_until(lambda: any(map(_waits(api), children)), "one of them to wait for others")
    _kill(stack, victim)
    gate.open()
    wait_until(lambda: any("turn.started" in _kinds(api, child) for child in children), "a turn")
    _kill(stack, victim)
    run = wait_until(lambda: now if (now := api.get(run_id))["ended_at"] else None, "its end", 60)
    assert (run["status"], run["incomplete_reason"]) == ("incomplete", "max_tokens")
    ended = [api.get(child) for child in children]
    assert {child["incomplete_reason"] for child in ended} == {"max_tokens"}
    used = sum(child["usage"]["input_tokens"] + child["usage"]["output_tokens"] for child in ended)
    assert limit - _TOKENS <= used < limit + _MOST_OF_A_CALL


def _waits(api: Api) -> Any:
    def is_waiting(run_id: str) -> bool:
        answer = api.http.get(f"/runs/{run_id}")
        waiting = answer.json()["waiting"] if answer.status_code == 200 else None
        return bool(waiting) and "reserved what is left" in waiting["text"]

    return is_waiting


def _kinds(api: Api, run_id: str) -> list[str]:
    lines = api.http.get(f"/runs/{run_id}/events", headers={"Accept": "application/x-ndjson"})
    return [] if lines.status_code != 200 else lines.text.split('"')


def _kill(stack: TestStack, victim: str) -> None:
    if victim == "worker":
        stack.worker.kill()
        stack.start_worker()
    else:
        stack.restate.kill()
        stack.start_restate()
    stack.wait_ready()

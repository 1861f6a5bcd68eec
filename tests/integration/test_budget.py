"""Limits in tokens hold over all runs below the one that has them, however many work at once."""

from typing import Any

import pytest

from fakes.api import Api
from fakes.model_server import ScriptedModel
from fakes.script import Gate, Reply, call, calls, text
from fakes.stack import TestStack
from fakes.waiting import wait_until
from outlast.names import child_run_id
from outlast_local.demo_model.openai_wire import Usage

USED = Usage(prompt_tokens=4000, completion_tokens=1000)
_TOKENS = 5000
# What one call reserves: 16,384 tokens that it may write, and some bytes of prompt.
_MOST_OF_A_CALL = 32 * 1024


def ask(key: str) -> Reply:
    return call("ask", input=key)


def notes(count: int) -> list[Reply]:
    return [calls(call("note", text=f"{n}"), usage=USED) for n in range(count)]


def child_of(run_id: str, index: int) -> str:
    return child_run_id("tester", run_id, f"1.{index}")


def tokens_of(run: dict[str, Any]) -> int:
    return run["usage"]["input_tokens"] + run["usage"]["output_tokens"]


def test_eight_children(api: Api, model: ScriptedModel, key: str) -> None:
    """Eight at once pass their caller's limit by no more than the call that was let in last."""
    limit = 200_000
    model.script(f"{key} boss", [calls(*[ask(f"{key} child {n};") for n in range(8)]), text("x")])
    for n in range(8):
        model.script(f"{key} child {n};", notes(10))
    run = api.run("lead", f"{key} boss", limits={"max_tokens": limit})
    assert (run["status"], run["incomplete_reason"]) == ("incomplete", "max_tokens")
    children = [api.get(child_of(run["run_id"], n)) for n in range(8)]
    assert {child["incomplete_reason"] for child in children} == {"max_tokens"}
    used = sum(tokens_of(child) for child in children)
    print(f"{used} tokens of {limit}, in {used // _TOKENS} calls")  # noqa: T201  # pytest -s shows it
    assert limit - _TOKENS <= used < limit + _MOST_OF_A_CALL
    assert tokens_of(run) - used < _TOKENS


@pytest.mark.parametrize("killed", [True, False])
def test_those_who_wait(
    api: Api, stack: TestStack, model: ScriptedModel, key: str, *, killed: bool
) -> None:
    """A run waits while another has reserved what is left; all counts of one that is killed."""
    gate = Gate()
    asked = calls(*[ask(f"{key} child {n};") for n in range(2)])
    model.script(f"{key} boss", [asked, text("Done.")])
    for n in range(2):
        model.script(f"{key} child {n};", [text(f"answer {n}", gate=gate, usage=USED)])
    run_id = api.start("lead", f"{key} boss", limits={"max_tokens": 10_000})
    [waits] = wait_until(lambda: waiting_children(api, run_id), "one of them to wait")
    model.wait_for(f"{key} child {1 - waits};")
    if killed:
        stack.administer(child_of(run_id, 1 - waits), "kill")
    else:
        gate.open()
    stopped = "incomplete" if killed else "completed"
    run = api.wait_for_status(run_id, "completed", "incomplete")
    gate.open()
    assert api.get(child_of(run_id, waits))["status"] == stopped
    if killed:
        assert model.requests(f"{key} child {waits};") == []
        assert run["output"] == "Done."
    else:
        assert [m["content"] for m in run["messages"] if m["role"] == "tool"] == [
            "answer 0",
            "answer 1",
        ]


def waiting_children(api: Api, run_id: str) -> list[int]:
    """Return the number of the child that waits for the other one, if one does."""
    for n in range(2):
        answer = api.http.get(f"/runs/{child_of(run_id, n)}")
        waiting = answer.json()["waiting"] if answer.status_code == 200 else None
        if waiting and "reserved what is left" in waiting["text"]:
            return [n]
    return []

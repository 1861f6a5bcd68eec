"""SIGKILL of each process in the middle of the stream of a run and of those below it."""

from typing import Any

import pytest

from fakes.api import Api
from fakes.joined_follower import JoinedFollower, assert_joined
from fakes.model_server import ScriptedModel
from fakes.script import Gate, call, calls, text
from fakes.stack import TestStack
from outlast.names import child_run_id

pytestmark = pytest.mark.crash


def _ask(key: str, tool: str = "ask") -> Any:
    return call(tool, input=key)


@pytest.mark.parametrize("victim", ["worker", "app", "restate"])
def test_killed(api: Api, stack: TestStack, model: ScriptedModel, key: str, victim: str) -> None:
    """Each committed event of each run comes exactly once, by the ids alone, whoever dies when."""
    gates = [Gate(), Gate()]
    model.script(f"{key} chief", [_ask(f"{key} lead", "lead"), text("Top.")])
    asked = calls(_ask(f"{key} one"), call("note", text="x"), _ask(f"{key} two"))
    model.script(f"{key} lead", [asked, text("Middle.")])
    for name, gate in zip(("one", "two"), gates, strict=True):
        script = [call("note", text=name), text("a b c d", gate=gate)]
        model.script(f"{key} {name}", script)
    run_id = api.start("chief", f"{key} chief")
    lead = child_run_id("lead", run_id, "1.0")
    one, two = (child_run_id("tester", lead, call_id) for call_id in ("1.0", "1.2"))
    with JoinedFollower(stack.app_url, run_id) as follower:
        for name in ("one", "two"):
            model.wait_for(f"{key} {name}", turn=2)
        _kill(stack, victim)
        gates[0].open()
        follower.wait_for(run_id=lead, type="tool_call.completed", call_id="1.0")
        _kill(stack, victim)
        gates[1].open()
        follower.wait_for_end()
    assert_joined(follower.committed, [run_id, lead, one, two], api)
    assert (follower.connections == 1) == (victim != "app")


def _kill(stack: TestStack, victim: str) -> None:
    match victim:
        case "worker":
            stack.worker.kill()
            stack.start_worker()
        case "app":
            stack.app.kill()
            stack.start_app()
        case _:
            stack.restate.kill()
            stack.start_restate()
    stack.wait_ready()

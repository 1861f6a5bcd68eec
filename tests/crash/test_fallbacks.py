"""SIGKILL of each process between an agent's models: which one is asked is not forgotten."""

import dataclasses

import pytest

from fakes.api import Api
from fakes.events import assert_events_are_whole
from fakes.model_server import ScriptedModel
from fakes.script import Gate, attempts, call, fault, text
from fakes.stack import TestStack
from fakes.waiting import wait_until

pytestmark = [
    pytest.mark.crash,
    pytest.mark.parametrize("victim", ["worker", "app", "restate"]),
]


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


def _models(model: ScriptedModel, key: str) -> list[str]:
    return [request.body["model"] for request in model.requests(key)]


def test_while_the_next_model_is_asked(
    api: Api, stack: TestStack, model: ScriptedModel, key: str, victim: str
) -> None:
    """The model that refused is not asked again, nor told of twice; the call goes on, or again."""
    gate = Gate()
    held = dataclasses.replace(call("note", text=key), gate=gate)
    model.script(key, [attempts(fault(401, {}), held, call("note", text=key)), text("ok")])
    run_id = api.start("with_fallback", key)
    model.wait_for(key, count=2)
    _kill(stack, victim)
    if victim == "app":
        gate.open()
    run = api.result(run_id)
    gate.open()
    assert (run["status"], run["output"]) == ("completed", "ok")
    asked = _models(model, key)
    assert asked[0] == "first"
    assert set(asked[1:]) == {"spare"}
    assert len(asked) == (3 if victim == "app" else 4)
    events = api.events(run_id)
    assert_events_are_whole(events, run)
    assert [event["type"] for event in events].count("model.fallback") == 1
    assert len(stack.effects(text=key)) == 1


def test_while_the_next_model_is_away(
    api: Api, stack: TestStack, model: ScriptedModel, key: str, victim: str
) -> None:
    """The wait goes on whoever is gone, and the same model is asked after it."""
    away = fault(429, {}, {"retry-after": "5"})
    model.script(key, [attempts(fault(401, {}), away, text("ok"))])
    run_id = api.start("with_fallback", key)
    wait_until(lambda: (api.get(run_id)["engine"] or {}).get("next_retry_at"), "a retry")
    _kill(stack, victim)
    run = api.result(run_id)
    assert (run["status"], run["output"]) == ("completed", "ok")
    assert _models(model, key) == ["first", "spare", "spare"]
    assert_events_are_whole(api.events(run_id), run)

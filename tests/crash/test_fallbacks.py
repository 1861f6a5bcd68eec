"""SIGKILL of the worker between an agent's models: which one is asked is not forgotten."""

import pytest

from fakes.api import Api
from fakes.events import assert_events_are_whole
from fakes.model_server import ScriptedModel
from fakes.script import Gate, attempts, call, fault, text
from fakes.stack import TestStack
from fakes.waiting import wait_until

pytestmark = pytest.mark.crash


def _models(model: ScriptedModel, key: str) -> list[str]:
    return [request.body["model"] for request in model.requests(key)]


def test_worker_while_the_next_model_is_asked(
    api: Api, stack: TestStack, model: ScriptedModel, key: str
) -> None:
    """That call is repeated; the model that refused is not asked again, nor told of twice."""
    gate = Gate()
    step = attempts(fault(401, {}), text("lost", gate=gate), call("note", text=key))
    model.script(key, [step, text("ok")])
    run_id = api.start("with_fallback", key)
    model.wait_for(key, count=2)
    stack.worker.kill()
    stack.start_worker()
    run = api.result(run_id)
    gate.open()
    assert (run["status"], run["output"]) == ("completed", "ok")
    assert _models(model, key) == ["first", "spare", "spare", "spare"]
    events = api.events(run_id)
    assert_events_are_whole(events, run)
    assert [event["type"] for event in events].count("model.fallback") == 1
    assert len(stack.effects(text=key)) == 1


def test_worker_while_the_next_model_is_away(
    api: Api, stack: TestStack, model: ScriptedModel, key: str
) -> None:
    """The wait goes on without the worker, and the same model is asked after it."""
    away = fault(429, {}, {"retry-after": "5"})
    model.script(key, [attempts(fault(401, {}), away, text("ok"))])
    run_id = api.start("with_fallback", key)
    wait_until(lambda: (api.get(run_id)["engine"] or {}).get("next_retry_at"), "a retry")
    stack.worker.kill()
    stack.start_worker()
    run = api.result(run_id)
    assert (run["status"], run["output"]) == ("completed", "ok")
    assert _models(model, key) == ["first", "spare", "spare"]
    assert_events_are_whole(api.events(run_id), run)

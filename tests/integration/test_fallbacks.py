"""Models that others step in for."""

import pytest

from fakes.api import Api
from fakes.events import assert_events_are_whole
from fakes.model_server import ScriptedModel
from fakes.script import Single, attempts, call, fault, text
from fakes.waiting import wait_until

_KEY = {"error": {"message": "Incorrect API key provided: sk-scripted", "code": "invalid_api_key"}}


@pytest.mark.parametrize(
    ("refusal", "error"),
    [
        (fault(401, _KEY), "model-auth"),
        (fault(404, {}), "model-not-found"),
        (fault(503, {}, {"retry-after": "300"}), "model-unavailable"),
    ],
    ids=["key", "name", "away"],
)
def test_another_provider_steps_in(
    api: Api, model: ScriptedModel, key: str, refusal: Single, error: str
) -> None:
    """It is asked with its own key, watchers learn of it, and the run stays with it."""
    model.script(key, [attempts(refusal, call("note", text="a")), text("ok")])
    run = api.run("with_fallback", key)
    assert (run["status"], run["output"]) == ("completed", "ok")
    asked = [
        (request.body["model"], request.headers["authorization"]) for request in model.requests(key)
    ]
    spare = ("spare", "Bearer sk-spare")
    assert asked == [("first", "Bearer sk-scripted"), spare, spare]
    events = api.events(run["run_id"])
    assert_events_are_whole(events, run)
    [fallback] = [event for event in events if event["type"] == "model.fallback"]
    assert (fallback["model"], fallback["instead_of"]) == ("hosted_vllm/spare", "openai/first")
    assert fallback["error"]["type"] == error
    assert "sk-scripted" not in str(events)
    assert [e["attempts"] for e in events if e["type"] == "message.completed"] == [2, 1]
    prompt = api.http.get(f"/runs/{run['run_id']}/turns/2/prompt").json()
    assert prompt["model"] == "hosted_vllm/spare"
    definition = api.http.get(f"/runs/{run['run_id']}/definition").json()
    assert definition["fallbacks"] == ["hosted_vllm/spare"]


def test_all_are_away(api: Api, model: ScriptedModel, key: str) -> None:
    """The run waits for the one that is free first."""
    away = [fault(429, {}, {"retry-after": delay}) for delay in ("60", "40")]
    model.script(key, [attempts(*away, text("never"))])
    run_id = api.start("with_fallback", key)
    wait_until(lambda: (api.get(run_id)["engine"] or {}).get("next_retry_at"), "a retry")
    assert api.get(run_id)["engine"]["attempts"] == 2
    assert model.count(key) == 2
    api.cancel(run_id)
    api.wait_for_status(run_id, "cancelled")


def test_described(api: Api) -> None:
    """`GET /agents` names the models that may answer."""
    described = api.http.get("/agents/with_fallback").json()
    assert (described["model"], described["fallbacks"]) == ("openai/first", ["hosted_vllm/spare"])

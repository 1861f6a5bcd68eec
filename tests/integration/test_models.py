"""Model calls that fail: waited out, told, or ended with an error that says who must act."""

import pytest

from fakes.api import Api
from fakes.events import assert_events_are_whole
from fakes.model_server import ScriptedModel
from fakes.script import Ending, attempts, call, calls, cut, fault, text
from fakes.stack import TestStack
from fakes.waiting import wait_until

_LIMIT = {"error": {"message": "Rate limit reached", "type": "tokens", "code": "rate_limit"}}
_KEY = {"error": {"message": "Incorrect API key provided: sk-scripted", "code": "invalid_api_key"}}
_LONG = {"error": {"message": "maximum context length", "code": "context_length_exceeded"}}


def test_rate_limit_is_waited_out(api: Api, model: ScriptedModel, key: str) -> None:
    """A 429 with a delay is repeated after it, and the answer comes as if nothing had been."""
    limited = fault(429, _LIMIT, {"retry-after": "1"})
    model.script(key, [attempts(limited, fault(503, {}), text("finally"))])
    run = api.run("tester", key)
    assert (run["status"], run["output"]) == ("completed", "finally")
    first, second, _ = model.requests(key, 1)
    assert second.started_s - first.started_s >= 1.0
    assert_events_are_whole(api.events(run["run_id"]), run)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("ending", [Ending.COMPLETE, Ending.CLOSE, Ending.RESET])
def test_broken_answer_is_never_an_answer(
    api: Api, model: ScriptedModel, key: str, ending: Ending, *, stream: bool
) -> None:
    """An answer that breaks off, in text or in a call's arguments, is asked for again."""
    half = cut(call("note", text="half" * 50), after_chunks=3, ending=ending)
    model.script(key, [attempts(half, call("note", text="whole")), text("ok")])
    run = api.run("tester", key, stream=stream)
    assert run["status"] == "completed"
    notes = [m["content"] for m in run["messages"] if m["role"] == "tool"]
    assert notes == ["noted whole"]
    assert model.count(key, 1) == 2


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [(401, _KEY, "model-auth"), (400, _LONG, "context-too-long"), (404, {}, "model-not-found")],
)
def test_final_fault_ends_the_run(
    api: Api, model: ScriptedModel, key: str, status: int, body: dict, error: str
) -> None:
    """What no retry can mend fails the run at once; the request itself worked."""
    model.script(key, [fault(status, body)])
    run = api.run("tester", key)
    assert run["status"] == "failed"
    assert (run["error"]["type"], run["error"]["retryable"]) == (error, False)
    assert model.count(key) == 1
    assert "sk-scripted" not in str(run)
    assert_events_are_whole(api.events(run["run_id"]), run)


def test_refused_key_names_the_variable(api: Api, model: ScriptedModel, key: str) -> None:
    """A run without a valid key says which variable to set."""
    model.script(key, [fault(401, _KEY)])
    message = api.run("tester", key)["error"]["message"]
    assert "OPENAI_API_KEY" in message
    assert "WORKER_PROVIDERS" in message


def test_a_model_that_stays_away(
    api: Api, stack: TestStack, model: ScriptedModel, key: str
) -> None:
    """A run says what holds it up, and no longer once it was killed."""
    model.script(key, [attempts(fault(429, {}, {"retry-after": "300"}), text("never"))])
    run_id = api.start("tester", key)
    engine = wait_until(lambda: (api.get(run_id)["engine"] or {}).get("next_retry_at"), "a retry")
    assert engine > api.get(run_id)["created_at"]
    held_up = api.get(run_id)["engine"]
    assert held_up["last_failure"].startswith("model-unavailable: ")
    [listed] = [r for r in api.http.get("/runs").json()["items"] if r["run_id"] == run_id]
    assert listed["engine"] == held_up
    stack.administer(run_id, "kill")
    assert api.wait_for_status(run_id, "failed")["engine"] is None


def test_a_model_of_anthropics(api: Api, model: ScriptedModel, key: str) -> None:
    """It is asked in its own format, and its thinking goes back to it with the tool's result."""
    thinks = calls(call("note", text="a"), text="Wait.", reasoning="Let me see.")
    model.script(key, [thinks, text("ok")])
    run = api.run("thinker", key, stream=True)
    assert (run["status"], run["output"]) == ("completed", "ok")
    assert_events_are_whole(api.events(run["run_id"]), run)
    first, second = model.requests(key)
    assert first.path == second.path == "/v1/messages"
    assert first.headers["x-api-key"] == "sk-ant"
    assert first.body["thinking"] == {"type": "enabled", "budget_tokens": 1024}
    thought, said, called = second.messages[1]["content"]
    assert thought == {"type": "thinking", "thinking": "Let me see.", "signature": "sig"}
    assert said["text"] == "Wait."
    result = second.messages[2]["content"][0]
    assert (result["tool_use_id"], result["content"][0]["text"]) == (called["id"], "noted a")
    assert run["usage"]["cost_usd"] > 0

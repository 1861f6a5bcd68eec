"""OpenAI's `/responses`: what is asked, what comes of it, what goes back."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from fakes import Step, fault, raw
from fakes.records import NOON
from outlast import ModelSettings
from outlast_worker.engine.records import (
    ModelFault,
    ModelOutcome,
    ModelRecord,
    RequestedCall,
    StoredMessage,
)
from outlast_worker.models.openai_http.api import OpenAiHttpApi
from outlast_worker.models.openai_http.providers import PROVIDERS, needs_responses
from outlast_worker.settings import Provider
from unit.worker.models.asking import Asker, Client

MODEL = "openai/responses/gpt-5-mini"
REASONING = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"}
TEXT = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "content": [{"type": "output_text", "text": "Wait.", "annotations": []}],
}
CALL = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "call_1",
    "name": "refund",
    "arguments": '{"cents":5}',
}
USAGE = {
    "input_tokens": 1000,
    "input_tokens_details": {"cached_tokens": 800},
    "output_tokens": 500,
    "output_tokens_details": {"reasoning_tokens": 200},
    "total_tokens": 1500,
}


def response(*output: dict[str, Any], status: str = "completed", **more: Any) -> dict[str, Any]:
    return {
        "id": "resp_1",
        "object": "response",
        "status": status,
        "model": "gpt-5-mini-2025-08-07",
        "error": None,
        "output": list(output),
        "usage": USAGE,
        **more,
    }


def event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def stream(whole: dict[str, Any], *before: bytes) -> Step:
    created = event("response.created", response=response(status="in_progress"))
    return raw(b"".join([created, *before, event(f"response.{whole['status']}", response=whole)]))


@pytest.fixture
def client() -> Client:
    """These tests are about the direct client alone."""
    return "direct"


class Responder:
    """Asks over `/responses`."""

    def __init__(self, ask: Asker) -> None:
        self.ask = ask
        self.path = f"/{ask.key.replace(' ', '-')}"

    async def __call__(self, step: Step, **more: Any) -> ModelOutcome:
        self.ask.server.play(self.path, step)
        there = Provider(base_url=f"{self.ask.server.origin}{self.path}/v1")
        return await self.ask(model=MODEL, provider=there, **more)

    async def answer(self, step: Step, **more: Any) -> ModelRecord:
        outcome = await self(step, **more)
        assert isinstance(outcome, ModelRecord), outcome
        return outcome

    async def fault(self, step: Step, **more: Any) -> ModelFault:
        outcome = await self(step, **more)
        assert isinstance(outcome, ModelFault), outcome
        return outcome

    @property
    def bodies(self) -> list[Any]:
        """What was asked."""
        requests = self.ask.server.requests(self.path)
        assert {request.path for request in requests} == {f"{self.path}/v1/responses"}
        return [request.body for request in requests]


@pytest.fixture
async def respond(ask: Asker) -> AsyncIterator[Responder]:
    responder = Responder(ask)
    yield responder
    ask.server.forget(responder.path)


async def test_an_answer(respond: Responder) -> None:
    """Text, calls, usage and price come back, and watchers see the text as it grows."""
    pieces = (
        event("response.reasoning_summary_text.delta", delta="Hm."),
        event("response.output_text.delta", delta="Wa"),
        event("response.output_text.delta", delta="it."),
        event("response.function_call_arguments.delta", delta="{"),
    )
    got = await respond.answer(stream(response(REASONING, TEXT, CALL), *pieces), stream=True)
    assert (got.text, got.finish_reason) == ("Wait.", "tool_calls")
    assert got.calls == [RequestedCall(name="refund", arguments='{"cents":5}')]
    assert got.model == "gpt-5-mini-2025-08-07"
    assert (got.usage.cached_tokens, got.usage.reasoning_tokens) == (800, 200)
    assert got.usage.cost_usd == pytest.approx(200 * 0.25e-6 + 800 * 0.025e-6 + 500 * 2e-6)
    assert respond.ask.shown == "Wait."


async def test_what_is_asked(respond: Responder) -> None:
    """Nothing is stored at the provider; settings stand where this interface has them."""
    settings = ModelSettings(
        max_output_tokens=7,
        reasoning_effort="low",
        tool_choice="refund",
        parallel_tool_calls=False,
        extra_body={
            "verbosity": "low",
            "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}},
            "reasoning": {"summary": "auto"},
            "brand_new": 1,
        },
    )
    await respond.answer(stream(response(TEXT)), settings=settings)
    [body] = respond.bodies
    assert {name: body[name] for name in ("model", "instructions", "store", "stream")} == {
        "model": "gpt-5-mini",
        "instructions": "Be brief.",
        "store": False,
        "stream": True,
    }
    assert body["include"] == ["reasoning.encrypted_content"]
    assert body["input"] == [{"role": "user", "content": respond.ask.key}]
    assert body["tools"][0]["name"] == "refund"
    assert body["tools"][0]["strict"] is False
    assert (body["max_output_tokens"], body["parallel_tool_calls"], body["brand_new"]) == (
        7,
        False,
        1,
    )
    assert body["reasoning"] == {"effort": "low", "summary": "auto"}
    assert body["text"] == {
        "verbosity": "low",
        "format": {"type": "json_schema", "name": "n", "schema": {}},
    }
    assert body["tool_choice"] == {"type": "function", "name": "refund"}
    assert not {"reasoning_effort", "response_format", "verbosity", "extra_body"} & body.keys()


def conversation(got: ModelRecord) -> list[StoredMessage]:
    told: dict[str, Any] = {"run_id": "old", "created_at": NOON}
    calls = [{"call_id": "1.0", "name": "refund", "arguments": {"cents": 5}}] if got.calls else None
    asked = StoredMessage.model_validate(
        {
            "id": "2",
            "role": "assistant",
            "content": got.text,
            "tool_calls": calls,
            "opaque": got.opaque,
            **told,
        }
    )
    result = StoredMessage(id="3", role="tool", content="{}", call_id="1.0", **told)
    return [asked, result] if calls else [asked]


async def test_reasoning_goes_back(respond: Responder) -> None:
    """Encrypted reasoning goes back before what it led to, in the order in which it came."""
    again = {**REASONING, "id": "rs_2"}
    got = await respond.answer(stream(response(REASONING, TEXT, again, CALL)))
    await respond.answer(stream(response(TEXT)), history=conversation(got))
    assert respond.bodies[1]["input"][:-1] == [
        REASONING,
        {"role": "assistant", "content": "Wait."},
        again,
        {
            "type": "function_call",
            "call_id": "call_1",
            "name": "refund",
            "arguments": '{"cents": 5}',
        },
        {"type": "function_call_output", "call_id": "call_1", "output": "{}"},
    ]


async def test_reasoning_that_led_to_nothing(respond: Responder) -> None:
    """Reasoning without what follows it is refused there, so it does not go back."""
    details = {"reason": "max_output_tokens"}
    cut_short = response(TEXT, REASONING, CALL, status="incomplete", incomplete_details=details)
    got = await respond.answer(stream(cut_short))
    assert (got.finish_reason, got.calls) == ("length", [])
    await respond.answer(stream(response(TEXT)), history=conversation(got))
    assert respond.bodies[1]["input"][:-1] == [{"role": "assistant", "content": "Wait."}]


async def test_reasoning_of_another_model(respond: Responder) -> None:
    """Another model can't read it, nor can the chat interface."""
    got = await respond.answer(stream(response(REASONING, TEXT)))
    assert got.opaque is not None
    other = {"responses_output": {**got.opaque.fields["responses_output"], "model": "gpt-4"}}
    got = got.model_copy(update={"opaque": got.opaque.model_copy(update={"fields": other})})
    await respond.answer(stream(response(TEXT)), history=conversation(got))
    assert "gAAA" not in json.dumps(respond.bodies[1])


async def test_a_refusal(respond: Responder) -> None:
    """A refusal is shown as text."""
    refused = {**TEXT, "content": [{"type": "refusal", "refusal": "I can't."}]}
    got = await respond.answer(stream(response(refused)))
    assert (got.text, got.finish_reason) == ("I can't.", "stop")


async def test_a_filtered_answer(respond: Responder) -> None:
    """An answer that the filter ended is not complete."""
    details = {"reason": "content_filter"}
    got = await respond.answer(
        stream(response(TEXT, status="incomplete", incomplete_details=details))
    )
    assert got.finish_reason == "content_filter"


async def test_items_that_the_end_lacks(respond: Responder) -> None:
    """Servers that leave the output out at the end have told it item by item."""
    items = [
        event("response.output_item.done", output_index=1, item=CALL),
        event("response.output_item.done", output_index=0, item=TEXT),
    ]
    got = await respond.answer(stream(response(), *items))
    assert (got.text, len(got.calls)) == ("Wait.", 1)


async def test_a_server_that_does_not_stream(respond: Responder) -> None:
    """A whole answer is taken for what it is."""
    got = await respond.answer(fault(200, response(TEXT, CALL)))
    assert (got.text, len(got.calls)) == ("Wait.", 1)


FAILED = {"code": "server_error", "message": "The server had an error."}
REFUSED = {"code": "invalid_prompt", "message": "Your prompt was flagged."}
FAULTS: dict[str, tuple[Step, str, bool]] = {
    "failed": (stream(response(status="failed", error=FAILED)), "model-unavailable", True),
    "refused": (stream(response(status="failed", error=REFUSED)), "content-policy", False),
    "error event": (
        raw(event("error", code="rate_limit_exceeded", message="Slow down.")),
        "model-unavailable",
        True,
    ),
    "nested error event": (
        raw(event("error", error={"type": "invalid_request_error", "message": "No."})),
        "model-rejected",
        False,
    ),
    "too long": (
        fault(400, {"error": {"message": "…", "code": "context_length_exceeded"}}),
        "context-too-long",
        False,
    ),
    "without its end": (
        raw(event("response.output_text.delta", delta="Wa")),
        "model-malformed",
        True,
    ),
    "nothing": (raw(b""), "model-malformed", True),
    "html": (fault(200, "<html>Sign in</html>"), "model-malformed", True),
    "a chat": (fault(200, {"id": "1", "choices": []}), "model-malformed", True),
    "cancelled": (stream(response(status="cancelled")), "model-unavailable", True),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_faults(respond: Responder, name: str) -> None:
    """Each fault means what it means elsewhere; a half answer counts for none."""
    step, kind, retryable = FAULTS[name]
    failed = await respond.fault(step)
    assert (failed.error.type, failed.error.retryable) == (kind, retryable)
    assert (failed.retry_after_s is not None) == retryable


@pytest.mark.parametrize(
    ("model", "base_url", "responses"),
    [
        ("gpt-5.4-mini", None, True),
        ("gpt-5.4-mini", "https://eu.api.openai.com/v1", True),
        ("gpt-5.4-mini", "http://gateway/v1", False),
        ("gpt-5-mini", None, False),
        ("gpt-5-pro", None, True),
        ("gpt-4o", None, False),
        ("o3", None, False),
        ("o3-pro", None, True),
        ("responses/x", "http://gateway/v1", True),
    ],
)
def test_who_needs_it(
    monkeypatch: pytest.MonkeyPatch, model: str, base_url: str | None, responses: bool
) -> None:
    """OpenAI's newer models take tools over it only; other servers are asked as ever."""
    for variable in PROVIDERS["openai"].variables:
        monkeypatch.delenv(variable, raising=False)
    assert needs_responses("openai", model, base_url) is responses
    assert OpenAiHttpApi({}, 1).serves(f"openai/{model}", ())

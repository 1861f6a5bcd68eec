"""Anthropic's answers: streamed, whole, broken, in every ending."""

import json
from typing import Any

import pytest

from fakes import Ending, Step, drop, fault, hang, raw
from fakes.messages_wire import (
    error,
    event,
    message,
    refusal,
    stream,
    streamed,
    text,
    thought,
    use,
    whole,
)
from outlast_worker.engine.records import PinnedOutput, RequestedCall
from outlast_worker.settings import Provider
from unit.worker.models.anthropic_http.conftest import Messenger

SEARCH = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"q": "x"}}
FOUND = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}


@pytest.mark.parametrize("step", [streamed, whole])
async def test_an_answer(messages: Messenger, step: Any) -> None:
    """Text, calls, usage and price come back, and watchers see it as it grows."""
    counts = {
        "input_tokens": 100,
        "cache_read_input_tokens": 800,
        "cache_creation_input_tokens": 200,
        "output_tokens": 500,
        "output_tokens_details": {"thinking_tokens": 50},
    }
    content = (thought("Hm, let me see.", "s"), text("Wait a moment."), use("refund", cents=5))
    got = await messages.answer(
        step(*content, stop_reason="tool_use", **counts), stream=True, keep_reasoning=True
    )
    assert (got.text, got.finish_reason) == ("Wait a moment.", "tool_calls")
    assert got.calls == [RequestedCall(name="refund", arguments='{"cents": 5}')]
    assert got.model == "claude-sonnet-4-5-20250929"
    assert (got.usage.input_tokens, got.usage.cached_tokens) == (1100, 800)
    assert (got.usage.output_tokens, got.usage.reasoning_tokens) == (500, 50)
    assert got.usage.cost_usd == pytest.approx((100 * 3 + 800 * 0.3 + 200 * 3.75 + 500 * 15) / 1e6)
    assert messages.ask.shown == "Wait a moment."
    assert got.reasoning == "Hm, let me see."


async def test_searches_cost(messages: Messenger) -> None:
    """What the provider ran beside the model is part of the price."""
    searched: Any = {"server_tool_use": {"web_search_requests": 3}}
    plain = await messages.answer(streamed(text("Hi.")))
    got = await messages.answer(streamed(text("Hi."), **searched))
    assert got.usage.cost_usd == pytest.approx((plain.usage.cost_usd or 0) + 0.03)


async def test_an_unknown_model(messages: Messenger) -> None:
    """A price that nobody knows is null."""
    got = await messages.answer(streamed(text("Hi.")), model="anthropic/glm-5")
    assert got.usage.cost_usd is None
    assert got.usage.input_tokens == 10


@pytest.mark.parametrize("counts", [{"input_tokens": -1}, {"output_tokens": "many"}, {}])
async def test_counts_that_make_no_sense(messages: Messenger, counts: dict[str, Any]) -> None:
    """They count for nothing, and the cost is null."""
    made = message(text("Hi."))
    made["usage"] = counts
    got = await messages.answer(fault(200, made))
    assert (got.usage.input_tokens, got.usage.output_tokens) == (0, 0)
    assert got.usage.cost_usd is None


@pytest.mark.parametrize(
    ("reason", "recorded", "calls"),
    [
        ("end_turn", "stop", 1),
        ("tool_use", "tool_calls", 1),
        ("stop_sequence", "stop", 1),
        ("max_tokens", "length", 0),
        ("model_context_window_exceeded", "length", 0),
        ("refusal", "content_filter", 0),
        ("pause_turn", "pause", 1),
    ],
)
async def test_endings(messages: Messenger, reason: str, recorded: str, calls: int) -> None:
    """Each reason means what it means elsewhere; calls of a cut answer never run."""
    got = await messages.answer(streamed(text("Wait."), use("refund"), stop_reason=reason))
    assert (got.finish_reason, len(got.calls)) == (recorded, calls)


@pytest.mark.parametrize("reason", ["brand_new", ""])
async def test_an_ending_that_nobody_knows(messages: Messenger, reason: str) -> None:
    """It is never taken for a whole answer."""
    failed = await messages.fault(streamed(text("Wait."), stop_reason=reason))
    assert failed.error.type == "model-malformed"


@pytest.mark.parametrize(
    "arguments",
    ['{"cents": 5}', "{}"],
)
async def test_arguments_in_pieces(messages: Messenger, arguments: str) -> None:
    """Pieces of JSON are put together; none at all are an empty object."""
    made = streamed(use("refund", **json.loads(arguments)), stop_reason="tool_use")
    [call] = (await messages.answer(made)).calls
    assert call.arguments == arguments


async def test_arguments_that_break_off(messages: Messenger) -> None:
    """A call with half of its arguments is not run as if it were whole."""
    start = event("content_block_start", index=0, content_block=use("refund"))
    half = {"type": "input_json_delta", "partial_json": '{"cents": '}
    body = [
        event("message_start", message=message()),
        start,
        event("content_block_delta", index=0, delta=half),
        event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 3}),
        event("message_stop"),
    ]
    failed = await messages.fault(raw(b"".join(body)))
    assert failed.error.type == "model-malformed"


async def test_parallel_calls(messages: Messenger) -> None:
    """Calls whose pieces come interleaved stay apart."""
    deltas = [
        event("content_block_delta", index=n % 2, delta={"type": "input_json_delta", **piece})
        for n, piece in enumerate(
            {"partial_json": each} for each in ('{"a"', '{"b"', ": 1}", ": 2}")
        )
    ]
    body = [
        event("message_start", message=message()),
        event("content_block_start", index=0, content_block=use("refund", "toolu_a")),
        event("content_block_start", index=1, content_block=use("refund", "toolu_b")),
        *deltas,
        event("message_delta", delta={"stop_reason": "tool_use"}),
        event("message_stop"),
    ]
    got = await messages.answer(raw(b"".join(body)))
    assert [call.arguments for call in got.calls] == ['{"a": 1}', '{"b": 2}']
    assert got.opaque
    assert got.opaque.call_ids == ["toolu_a", "toolu_b"]


async def test_what_is_not_known(messages: Messenger) -> None:
    """Events and pieces of other versions are left out."""
    events = list(stream(message(text("Hi."))))
    events[2:2] = [event("brand_new", value=1), b": comment\n\n", b"data: [1]\n\n"]
    events.insert(-3, event("content_block_delta", index=0, delta={"type": "brand_new_delta"}))
    assert (await messages.answer(raw(b"".join(events)))).text == "Hi."


async def test_a_block_without_its_beginning(messages: Messenger) -> None:
    """Gateways leave out how a text begins."""
    events = [each for each in stream(message(text("Hi."))) if b"block_start" not in each]
    assert (await messages.answer(raw(b"".join(events)))).text == "Hi."


@pytest.mark.parametrize("sent", range(1, 9))
async def test_a_stream_that_ends_early(messages: Messenger, sent: int) -> None:
    """A stream is whole once its stop reason came, and malformed before that."""
    events = list(stream(message(text("Hi."))))
    assert len(events) == 8 - 1
    step = raw(b"".join(events[:sent]))
    if sent >= 6:
        assert (await messages.answer(step)).text == "Hi."
    else:
        failed = await messages.fault(step, stream=True)
        assert (failed.error.type, failed.error.retryable) == ("model-malformed", True)


async def test_tools_of_the_provider(messages: Messenger) -> None:
    """They are not the agent's calls."""
    odd = {**use("web_search", "srvtoolu_2"), "input": {"q": "y"}}
    got = await messages.answer(
        streamed(SEARCH, FOUND, odd, text("Found."), stop_reason="end_turn")
    )
    assert (got.text, got.calls) == ("Found.", [])


CREDIT = "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing."
LIMIT = "input length and `max_tokens` exceed context limit: 190000 + 21333 > 200000, decrease …"
TOO_LARGE = "Request exceeds the maximum size"
BLOCKED = "Output blocked by content filtering policy"
FAULTS: dict[str, tuple[Step, str, bool]] = {
    "invalid": (refusal(400, "invalid_request_error", "No."), "model-rejected", False),
    "key": (refusal(401, "authentication_error", "invalid x-api-key"), "model-auth", False),
    "billing": (refusal(402, "billing_error", "Pay."), "model-unavailable", False),
    "right": (refusal(403, "permission_error", "No."), "model-auth", False),
    "model": (refusal(404, "not_found_error", "model: claude-x"), "model-not-found", False),
    "large": (refusal(413, "request_too_large", TOO_LARGE), "context-too-long", False),
    "limit": (refusal(429, "rate_limit_error", "Slow down."), "model-unavailable", True),
    "bug": (refusal(500, "api_error", "Internal server error"), "model-unavailable", True),
    "late": (refusal(504, "timeout_error", "Timed out"), "model-unavailable", True),
    "overloaded": (refusal(529, "overloaded_error", "Overloaded"), "model-unavailable", True),
    "credit": (refusal(400, "invalid_request_error", CREDIT), "model-unavailable", False),
    "context": (refusal(400, "invalid_request_error", LIMIT), "context-too-long", False),
    "filtered": (refusal(400, "invalid_request_error", BLOCKED), "content-policy", False),
    "html": (fault(200, "<html>Sign in</html>"), "model-malformed", True),
    "a chat": (fault(200, {"id": "1", "choices": []}), "model-malformed", True),
    "a list": (fault(200, "[1]"), "model-malformed", True),
    "nothing": (raw(b""), "model-malformed", True),
    "no words": (raw(event("error")), "model-malformed", True),
    "dropped": (drop(Ending.RESET), "model-unavailable", True),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_faults(messages: Messenger, name: str) -> None:
    """Each of its errors means what it means elsewhere."""
    step, kind, retryable = FAULTS[name]
    failed = await messages.fault(step)
    assert (failed.error.type, failed.error.retryable) == (kind, retryable)
    assert (failed.retry_after_s is not None) == retryable


IN_STREAM = {
    "overloaded_error": ("model-unavailable", True),
    "api_error": ("model-unavailable", True),
    "invalid_request_error": ("model-rejected", False),
    "authentication_error": ("model-auth", False),
}


@pytest.mark.parametrize("kind", IN_STREAM)
async def test_errors_in_a_stream(messages: Messenger, kind: str) -> None:
    """A final error inside of a stream is final, though the status was 200."""
    begun = list(stream(message(text("Hello there."))))[:5]
    body = error(kind, "No.")
    failed = await messages.fault(raw(b"".join([*begun, event("error", **body)])), stream=True)
    assert (failed.error.type, failed.error.retryable) == IN_STREAM[kind]


async def test_silence(messages: Messenger) -> None:
    """A provider that says nothing is given up, and asked again later."""
    failed = await messages.fault(hang(), idle_s=0.2)
    assert failed.error.message == "The model was silent for 0.2 s."
    assert failed.retry_after_s is not None


async def test_the_next_key(messages: Messenger) -> None:
    """A key whose credit is used up leaves the call to another one, and no key shows."""
    keys = [{"name": name, "key": f"sk-ant-{name}-secret"} for name in ("a", "b")]
    there = Provider.model_validate({"base_url": messages.url, "keys": keys})
    failed = await messages.fault(
        refusal(400, "invalid_request_error", f"{CREDIT} sk-ant-a-secret"), provider=there
    )
    requests = messages.ask.server.requests(messages.path)
    assert {each.headers["x-api-key"] for each in requests} == {each["key"] for each in keys}
    assert "secret" not in failed.error.message


async def test_redirects_are_refused(messages: Messenger) -> None:
    """A key goes nowhere that nobody has set."""
    step = fault(307, "moved", headers={"location": "http://127.0.0.1:9/"})
    failed = await messages.fault(step)
    assert (failed.error.type, failed.retry_after_s) == ("model-rejected", None)
    assert "set base_url" in failed.error.message


async def test_rate_limits_are_heeded(messages: Messenger) -> None:
    """What Anthropic says of a key's limit holds the next call back."""
    headers = {
        "anthropic-ratelimit-requests-limit": "1",
        "anthropic-ratelimit-requests-remaining": "0",
        "anthropic-ratelimit-requests-reset": "30",
    }
    limits = messages.ask.limits
    await messages.fault(refusal(429, "rate_limit_error", "Slow down.", headers), limits=limits)
    failed = await messages.fault(streamed(text("Hi.")), limits=limits)
    assert "is used up" in failed.error.message
    assert len(messages.bodies) == 1


async def test_an_answer_by_the_final_tool(messages: Messenger) -> None:
    """A server that holds no model to a schema gets the tool, whose call is the answer."""
    shape = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    got = await messages.answer(
        streamed(use("final_result", n=1), stop_reason="tool_use"),
        output=PinnedOutput(shape=shape, is_wrapped=False, retries=1),
    )
    assert (got.text, got.calls, got.finish_reason) == ('{"n": 1}', [], "stop")
    assert messages.bodies[0]["tools"][-1]["name"] == "final_result"

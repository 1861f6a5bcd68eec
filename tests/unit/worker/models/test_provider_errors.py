"""What each fault of a provider becomes: an error type, and whether and when to try again."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from fakes import Ending, Step, cut, drop, fault, hang, raw, raw_call, text
from outlast_local.demo_model.openai_wire import error, event
from outlast_worker.engine.records import ModelFault
from outlast_worker.models.faults import MALFORMED_ATTEMPTS
from outlast_worker.settings import Provider
from unit.worker.models.asking import Asker, given_up

# pydantic warns of things inside litellm; raised there, they would end a stream as faults.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")

RECORDED: dict[str, Any] = json.loads(
    (Path(__file__).parents[3] / "fixtures" / "provider-errors.json").read_text()
)
MEANINGS = {
    "openai_429_rate_limit": "model-unavailable",
    "openai_429_request_too_large": "context-too-long",
    "openai_429_insufficient_quota": "model-unavailable",
    "openai_500_server_error": "model-unavailable",
    "openai_503_overloaded": "model-unavailable",
    "openai_200_html_gateway": "model-unavailable",
    "openai_stream_cut": "model-malformed",
    "anthropic_529_overloaded": "model-unavailable",
    "anthropic_200_stream_overloaded": "model-unavailable",
    "anthropic_429_rate_limit": "model-unavailable",
    "anthropic_400_context": "context-too-long",
    "gemini_429_exhausted": "model-unavailable",
    "gemini_503_overloaded": "model-unavailable",
}
RETRY_AFTER_S = {"openai_429_rate_limit": 1.574, "anthropic_429_rate_limit": 7.0}
MODELS = {
    "openai": "openai/gpt-5.4-mini",
    "anthropic": "anthropic/claude-sonnet-4-5",
    "gemini": "gemini/gemini-2.5-flash",
}


def ways(entry: dict[str, Any]) -> list[bool]:
    return [True] if entry.get("stream") else [False, True]


def test_each_recorded_error_has_a_meaning() -> None:
    """An error added to the recorded ones gets a test."""
    assert MEANINGS.keys() == RECORDED.keys()


@pytest.mark.parametrize(
    ("name", "stream"),
    [
        pytest.param(name, stream, id=f"{name}-{'stream' if stream else 'plain'}")
        for name, entry in RECORDED.items()
        for stream in ways(entry)
    ],
)
async def test_recorded_error(ask: Asker, name: str, stream: bool) -> None:
    """A provider's recorded error has its type, and is retried if and only if that can help."""
    provider, entry = name.partition("_")[0], RECORDED[name]
    path = ask.server.play(f"/{name}/{stream}", entry)
    there = Provider(base_url=f"{ask.server.origin}{path}")
    outcome = await ask.fault(model=MODELS[provider], stream=stream, provider=there)
    assert outcome.error.type == MEANINGS[name]
    assert (outcome.retry_after_s is not None) == entry["retryable"]
    assert outcome.error.retryable == entry["retryable"]
    if name in RETRY_AFTER_S:
        assert outcome.retry_after_s == RETRY_AFTER_S[name]
    assert ask.server.count(path) == 1
    ask.server.forget(path)


def openai_error(message: str, code: str | None = None) -> dict[str, Any]:
    return error(message, type_="invalid_request_error", code=code)


STATUSES: list[Any] = [
    (401, openai_error("Incorrect API key provided: sk-1.", "invalid_api_key"), "model-auth"),
    (403, openai_error("You may not sample from this model."), "model-auth"),
    (404, openai_error("The model `x` does not exist", "model_not_found"), "model-not-found"),
    (400, openai_error("Unknown parameter: 'speed'."), "model-rejected"),
    (422, openai_error("Unprocessable."), "model-rejected"),
    (
        400,
        openai_error(
            "This model's maximum context length is 128000 tokens.", "context_length_exceeded"
        ),
        "context-too-long",
    ),
    (413, openai_error("Too large."), "context-too-long"),
    (
        400,
        openai_error("Your request was rejected by the safety system", "content_policy_violation"),
        "content-policy",
    ),
    (
        400,
        openai_error(
            "The response was filtered by the content management policy", "content_filter"
        ),
        "content-policy",
    ),
]


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize(("status", "body", "kind"), STATUSES)
async def test_final_error(
    ask: Asker, status: int, body: dict[str, Any], kind: str, stream: bool
) -> None:
    """What no second try can mend is final, and is not tried a second time."""
    outcome = await ask.fault(fault(status, body), stream=stream)
    assert (outcome.error.type, outcome.error.retryable) == (kind, False)
    assert outcome.retry_after_s is None
    assert ask.requests == 1


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 529])
@pytest.mark.parametrize("kind", ["server_error", "invalid_request_error"])
async def test_passing_error(ask: Asker, status: int, kind: str, stream: bool) -> None:
    """These statuses may pass, whatever the body calls them; the client itself asks once."""
    outcome = await ask.fault(fault(status, error("Not now.", type_=kind)), stream=stream)
    assert (outcome.error.type, outcome.error.retryable) == ("model-unavailable", True)
    assert outcome.retry_after_s is not None
    assert 0 < outcome.retry_after_s < 2
    assert ask.requests == 1


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0"}, None),
        ({"retry-after-ms": "2500", "retry-after": "1"}, 2.5),
        ({"retry-after-ms": "250"}, None),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
async def test_retry_after(
    ask: Asker, status: int, headers: dict[str, str], expected: float | None, stream: bool
) -> None:
    """A longer delay of the provider's counts, in milliseconds before seconds before a date."""
    outcome = await ask.fault(fault(status, headers=headers), stream=stream)
    assert outcome.retry_after_s is not None
    if expected is None:
        assert 0.4 <= outcome.retry_after_s <= 0.6, "as if nothing had been said"
    else:
        assert outcome.retry_after_s == expected


BROKEN: list[Any] = [
    ("dropped by a reset", drop(Ending.RESET)),
    ("dropped by a close", drop(Ending.CLOSE)),
    ("reset midway", cut(text("one two three four"), 2, Ending.RESET)),
    ("closed midway", cut(text("one two three four"), 2, Ending.CLOSE)),
]


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("step", [pytest.param(step, id=name) for name, step in BROKEN])
async def test_broken_connection(ask: Asker, step: Step, stream: bool) -> None:
    """A connection that breaks, before an answer or in it, may hold the next time."""
    outcome = await ask.fault(step, stream=stream)
    assert (outcome.error.type, outcome.error.retryable) == ("model-unavailable", True)
    assert outcome.retry_after_s is not None
    assert ask.requests == 1


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("provider", MODELS)
async def test_connection_refused(ask: Asker, provider: str, stream: bool) -> None:
    """A provider that is not there may come back."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound and not listening: it refuses
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        outcome = await ask.fault(
            model=MODELS[provider], stream=stream, provider=Provider(base_url=url)
        )
    assert outcome.error.type == "model-unavailable"
    assert outcome.retry_after_s is not None


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("provider", MODELS)
async def test_timeout(ask: Asker, provider: str, stream: bool) -> None:
    """A provider that does not answer in time is given up, and may be asked again."""
    path = ask.server.play(f"/hang/{provider}/{stream}", hang())
    outcome, _ = await given_up(
        ask,
        None,
        "timeout_s",
        path=path,
        model=MODELS[provider],
        stream=stream,
        provider=Provider(base_url=f"{ask.server.origin}{path}"),
    )
    assert outcome.error.type == "model-unavailable"
    assert "in time" in outcome.error.message
    assert outcome.retry_after_s is not None
    ask.server.forget(path)


JSON = {"content-type": "application/json"}
EMPTY = {"id": "1", "object": "chat.completion", "created": 1, "model": "x"}
ODD_ANSWERS: dict[str, Step] = {
    "html": fault(200, "<html><body>Please log in</body></html>"),
    "nothing": raw(b"", headers=JSON),
    "half": raw(b'{"id": "1", "choices": [{"index"', headers=JSON),
    "half a text": raw(b'{"id": "1', headers=JSON),
    "wrong escape": raw(b'{"id": "\\q"}', headers=JSON),
    "no choices": fault(200, EMPTY),
    "empty choices": fault(200, {**EMPTY, "choices": []}),
    "null choices": fault(200, {**EMPTY, "choices": None}),
    "no json object": raw(b'"hello"', headers=JSON),
}


@pytest.mark.parametrize("name", ODD_ANSWERS)
async def test_unreadable_answer(ask: Asker, name: str) -> None:
    """An answer that is none is malformed: tried again, but not for ever."""
    outcome = await ask.fault(ODD_ANSWERS[name])
    assert (outcome.error.type, outcome.error.retryable) == ("model-malformed", True)
    assert outcome.retry_after_s is not None
    last = await ask.fault(malformed=MALFORMED_ATTEMPTS - 1)
    assert (last.error.type, last.retry_after_s) == ("model-malformed", None)


HEAD = event(
    {
        **EMPTY,
        "object": "chat.completion.chunk",
        "choices": [{"index": 0, "delta": {"content": "Hel"}, "finish_reason": None}],
    }
)
ODD_STREAMS: dict[str, Step] = {
    "html": fault(200, "<html><body>Please log in</body></html>"),
    "nothing": raw(b""),
    "cut": cut(text("one two three four"), 2),
    "cut in arguments": cut(raw_call("refund", '{"cents": 100000}'), 3),
    "done without an end": raw(HEAD + b"data: [DONE]\n\n"),
    "done alone": raw(b"data: [DONE]\n\n"),
    "garbage": raw(HEAD + b"data: {not json}\n\n"),
    "garbage inside": raw(HEAD + b'data: {"id": "1" "object"}\n\n'),
    "an answer that is no stream": fault(200, {**EMPTY, "choices": []}),
}


@pytest.mark.parametrize("name", ODD_STREAMS)
async def test_unreadable_stream(ask: Asker, name: str) -> None:
    """A stream without its final event is malformed, however well its connection ended."""
    outcome = await ask.fault(ODD_STREAMS[name], stream=True)
    assert (outcome.error.type, outcome.error.retryable) == ("model-malformed", True)
    assert outcome.retry_after_s is not None
    assert ask.requests == 1 or ask.client == "litellm"  # which asks again without a stream


@pytest.mark.parametrize("before", [b"", HEAD], ids=["first", "after text"])
async def test_error_in_a_stream(ask: Asker, before: bytes) -> None:
    """An error that comes as a line of the stream is one, though the status was 200."""
    body = {"error": {"message": "The server had an error", "type": "server_error", "code": None}}
    line = b"data: " + json.dumps(body).encode() + b"\n\n"
    outcome = await ask.fault(raw(before + line), stream=True)
    assert outcome.error.type == "model-unavailable"
    assert outcome.retry_after_s is not None


async def test_broken_tool_call_of_groq(ask: Asker) -> None:
    """A server that reports the model's own broken tool call is asked again, not for ever."""
    step = fault(400, openai_error("Failed to call a function. Please adjust.", "tool_use_failed"))
    outcome = await ask.fault(step)
    assert (outcome.error.type, outcome.error.retryable) == ("model-malformed", True)
    assert outcome.retry_after_s is not None
    assert (await ask.fault(malformed=MALFORMED_ATTEMPTS - 1)).retry_after_s is None


async def test_delays_grow(ask: Asker) -> None:
    """Without a word from the provider the delays grow, and stay bearable."""
    ask.server.script(ask.key, [fault(503)])
    delays = [(await ask.fault(attempt=attempt)).retry_after_s or 0 for attempt in (1, 3, 30)]
    assert 0.4 <= delays[0] <= 0.6
    assert 1.6 <= delays[1] <= 2.4
    assert 24 <= delays[2] <= 36


async def test_unknown_provider(ask: Asker) -> None:
    """A model string of a provider that nobody knows is final and says so."""
    outcome = await ask.fault(model="nobody/x")
    assert outcome.retry_after_s is None
    assert outcome.error.type == "model-rejected"
    assert "nobody/x" in outcome.error.message


async def test_times(ask: Asker) -> None:
    """A fault says when its call began and ended."""
    outcome: ModelFault = await ask.fault(fault(500))
    assert outcome.started_at <= outcome.ended_at

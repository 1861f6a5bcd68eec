"""Rate limits are read from what providers say, and respected before they are hit."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fakes import Single, attempts, fault, text
from fakes.script import Play
from outlast_worker.engine.records import ModelFault, ModelRecord
from outlast_worker.models.rate_limits import RateLimits
from outlast_worker.settings import Provider
from unit.worker.models.asking import Asker

# pydantic warns of things inside litellm; raised there, they would end a stream as faults.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def waits(headers: dict[str, str], *, tokens: int = 1000, after_s: float = 0) -> float:
    clock = Clock()
    limits = RateLimits(clock)
    limits.note_headers("key", headers)
    clock.now_s += after_s
    assert limits.wait_s("other key", lambda: tokens) == 0
    return limits.wait_s("key", lambda: tokens)


def of_openai(**said: str) -> dict[str, str]:
    return {f"x-ratelimit-{name.replace('_', '-')}": value for name, value in said.items()}


def test_requests_that_are_filled_up() -> None:
    """OpenAI and Groq say when all is there again; the next request is possible before that."""
    said = of_openai(limit_requests="60", remaining_requests="0", reset_requests="1m0s")
    assert waits(said) == pytest.approx(1)
    assert waits(said, after_s=0.5) == pytest.approx(0.5)
    assert waits(said, after_s=2) == 0


def test_tokens() -> None:
    """A call waits until there are as many as it needs, and no longer."""
    said = of_openai(limit_tokens="6000", remaining_tokens="400", reset_tokens="56s")
    assert waits(said, tokens=400) == 0
    assert waits(said, tokens=500) == pytest.approx(1)
    assert waits(said, tokens=7000) == 0  # the provider says better that it is too large


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [
        ("20s", 20),
        ("250ms", 0.25),
        ("0.5", 0.5),
        ("7.66s", 7.66),
        ("1m2.5s", 60),
        ("6m0s", 60),
        ("1h0m0s", 60),
        ("86400", 60),
        ("soon", 0),
        ("", 0),
        ("-5", 0),
        ("nan", 0),
        ("1e400", 0),
    ],
)
def test_times(reset: str, seconds: float) -> None:
    """Each form of a time is read; what is foretold counts for a minute at most."""
    said = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}
    assert waits(said) == pytest.approx(seconds)


@pytest.mark.parametrize("unit_s", [1, 1000])
def test_points_in_time(unit_s: int) -> None:
    """OpenRouter counts from 1970, Anthropic gives a date."""
    at = datetime.now(UTC) + timedelta(seconds=20)
    counted = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(at.timestamp() * unit_s))}
    assert waits(counted) == pytest.approx(20, abs=1.5)
    dated = {
        "anthropic-ratelimit-input-tokens-limit": "10000",
        "anthropic-ratelimit-input-tokens-remaining": "0",
        "anthropic-ratelimit-input-tokens-reset": at.isoformat().replace("+00:00", "Z"),
    }
    assert waits(dated, tokens=5000) == pytest.approx(10, abs=1)


@pytest.mark.parametrize(
    "said",
    [
        of_openai(remaining_requests="0"),
        of_openai(reset_requests="20s"),
        of_openai(remaining_requests="many", reset_requests="20s"),
        {"x-ratelimit-remaining-reset": "0"},
        {"ratelimit": "limit=5"},
        {},
    ],
)
def test_what_says_too_little(said: dict[str, str]) -> None:
    """It holds nothing back."""
    assert waits(said) == 0


def test_a_refusal() -> None:
    """A key that was refused rests for as long as its provider says, for an hour at most."""
    clock = Clock()
    limits = RateLimits(clock)
    limits.note_refusal("key", 90)
    assert limits.wait_s("key", lambda: 1) == 90
    clock.now_s += 91
    assert limits.wait_s("key", lambda: 1) == 0
    limits.note_refusal("key", 1e6)
    assert limits.wait_s("key", lambda: 1) == 3600


def test_it_does_not_grow() -> None:
    """Of very many keys and models the oldest are forgotten."""
    limits = RateLimits(Clock())
    for number in range(1500):
        limits.note_refusal(number, 60)
    assert limits.wait_s(0, lambda: 1) == 0
    assert limits.wait_s(1499, lambda: 1) == 60


# Through the client.

USED_UP = of_openai(limit_requests="1", remaining_requests="0", reset_requests="30s")


def saying(content: str, headers: dict[str, str]) -> Single:
    """Answer with a text and headers."""
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": "stop"}
    event = {"id": "1", "object": "chat.completion.chunk", "model": "x", "choices": [choice]}
    body = f"data: {json.dumps(event)}\n\ndata: [DONE]\n\n".encode()
    return Play(body, headers={"content-type": "text/event-stream", **headers})


def keys(ask: Asker, *names: str) -> dict[str, Any]:
    named = [{"name": name, "key": f"secret-{name}"} for name in names]
    provider = Provider.model_validate({"base_url": ask.server.url, "keys": named})
    return {"provider": provider, "limits": ask.limits}


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
async def test_a_key_without_room(ask: Asker, stream: bool) -> None:
    """The call after the last one is not made: the run waits, and the worker is free meanwhile."""
    said = saying("Hi.", USED_UP)
    await ask.answer(said, **keys(ask, "a"), stream=stream)
    outcome = await ask.fault(**keys(ask, "a"), stream=stream)
    assert ask.requests == 1
    assert outcome.error.type == "model-unavailable"
    assert outcome.retry_after_s is not None
    assert 29 < outcome.retry_after_s < 37
    assert "secret" not in outcome.model_dump_json()


async def test_another_key_meanwhile(ask: Asker) -> None:
    """Keys that have room are used, and the one that has none is left alone."""
    refused = fault(429, headers={"retry-after": "30"})
    await ask.answer(attempts(refused, text("Hi."), text("Ho.")), **keys(ask, "a", "b"))
    got = await ask(**keys(ask, "a", "b"))
    assert isinstance(got, ModelRecord)
    assert got.text == "Ho."
    used = [request.headers["authorization"] for request in ask.server.requests(ask.key)]
    assert len(used) == 3
    assert used[2] == used[1] != used[0]


async def test_a_short_wait(ask: Asker) -> None:
    """What is over in a moment is waited for at once."""
    soon = of_openai(limit_requests="1", remaining_requests="0", reset_requests="200ms")
    await ask.answer(attempts(saying("Hi.", soon), text("Ho.")), **keys(ask, "a"))
    begun = asyncio.get_running_loop().time()
    assert isinstance(await ask(**keys(ask, "a")), ModelRecord)
    assert asyncio.get_running_loop().time() - begun >= 0.15


async def test_other_models_of_the_key(ask: Asker) -> None:
    """Providers count by model: another one is not held back."""
    await ask.answer(attempts(saying("Hi.", USED_UP), text("Ho.")), **keys(ask, "a"))
    assert isinstance(await ask(model="openai/y", **keys(ask, "a")), ModelRecord)


async def test_a_refusal_that_is_foretold_is_no_new_one(ask: Asker) -> None:
    """Asking again and again does not put off the time at which the key is free."""
    refused: Single = fault(429, headers={"retry-after": "30"})
    first = await ask.fault(refused, **keys(ask, "a"))
    outcomes = [await ask(**keys(ask, "a")) for _ in range(5)]
    assert ask.requests == 1
    waits_s = [each.retry_after_s for each in outcomes if isinstance(each, ModelFault)]
    assert first.retry_after_s == 30
    assert all(wait_s is not None and wait_s <= 36 for wait_s in waits_s)
    assert len(waits_s) == 5

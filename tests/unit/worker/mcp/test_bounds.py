"""What a server may say: so fast, so much at once, and nothing that is packed."""

import gzip
from collections.abc import AsyncIterator

import httpx2
import pytest
import structlog

from outlast_worker.mcp import http, meter
from outlast_worker.mcp.http import bounded_by
from outlast_worker.mcp.meter import Meter
from outlast_worker.mcp.said import Said

LIMIT = meter.MAX_MESSAGE_BYTES


class Time:
    """Goes on as somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    async def sleep(self, seconds: float) -> None:
        self.now += seconds

    def read(self) -> float:
        return self.now


async def test_the_meter() -> None:
    """A burst passes at once; from then on bytes and messages take their time."""
    time = Time()
    taking = Meter(time.sleep, time.read)
    await taking.take(LIMIT)
    assert time.now == 0
    for _ in range(10):
        await taking.take(LIMIT)
    large = time.now
    assert 30 < large < 60
    for _ in range(1_000):
        await taking.take(10)
    assert 1 < time.now - large < 5


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MAX_MESSAGE_BYTES", 1_000)


async def read(answer: bytes, **headers: str) -> bytes:
    """Read an answer that comes in pieces."""

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(answer), 100):
            yield answer[at : at + 100]

    def serve(_: httpx2.Request) -> httpx2.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx2.Response(200, content=pieces(), headers=named)

    hooks = {"response": [bounded_by(Meter())]}
    transport = httpx2.MockTransport(serve)
    async with (
        httpx2.AsyncClient(transport=transport, event_hooks=hooks) as client,
        client.stream("GET", "http://mcp.test") as response,
    ):
        return await response.aread()


async def test_answers() -> None:
    assert await read(b"x" * 1_000) == b"x" * 1_000
    with pytest.raises(httpx2.StreamError, match="more than 1000 bytes"):
        await read(b"x" * 1_001)
    with pytest.raises(httpx2.StreamError, match="compressed"):
        await read(gzip.compress(b"x" * 9_999_999), content_encoding="gzip")


async def test_events() -> None:
    """A stream of them may be of any length: the library bounds each."""
    said = b"data: x\n\n" * 1_000
    assert await read(said, content_type="text/event-stream") == said


def test_what_is_logged() -> None:
    """Whole lines, however they come; of too many some, and how many were left out."""
    now = 0.0
    said = Said("crm", {"TOKEN": "t0ken-4711"}, lambda: now)
    with structlog.testing.capture_logs() as logs:
        said.hear(b"one\ntw")
        said.hear(b"o t0ken-4711\n\n" + b"x" * 600)
        for _ in range(100):
            said.hear(b"more\n")
        now = 10.0
        said.hear(b"last\n")
    texts = [entry["text"] for entry in logs]
    assert texts[:3] == ["one", "two ***", "x" * 500]
    assert texts[-1] == "last"
    assert len(texts) == 51
    assert logs[-1]["left_out"] == 53

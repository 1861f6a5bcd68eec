"""A run's events in the wire format of server-sent events."""

import asyncio
import json

import pytest

from outlast.live import Delta, write_line
from outlast_app import sse as streams
from outlast_app.closing import Closing
from outlast_app.runs.feed import ShownEvent
from outlast_app.sse import sse

COMMITTED = ShownEvent("run.started", b'{"seq":1}', 1)
SOON_S = 20


def delta(text: str) -> ShownEvent:
    return ShownEvent("message.delta", write_line("r", Delta("text", 1, 1, 0, text)))


class Told:
    """Events that come in these heaps; then there are no more, or there is silence."""

    def __init__(self, *heaps: list[ShownEvent], silent: bool = False) -> None:
        self._heaps = list(heaps)
        self._silent = silent

    async def next(self) -> list[ShownEvent]:
        if not self._heaps and self._silent:
            await asyncio.sleep(3600)
        return self._heaps.pop(0) if self._heaps else []


async def written(*heaps: list[ShownEvent]) -> list[bytes]:
    return [part async for part in sse(Told(*heaps), Closing())]


async def test_committed_events_have_an_id():
    """Only a committed event has an id, since only there a client can go on."""
    stream = b"".join(await written([COMMITTED, delta("a")])).decode()
    assert stream.count("id: ") == 1
    assert 'event: run.started\ndata: {"seq":1}\nid: 1\n\n' in stream
    assert "event: message.delta\n" in stream
    assert stream.startswith("retry: 1000\n\n")


@pytest.mark.parametrize("odd", ["\u2028", "\u2029", "\x85", "\n", "\r\n"])
async def test_one_line_for_each_event(odd: str):
    """Whatever some client takes for the end of a line does not end a field."""
    stream = b"".join(await written([delta(f"ä{odd}after")])).decode()
    [data] = [line for line in stream.splitlines() if line.startswith("data: ")]
    assert json.loads(data.removeprefix("data: "))["text"] == f"ä{odd}after"


async def test_little_at_once():
    """A client that does not read lets little wait here, however much there is for it."""
    heap = [delta("x" * 10_000) for _ in range(100)]
    parts = await written(heap)
    assert len(parts) > 10
    assert max(map(len, parts)) < 100_000
    assert b"".join(parts).count(b"event: ") == 100


async def test_silence(monkeypatch: pytest.MonkeyPatch):
    """While nothing happens, comments keep proxies and clients from giving up."""
    monkeypatch.setattr(streams, "PING_S", 0.01)
    stream = sse(Told([COMMITTED], silent=True), Closing())
    parts = [await anext(stream) for _ in range(4)]
    assert [part.startswith(b":") for part in parts[2:]] == [True, True]


@pytest.mark.parametrize("heaps", [[], [[COMMITTED]]])
async def test_end_of_the_process(heaps: list[list[ShownEvent]]):
    """A stream ends soon after the process was told to end, without an error."""
    closing = Closing()
    asyncio.get_running_loop().call_later(0.05, closing.begin)
    async with asyncio.timeout(SOON_S):
        parts = [part async for part in sse(Told(*heaps, silent=True), closing)]
    assert len(parts) == 1 + len(heaps)

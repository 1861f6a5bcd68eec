"""A run's events in the wire format of server-sent events."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from outlast.events import AnyEvent, AnyLiveEvent, MessageDelta, RunStarted
from outlast_app import sse as streams
from outlast_app.closing import Closing
from outlast_app.sse import sse

COMMITTED = RunStarted(run_id="r", seq=1)


def delta(text: str) -> MessageDelta:
    return MessageDelta(run_id="r", turn=1, attempt=1, n=0, text=text)


async def events(*each: AnyEvent | AnyLiveEvent) -> AsyncIterator[AnyEvent | AnyLiveEvent]:
    for event in each:
        yield event


async def written(*each: AnyEvent | AnyLiveEvent) -> str:
    return b"".join([part async for part in sse(events(*each), Closing())]).decode()


async def test_committed_events_have_an_id():
    """Only a committed event has an id, since only there a client can go on."""
    stream = await written(COMMITTED, delta("a"))
    assert stream.count("id: ") == 1
    assert "event: run.started\n" in stream
    assert "event: message.delta\n" in stream
    assert stream.startswith("retry: 1000")


@pytest.mark.parametrize("odd", ["\u2028", "\u2029", "\x85", "\n", "\r\n"])
async def test_one_line_for_each_event(odd: str):
    """Whatever some client takes for the end of a line does not end a field."""
    stream = await written(delta(f"before{odd}after"))
    [data] = [line for line in stream.splitlines() if line.startswith("data: ")]
    assert MessageDelta.model_validate_json(data.removeprefix("data: ")).text == (
        f"before{odd}after"
    )


async def test_silence(monkeypatch: pytest.MonkeyPatch):
    """While nothing happens, comments keep proxies and clients from giving up."""
    monkeypatch.setattr(streams, "PING_S", 0.01)

    async def silent() -> AsyncIterator[AnyEvent]:
        yield COMMITTED
        await asyncio.sleep(3600)

    stream = sse(silent(), Closing())
    parts = [await anext(stream) for _ in range(4)]
    assert [part.startswith(b":") for part in parts[2:]] == [True, True]
    await stream.aclose()  # pyright: ignore[reportAttributeAccessIssue]  # it is a generator


async def test_end_of_the_process():
    """A stream ends soon after the process was told to end, without an error."""
    closing = Closing()

    async def silent() -> AsyncIterator[AnyEvent]:
        yield COMMITTED
        await asyncio.sleep(3600)

    parts: list[bytes] = []
    async with asyncio.timeout(5):
        async for part in sse(silent(), closing):
            parts.append(part)
            if len(parts) == 2:
                closing.begin()
    assert len(parts) == 2

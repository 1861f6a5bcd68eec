"""Answers that stream: what an encoder makes of a run's items, as server-sent events."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from fastapi.responses import StreamingResponse
from pydantic_core import to_json
from starlette.types import Receive, Scope, Send

from outlast.names import RunRef
from outlast_app.closing import Closing
from outlast_app.facades.items import Encoder, Item
from outlast_app.facades.positions import Mark
from outlast_app.facades.reader import SegmentReader
from outlast_app.facades.requests import Asked
from outlast_app.sse import MEDIA_TYPE, PING_S, STREAM_HEADERS, on_one_line

_PING = b": ping\n\n"


class Patience(NamedTuple):
    """How long a stream goes on in which nothing happens, while that is asked for."""

    limit_s: float
    is_needed: Callable[[], bool]


def frame(data: Mapping[str, Any] | str, event: str | None = None) -> bytes:
    """Write one event: JSON on one line, in which nobody sees the end of a line."""
    text = data.encode() if isinstance(data, str) else on_one_line(to_json(data))
    name = b"event: %s\n" % event.encode() if event else b""
    return b"%sdata: %s\n\n" % (name, text)


async def encoded(
    reader: SegmentReader,
    encoder: Encoder,
    closing: Closing,
    patience: Patience | None = None,
) -> AsyncIterator[bytes]:
    """Yield what an encoder says of a run, to the end of its segment; a comment when it is silent.

    The stream ends with the process, too: then, when nothing follows, and when the patience is
    over, `Encoder.end` has the last word.
    """
    loop = asyncio.get_running_loop()
    heard_at = loop.time()
    while not encoder.is_over:
        try:
            async with closing.timeout(PING_S):
                items = await reader.next()
        except TimeoutError:
            silent_s = loop.time() - heard_at
            if closing.begun or (
                patience and patience.is_needed() and silent_s >= patience.limit_s
            ):
                break
            yield _PING
            continue
        if not items:
            break
        heard_at = loop.time()
        # One part for all that came at once.
        part = b"".join(_said(encoder, items))
        if part:
            yield part
    if last := b"".join(encoder.end()):
        yield last


async def read_whole(asked: Asked, ref: RunRef, encoder: Encoder, wait_s: float) -> bool:
    """Have an encoder hear a run to the end of its segment; False if that takes longer."""
    with _reader(asked, ref, encoder) as reader:
        try:
            async with asked.deps.closing.timeout(wait_s):
                while not encoder.is_over and (items := await reader.next()):
                    for _ in _said(encoder, items):
                        pass
        except TimeoutError:
            return encoder.is_over
    return encoder.is_over


def _reader(asked: Asked, ref: RunRef, encoder: Encoder, mark: Mark | None = None) -> SegmentReader:
    called = asked.called_runs() if encoder.shows_called else None
    return SegmentReader(asked.deps.events.follow(ref), mark, called)


def _said(encoder: Encoder, items: Iterable[Item]) -> Iterator[bytes]:
    """Yield what an encoder says of items, and nothing after its last word."""
    for item in items:
        if encoder.is_over:
            return
        yield from encoder.take(item)


class RunStream(StreamingResponse):
    """The answer that carries a run to a client of another protocol."""

    media_type = MEDIA_TYPE

    def __init__(
        self,
        asked: Asked,
        ref: RunRef,
        encoder: Encoder,
        headers: Mapping[str, str],
        *,
        mark: Mark | None = None,
        first: bytes = b"",
        patience: Patience | None = None,
    ) -> None:
        """Follow a run that is known to be there.

        Args:
            asked: The request.
            ref: The run.
            encoder: Says what the client hears.
            headers: Of the answer.
            mark: Within the text of which turn the client goes on, if it does there.
            first: Sent at once, before anything is known of the run.
            patience: How long the run may stand still; for ever without it.

        Raises:
            KeyLimit: The key has as many streams open as it may.
        """
        asked.hold_stream()
        self._reader = _reader(asked, ref, encoder, mark)
        self._first = first
        parts = self._parts(encoded(self._reader, encoder, asked.deps.closing, patience))
        super().__init__(parts, headers={**STREAM_HEADERS, **headers})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send them until there are no more, or the client leaves."""
        with self._reader:
            await super().__call__(scope, receive, send)

    async def _parts(self, parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        if self._first:
            yield self._first
        async for part in parts:
            yield part

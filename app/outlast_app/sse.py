"""The wire format of server-sent events."""

import re
from collections.abc import AsyncIterator, Mapping
from typing import Protocol

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from outlast_app.closing import Closing
from outlast_app.runs.feed import ShownEvent
from outlast_app.runs.follow import Following
from outlast_app.runs.follow_joined import JoinedFollowing

MEDIA_TYPE = "text/event-stream"
STREAM_HEADERS = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}
PING_S = 15.0
_PING = b": ping\n\n"
_RETRY = b"retry: 1000\n\n"
# How much may wait for a client that reads slowly, beside what the server itself lets wait.
_PART_BYTES = 64 * 1024
# What some clients take for the end of a line (U+0085, U+2028, U+2029), in UTF-8.
_LINE_ENDS = re.compile(rb"\xc2\x85|\xe2\x80[\xa8\xa9]")


class Events(Protocol):
    """Where the events of a stream come from."""

    async def next(self) -> list[ShownEvent]:
        """Return what is new, as soon as there is something; nothing at the end."""
        ...


class EventStream(StreamingResponse):
    """The answer that carries events."""

    media_type = MEDIA_TYPE

    def __init__(
        self,
        following: Following | JoinedFollowing,
        closing: Closing,
        headers: Mapping[str, str] | None = None,
        status_code: int = 200,  # FastAPI looks for the default here
    ) -> None:
        self._following = following
        parts = sse(following, closing)
        super().__init__(parts, status_code, headers={**STREAM_HEADERS, **(headers or {})})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send them until there are no more, or the client leaves."""
        with self._following:
            await super().__call__(scope, receive, send)


async def sse(events: Events, closing: Closing) -> AsyncIterator[bytes]:
    """Write events in the wire format, with a comment whenever nothing was sent for a while.

    The stream ends with the process, too: the client goes on at another one.
    """
    yield _RETRY
    while True:
        try:
            async with closing.timeout(PING_S):
                new = await events.next()
        except TimeoutError:
            if closing.begun:
                return
            yield _PING
            continue
        if not new:
            return
        part = b""
        for event in new:
            part += _frame(event)
            if len(part) >= _PART_BYTES:
                yield part
                part = b""
        if part:
            yield part


def _frame(event: ShownEvent) -> bytes:
    data = on_one_line(event.data)
    position = event.position or ("" if event.seq is None else str(event.seq))
    number = b"id: %s\n" % position.encode() if position else b""
    return b"event: %s\ndata: %s\n%s\n" % (event.type.encode(), data, number)


def on_one_line(data: bytes) -> bytes:
    """Return JSON in which nobody sees the end of a line."""
    return data if data.isascii() else _LINE_ENDS.sub(_escape, data)


def _escape(found: re.Match[bytes]) -> bytes:
    """Write a character as JSON can, too, which has it inside of texts only."""
    return b"\\u%04x" % ord(found[0].decode())

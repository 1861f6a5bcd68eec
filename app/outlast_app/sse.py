"""The wire format of server-sent events."""

import asyncio
import re
from collections.abc import AsyncIterator

from fastapi.responses import StreamingResponse
from fastapi.sse import format_sse_event

from outlast.events import AnyLiveEvent, Event, ReadEvent
from outlast_app.closing import Closing

MEDIA_TYPE = "text/event-stream"
HEADERS = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}
PING_S = 15.0
_RECONNECT_MS = 1000
_LINE_ENDS = re.compile("[\x85\u2028\u2029]")


class EventStream(StreamingResponse):
    """The answer that carries events."""

    media_type = MEDIA_TYPE


async def sse(
    events: AsyncIterator[ReadEvent | AnyLiveEvent], closing: Closing
) -> AsyncIterator[bytes]:
    """Write events in the wire format, with a comment whenever nothing was sent for a while.

    The stream ends with the process, too: the client goes on at another one.
    """
    yield format_sse_event(retry=_RECONNECT_MS)
    pending = asyncio.ensure_future(anext(events, None))
    try:
        while True:
            try:
                async with closing.timeout(PING_S):
                    await asyncio.wait([pending])
            except TimeoutError:
                if closing.begun:
                    return
                yield format_sse_event(comment="ping")
                continue
            event = pending.result()
            if event is None:
                return
            yield format_sse_event(
                event=event.type,
                id=str(event.seq) if isinstance(event, Event) else None,
                data_str=_on_one_line(event.model_dump_json()),
            )
            pending = asyncio.ensure_future(anext(events, None))
    finally:
        pending.cancel()


def _on_one_line(text: str) -> str:
    """Escape what some clients take for the end of a line; JSON has it inside of texts only."""
    return text if text.isascii() else _LINE_ENDS.sub(lambda m: f"\\u{ord(m[0]):04x}", text)

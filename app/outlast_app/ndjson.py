"""Events as lines of JSON, for programs that read files: `application/x-ndjson`."""

from collections.abc import AsyncGenerator, AsyncIterable, Sequence

from fastapi.responses import StreamingResponse

from outlast_app.runs.feed import ShownEvent
from outlast_app.sse import on_one_line

MEDIA_TYPE = "application/x-ndjson"


class EventLines(StreamingResponse):
    """The answer that carries events, one a line."""

    media_type = MEDIA_TYPE

    def __init__(self, events: AsyncIterable[Sequence[ShownEvent]]) -> None:
        super().__init__(_lines(events))


async def _lines(events: AsyncIterable[Sequence[ShownEvent]]) -> AsyncGenerator[bytes]:
    async for some in events:
        yield b"".join(on_one_line(event.data) + b"\n" for event in some)

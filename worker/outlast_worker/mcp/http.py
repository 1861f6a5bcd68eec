"""Answers of servers over HTTP, bounded: the library bounds single events, and nothing else."""

from collections.abc import AsyncIterator, Awaitable, Callable

from httpx2 import AsyncByteStream, Response, StreamError, SyncByteStream

from outlast_worker.mcp.meter import MAX_MESSAGE_BYTES, Meter

UNCOMPRESSED = {"Accept-Encoding": "identity"}
"""Sent with each request: what is compressed may be of any size."""


def bounded_by(meter: Meter) -> Callable[[Response], Awaitable[None]]:
    """Return what is done with each answer before it is read."""

    async def bound(response: Response) -> None:
        response.stream = _Bounded(response, response.stream, meter)

    return bound


class _Bounded(AsyncByteStream):
    def __init__(
        self, response: Response, stream: AsyncByteStream | SyncByteStream, meter: Meter
    ) -> None:
        if not isinstance(stream, AsyncByteStream):
            raise TypeError("answers are read asynchronously")
        self._stream = stream
        self._meter = meter
        self._is_compressed = response.headers.get("content-encoding", "identity") != "identity"
        content_type = response.headers.get("content-type", "").lower()
        self._has_events = content_type.startswith("text/event-stream")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield what comes, no faster and no more than may be."""
        if self._is_compressed:
            raise StreamError("the answer is compressed, which nobody asked for")
        size = 0
        async for chunk in self._stream:
            size += len(chunk)
            if size > MAX_MESSAGE_BYTES and not self._has_events:
                raise StreamError(f"the answer has more than {MAX_MESSAGE_BYTES} bytes")
            await self._meter.take(len(chunk), chunk.count(b"data:") if self._has_events else 1)
            yield chunk

    async def aclose(self) -> None:
        """Read no more."""
        await self._stream.aclose()

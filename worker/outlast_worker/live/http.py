"""Serves live events to the app: the embedded channel, for one worker."""

import asyncio
import hmac
from urllib.parse import unquote

from outlast.live import STREAMS_PATH, write_line
from outlast_worker.asgi import Receive, Scope, Send, answer
from outlast_worker.live.hub import LiveHub, Watcher

_PING_S = 15.0
_LOOPBACK = ("127.0.0.1", "::1")


class LiveStreams:
    """Answers `GET /streams/<key>` with JSON lines for as long as somebody reads them."""

    def __init__(self, hub: LiveHub, secret: str | None) -> None:
        self._hub = hub
        self._secret = secret
        self._open: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one watcher."""
        if not self._may_read(scope):
            return await answer(receive, send, 401, b"STREAM_SECRET is missing or wrong")
        key = unquote(scope["path"].removeprefix(f"{STREAMS_PATH}/"))
        run_id = key.partition("/")[2]
        headers = [(b"content-type", b"application/x-ndjson"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        with self._hub.watch(key) as watcher:
            writing = asyncio.create_task(_write(watcher, run_id, send))
            leaving = asyncio.create_task(_wait_until_left(receive))
            self._open.add(writing)
            while not await _any_of(writing, leaving, timeout_s=_PING_S):
                watcher.woken.set()
            self._open.discard(writing)
            writing.cancel()
            leaving.cancel()
            await asyncio.wait([writing, leaving])
        return await send({"type": "http.response.body", "body": b"", "more_body": False})

    def end(self) -> None:
        """End all answers: the process is about to stop."""
        for writing in self._open:
            writing.cancel()

    def _may_read(self, scope: Scope) -> bool:
        if self._secret is None:
            return (scope["client"] or [None])[0] in _LOOPBACK
        given = dict(scope["headers"]).get(b"authorization", b"")
        return hmac.compare_digest(given, f"Bearer {self._secret}".encode())


async def _write(watcher: Watcher, run_id: str, send: Send) -> None:
    """Write what is new, line by line; an empty line where the watcher was woken for nothing."""
    lines = b"\n"
    while True:
        await send({"type": "http.response.body", "body": lines, "more_body": True})
        items = await watcher.next()
        lines = b"".join(write_line(run_id, item) + b"\n" for item in items) or b"\n"


async def _any_of(*awaited: asyncio.Task[None], timeout_s: float) -> bool:
    """Wait for the first of these; False if none is done in time."""
    done, _ = await asyncio.wait(awaited, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    return bool(done)


async def _wait_until_left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass

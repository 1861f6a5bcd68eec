"""How responses end under hypercorn, so that no connection breaks with all the runs on it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from outlast.logging import get_logger

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
_logger = get_logger()


def end_after_input(receive: Receive, send: Send) -> tuple[Receive, Send]:
    """Let a response end only when its request has ended.

    hypercorn forgets a stream whose response has ended. More input for it breaks the whole
    connection, with all the runs on it. The SDK waits as well, but no longer once the process
    is to stop.
    """
    ended = asyncio.Event()

    async def hear() -> dict[str, Any]:
        event = await receive()
        if event["type"] != "http.request" or not event.get("more_body"):
            ended.set()
        return event

    async def say(message: dict[str, Any]) -> None:
        if message["type"] != "http.response.body" or message.get("more_body"):
            return await send(message)
        await ended.wait()
        try:
            await send(message)
        except RuntimeError as error:
            # hypercorn closes the connection and can't wait for its next request any more.
            _logger.debug("connection_closed", reason=str(error))

    return hear, say


async def answer(receive: Receive, send: Send, status: int, body: bytes) -> None:
    """Answer, and end only when the request has ended, as above."""
    kind = b"application/json" if body.startswith(b"{") else b"text/plain; charset=utf-8"
    headers = [(b"content-type", kind)]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": True})
    while (event := await receive())["type"] == "http.request" and event.get("more_body"):
        pass
    await send({"type": "http.response.body", "body": b"", "more_body": False})

"""A server that answers with raw bytes, as `tests/fixtures/model-quirks.json` has them."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

_OK = json.dumps(
    {
        "id": "c9",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "x",
        "choices": [{"index": 0, "delta": {"content": "ok"}, "finish_reason": "stop"}],
    }
)
_LATER = (
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
    f"data: {_OK}\n\ndata: [DONE]\n\n"
)


@dataclass
class RawServer:
    """Answers the first turn of a conversation with raw bytes, and later ones with `ok`.

    `answers[i]` is for the i-th request, the last one for all after that: texts in latin-1, pauses
    (`pause_s`), or the end of the connection (`cut`).
    """

    answers: Sequence[Sequence[Any]]
    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """Of the requests of the first turn."""
    later_bodies: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    @asynccontextmanager
    async def serving(self) -> AsyncGenerator[None]:
        """Serve on a free port of loopback."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        async with server:
            yield

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            body = await _read_body(reader)
            await _send(writer, self._answer(body))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client went away
        finally:
            writer.close()

    def _answer(self, body: dict[str, Any]) -> Sequence[Any]:
        if any(message["role"] == "assistant" for message in body["messages"]):
            self.later_bodies.append(body)
            return [_LATER]
        self.bodies.append(body)
        return self.answers[min(len(self.bodies), len(self.answers)) - 1]


async def _read_body(reader: asyncio.StreamReader) -> dict[str, Any]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    size = int(head.partition("content-length:")[2].split("\r\n")[0])
    return json.loads(await reader.readexactly(size))


async def _send(writer: asyncio.StreamWriter, answer: Sequence[Any]) -> None:
    for part in answer:
        match part:
            case str():
                # The connection ends with the answer: said, so that no client reuses it.
                head = part.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n", 1)
                writer.write((head if part.startswith("HTTP/") else part).encode("latin-1"))
                await writer.drain()
            case {"pause_s": pause_s}:
                await asyncio.sleep(pause_s)
            case _:  # cut
                return

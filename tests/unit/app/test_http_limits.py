"""What a connection may ask for: sockets against the real server, in this process."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from outlast import Agent
from outlast.registry import Registry
from outlast_app.closing import Closing
from outlast_app.http_limits import LimitedHttp
from outlast_app.main import create_app
from outlast_app.server import GuestServer
from outlast_app.settings import AppSettings

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
START = (
    b"POST /agents/support/runs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
)
PATIENCE_S = 0.3
# Patience that a trickle renewed would last for minutes; a busy machine takes seconds.
ENDED_S = 30


class Caller:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    def send(self, data: bytes) -> None:
        """Send beside the reading, as much as the server takes."""
        self._writer.write(data)

    async def answer(self) -> tuple[int, Any]:
        """Return the next answer's status and document."""
        async with asyncio.timeout(ENDED_S):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
            return int(head.split()[1]), json.loads(await self._reader.readexactly(length))

    async def ended(self) -> bool:
        """Wait for the end of the connection; tell whether nothing more was sent before."""
        async with asyncio.timeout(ENDED_S):
            try:
                return await self._reader.read() == b""
            except ConnectionError:
                return True

    def close(self) -> None:
        self._writer.close()


class Server:
    """The app's server, on a port of its own."""

    def __init__(self, port: int, keep_alive_s: int) -> None:
        self._port = port
        self.keep_alive_s = keep_alive_s
        self._callers: list[Caller] = []

    async def call(self, *pieces: bytes) -> Caller:
        connection = await asyncio.open_connection("127.0.0.1", self._port, limit=2**20)
        self._callers.append(caller := Caller(*connection))
        for piece in pieces:
            caller.send(piece)
        return caller

    def close(self) -> None:
        for caller in self._callers:
            caller.close()


@pytest.fixture
async def server(nobody: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    monkeypatch.setenv("AGENTS", "none")
    monkeypatch.setenv("RESTATE_INGRESS_URL", nobody)
    monkeypatch.setattr(LimitedHttp, "patience_s", PATIENCE_S)
    monkeypatch.setattr(LimitedHttp, "linger_s", 0.5)
    registry = Registry([Agent(name="support", instructions="Help.")], "openai/x")
    app = create_app(AppSettings(), registry)
    serving = GuestServer(app, Closing())
    listening = socket.create_server(("127.0.0.1", 0))  # keeps callers until there is who serves
    task = asyncio.create_task(serving.serve([listening]))
    running = Server(listening.getsockname()[1], serving.config.timeout_keep_alive)
    yield running
    running.close()
    serving.should_exit = True
    await task


def request(path: bytes = b"/healthz", *headers: bytes) -> bytes:
    lines = [b"GET " + path + b" HTTP/1.1", b"Host: localhost", *headers]
    return b"\r\n".join([*lines, b"", b""])


@pytest.mark.parametrize(
    ("sent", "status", "slug"),
    [
        (request(b"/" + b"a" * 100_000), 414, "address-too-long"),
        (b"GET /" + b"a" * 2**24, 414, "address-too-long"),
        (request(b"/healthz", b"X: " + b"a" * 100_000), 431, "headers-too-large"),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 2**24, 431, "headers-too-large"),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 2**20, 431, "headers-too-large"),
        (b"GET / HTTP/1.1\r\n" + b"a" * 2**24, 431, "headers-too-large"),
        (b"\r\n" * 2**20, 431, "headers-too-large"),
        (b"nonsense\r\n\r\n", 400, "malformed-request"),
        (b"CONNECT evil.example:80 HTTP/1.1\r\n\r\n", 400, "malformed-request"),
        (b"GET /\xff HTTP/1.1\r\n\r\n", 400, "malformed-request"),
    ],
    ids=[
        "address",
        "endless address",
        "header",
        "endless header",
        "many headers",
        "endless name",
        "line ends",
        "not http",
        "tunnel",
        "not ascii",
    ],
)
async def test_head_that_is_refused(server: Server, sent: bytes, status: int, slug: str) -> None:
    """Address and headers have a limit, whole or not; what is refused is told, and not kept."""
    caller = await server.call(sent)
    answered, document = await caller.answer()
    assert (answered, document["type"], document["status"]) == (status, slug, status)
    assert document["detail"]
    assert await caller.ended()


@pytest.mark.parametrize("size", [1000, 60_000])
async def test_head_that_fits(server: Server, size: int) -> None:
    """What is within the limit is served, in an address and in headers."""
    caller = await server.call(request(b"/" + b"a" * size))
    assert (await caller.answer())[0] == 404
    caller.send(request(b"/healthz", b"X: " + b"a" * size))
    assert await caller.answer() == (200, {"status": "ok"})


@pytest.mark.parametrize("protocol", [b"h2c", b"websocket"])
async def test_another_protocol(server: Server, protocol: bytes) -> None:
    """Who asks for one, as clients of HTTP/2 do, is answered in HTTP/1.1, body and all."""
    body = b'{"input": "Hi."}'
    asked = START + b"Connection: Upgrade\r\nUpgrade: " + protocol + b"\r\n"
    start = asked + b"Content-Length: %d\r\n\r\n" % len(body) + body
    caller = await server.call(start)
    assert (await caller.answer())[0] == 503  # there is no Restate
    caller.send(start[:-5])
    await asyncio.sleep(0.05)
    caller.send(start[-5:] + HEALTH)
    assert [(await caller.answer())[0] for _ in range(2)] == [503, 200]


async def test_a_body_is_no_request(server: Server) -> None:
    """Nothing hides in a body, whatever else its head asks for."""
    asked = START + b"Connection: Upgrade\r\nUpgrade: x\r\n"
    caller = await server.call(asked + b"Content-Length: %d\r\n\r\n" % len(HEALTH) + HEALTH)
    assert (await caller.answer())[0] == 422
    caller.send(request(b"/nowhere"))
    assert (await caller.answer())[0] == 404


async def test_many_requests(server: Server) -> None:
    """The limit is one request's, not the connection's."""
    large = request(b"/healthz", b"X: " + b"a" * 30_000)
    caller = await server.call()
    for _ in range(10):
        caller.send(large)
        assert (await caller.answer())[0] == 200
    caller.send(large * 10)  # at once: a client may
    for _ in range(10):
        assert (await caller.answer())[0] == 200


async def test_bad_request_behind_others(server: Server) -> None:
    """No answer overtakes another one: the connection ends instead."""
    caller = await server.call(HEALTH + HEALTH + b"nonsense\r\n\r\n")
    assert await caller.ended()


@pytest.mark.parametrize(
    "ending",
    [b"0\r\nX: " + b"a" * 2**22, b"0\r\n" + b"X: y\r\n" * 2**18, b"2;" + b"a" * 2**22],
    ids=["endless trailer", "many trailers", "endless extension"],
)
async def test_what_stands_around_a_body(server: Server, ending: bytes) -> None:
    """What comes between and after the pieces of a body is limited, too."""
    head = START + b"Transfer-Encoding: chunked\r\n\r\n"
    caller = await server.call(head, b'2\r\n{"\r\n', ending)
    assert (await caller.answer())[0] == 431
    assert await caller.ended()


async def test_silent_connection(server: Server) -> None:
    """A connection that asks for nothing is closed, without a word that nobody expects."""
    began = time.monotonic()
    caller = await server.call()
    assert await caller.ended()
    assert time.monotonic() - began < ENDED_S


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"GET /", b"a"),
        (b"GET /healthz HTTP/1.1\r\n", b"X: y\r\n"),
        (START + b"Content-Length: 5000\r\n\r\n", b" "),
        (START + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    ],
    ids=["address", "headers", "body", "chunks"],
)
async def test_trickle(server: Server, head: bytes, piece: bytes) -> None:
    """Who sends a little at a time gets no more time for it."""
    began = time.monotonic()
    caller = await server.call(head)
    trickling = asyncio.create_task(_trickle(caller, piece))
    answered, document = await caller.answer()
    trickling.cancel()
    assert (answered, document["type"]) == (408, "request-too-slow")
    assert await caller.ended()
    assert time.monotonic() - began < ENDED_S


async def _trickle(caller: Caller, piece: bytes) -> None:
    while True:
        caller.send(piece)
        await asyncio.sleep(PATIENCE_S / 10)


async def test_slow_but_steady_body(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that gets on takes as long as it takes."""
    monkeypatch.setattr(LimitedHttp, "min_body_bytes", 10)
    body = json.dumps({"input": "x" * 200}).encode()
    caller = await server.call(START + f"Content-Length: {len(body)}\r\n\r\n".encode())
    began = time.monotonic()
    for start in range(0, len(body), 20):
        caller.send(body[start : start + 20])
        await asyncio.sleep(PATIENCE_S / 4)
    assert (await caller.answer())[0] == 503  # there is no Restate
    assert time.monotonic() - began > 2 * PATIENCE_S


async def test_body_after_its_answer(server: Server) -> None:
    """Nobody waits for the rest of a body that was refused."""
    caller = await server.call(START + b"Content-Length: 100000000\r\n\r\n")
    assert (await caller.answer())[0] == 413
    trickling = asyncio.create_task(_trickle(caller, b"x" * 50_000))
    assert await caller.ended()
    trickling.cancel()


async def test_keep_alive(server: Server) -> None:
    """Between requests there is more time than load balancers take: theirs is mostly 60 s."""
    caller = await server.call(HEALTH)
    assert (await caller.answer())[0] == 200
    await asyncio.sleep(PATIENCE_S * 2)
    caller.send(HEALTH)
    assert (await caller.answer())[0] == 200
    assert server.keep_alive_s >= 65

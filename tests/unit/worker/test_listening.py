"""Connections to the worker: how they end, and what is written to them."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import h2.config
import h2.connection
import h2.events
import psutil
import pytest

from fakes.waiting import wait_until
from outlast_local.ports import free_ports
from outlast_worker.asgi import Receive, Scope, Send, answer
from outlast_worker.http_servers import choose_server
from outlast_worker.listening import listen
from outlast_worker.settings import HttpServer


async def greet(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer whatever is asked."""
    if scope["type"] == "http":
        await answer(receive, send, 200, b"hello")


@pytest.fixture(params=["hypercorn", "granian"])
async def port(request: pytest.FixtureRequest) -> AsyncIterator[int]:
    """Where a server listens, with connections that may idle for an hour."""
    [port] = free_ports(1)
    async with serving(request.param, port):
        yield port


@asynccontextmanager
async def serving(server: HttpServer, port: int) -> AsyncIterator[None]:
    stop = asyncio.Event()
    served = asyncio.ensure_future(
        choose_server(server)(greet, listen("127.0.0.1", port, "WORKER"), stop)
    )
    await until_it_listens(port)
    yield
    stop.set()
    await served


async def until_it_listens(port: int) -> None:
    def listens() -> bool:
        """Ask: granian closes the socket that was bound before it, and binds its own."""
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)) as asking:
            asking.sendall(http_1(port))
            return bool(asking.recv(1))
        return False

    await asyncio.to_thread(wait_until, listens, "the server")


def open_ends(port: int) -> int:
    """Count the server's ends of connections."""
    ends = psutil.Process().net_connections("tcp")
    return sum(end.laddr.port == port and end.status != psutil.CONN_LISTEN for end in ends)


async def wait_for_none(port: int) -> None:
    await asyncio.to_thread(wait_until, lambda: not open_ends(port), "connections to be closed")


def http_1(_port: int) -> bytes:
    return b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


def http_2(port: int) -> bytes:
    client = h2.connection.H2Connection(h2.config.H2Configuration())
    client.initiate_connection()
    head = ((":method", "GET"), (":path", "/"), (":scheme", "http"), (":authority", f"a:{port}"))
    client.send_headers(1, list(head), end_stream=True)
    return client.data_to_send()


async def test_answers_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What hypercorn has to say on a connection in one turn of the loop is one write."""
    written: list[int] = []
    write = asyncio.StreamWriter.write

    def count(writer: asyncio.StreamWriter, data: bytes | bytearray | memoryview) -> None:
        if writer is not own:
            written.append(len(data))
        write(writer, data)

    [port] = free_ports(1)
    async with serving("hypercorn", port):
        reader, own = await asyncio.open_connection("127.0.0.1", port)
        monkeypatch.setattr(asyncio.StreamWriter, "write", count)
        client = h2.connection.H2Connection(h2.config.H2Configuration())
        client.initiate_connection()
        head = [(":method", "GET"), (":path", "/"), (":scheme", "http"), (":authority", "a")]
        for stream in range(1, 41, 2):
            client.send_headers(stream, head, end_stream=True)
        own.write(client.data_to_send())
        ended = 0
        while ended < 20:
            events = client.receive_data(await reader.read(65536))
            ended += sum(isinstance(event, h2.events.StreamEnded) for event in events)
        own.close()
        await own.wait_closed()
    # Each answer has three frames: its head, its body, and its end.
    assert len(written) < 20


@pytest.mark.parametrize("request_of", [http_1, http_2])
async def test_a_client_that_has_gone(port: int, request_of: Any) -> None:
    """The server's end is closed at once, though it might have idled for long."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request_of(port))
    answered = b""
    while b"hello" not in answered:
        answered += await reader.read(1000)
    assert open_ends(port)
    writer.close()
    await writer.wait_closed()
    await wait_for_none(port)


async def test_a_client_that_goes_before_the_answer(port: int) -> None:
    _reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(http_1(port))
    writer.close()
    await writer.wait_closed()
    await wait_for_none(port)

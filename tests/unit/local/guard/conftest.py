"""A guard before a stand-in for Restate, over real sockets."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from outlast.addresses import Address
from outlast_local.guard.proxy import HEADER_BYTES
from outlast_local.guard.server import OpenDoor, listen, serving

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


async def _ok(_request: web.BaseRequest) -> web.StreamResponse:
    return web.json_response({"ok": True})


@dataclass
class StandIn:
    """What listens where Restate would. Tests say what it answers."""

    socket: Path
    handler: Handler = _ok
    heads: list[web.BaseRequest] = field(default_factory=list[web.BaseRequest])

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.heads.append(request)
        return await self.handler(request)


@dataclass
class Guarded:
    """The guard's doors."""

    ingress: int
    admin: int

    def url(self, path: str = "/") -> str:
        return f"http://127.0.0.1:{self.ingress}{path}"

    async def raw(self, *lines: str, body: bytes = b"") -> bytes:
        """Send a head as it is written here; return all of the answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.ingress)
        head = "".join(f"{line}\r\n" for line in (*lines, "Connection: close", ""))
        writer.write(head.encode("utf-8", "surrogateescape") + body)
        try:
            return await reader.read()
        finally:
            writer.close()


@pytest.fixture
async def restate() -> AsyncIterator[StandIn]:
    # Not pytest's folder: a socket's path must be short.
    with tempfile.TemporaryDirectory(prefix="guard-") as folder:
        stand_in = StandIn(Path(folder) / "restate.sock")
        server = web.Server(
            stand_in.answer,
            handler_cancellation=True,
            auto_decompress=False,
            max_line_size=2 * HEADER_BYTES,
            max_field_size=2 * HEADER_BYTES,
        )
        runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await runner.setup()
        await web.UnixSite(runner, stand_in.socket).start()
        yield stand_in
        await runner.cleanup()


@pytest.fixture
async def guard(restate: StandIn) -> AsyncIterator[Guarded]:
    address = Address.parse(f"unix://{restate.socket}")
    doors = [
        OpenDoor("ingress", listen("ingress", "127.0.0.1", 0), address),
        OpenDoor("admin", listen("admin", "127.0.0.1", 0), address),
    ]
    async with serving(doors):
        yield Guarded(doors[0].port, doors[1].port)


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        yield session

"""Restate that listens on Unix sockets."""

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from fakes.front import Connect, problem
from outlast.contract import DIGEST


async def _healthy(_request: web.BaseRequest) -> web.StreamResponse:
    return web.json_response({})


async def _service(request: web.BaseRequest) -> web.StreamResponse:
    if request.path == "/query":
        return web.json_response({"rows": []})
    assert request.path.startswith("/services/")
    return web.json_response({"metadata": {DIGEST: "another"}})


@pytest.fixture
async def folder() -> AsyncIterator[Path]:
    """A folder with the sockets of an ingress and an admin API; a socket's path must be short."""
    with tempfile.TemporaryDirectory(prefix="app-") as path:
        folder = Path(path)
        runners: list[web.ServerRunner] = []
        for name, handler in (("ingress", _healthy), ("admin", _service)):
            runners.append(web.ServerRunner(web.Server(handler)))
            await runners[-1].setup()
            await web.UnixSite(runners[-1], folder / f"{name}.sock").start()
        yield folder
        for runner in runners:
            await runner.cleanup()


async def test_each_call_goes_to_its_own_socket(connect: Connect, folder: Path) -> None:
    """The ingress and the admin API are each reached by the socket that the settings name."""
    admin, ingress = f"unix://{folder}/admin.sock", f"unix://{folder}/ingress.sock"
    async with connect(admin, ingress) as client:
        ready = await client.get("/readyz")
    assert ready.status_code == 200
    assert ready.json()["drift"] == ["support", "filled"]


async def test_a_socket_that_is_not_there_is_named(connect: Connect, tmp_path: Path) -> None:
    """Without Restate the answer says at which socket it was looked for."""
    where = f"unix://{tmp_path}/i.sock"
    async with connect(ingress=where) as client:
        ready = await client.get("/readyz")
        started = await client.post("/agents/support/runs", json={"input": "Hi."})
    assert where in problem(ready, 503, "restate-unavailable")["detail"]
    problem(started, 503, "restate-unavailable")

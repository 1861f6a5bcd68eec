"""How the app listens to a worker that comes and goes."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager

import aiohttp
from aiohttp import web

from outlast.live import Committed, write_line
from outlast.names import RunRef
from outlast_app.live.source import Heard, LiveBatches
from outlast_app.live.worker import WorkerStreams
from outlast_local.ports import free_ports

SOON_S = 20
REFS = [RunRef("t", f"tester.{index:026}") for index in range(50)]
WORD = write_line("r", Committed(1, 0))


@asynccontextmanager
async def worker(port: int, counts: Counter[str]) -> AsyncGenerator[None]:
    """Serve health and streams, each of which says one word and stays open."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        counts[request.path.split("/")[1]] += 1
        if request.path == "/healthz":
            return web.Response()
        stream = web.StreamResponse()
        await stream.prepare(request)
        await stream.write(WORD + b"\n")
        await asyncio.sleep(3600)
        return stream

    runner = web.ServerRunner(web.Server(answer), shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield
    await runner.cleanup()


async def until_heard(batches: LiveBatches) -> None:
    async with asyncio.timeout(SOON_S):
        async for batch in batches:
            if batch == [Heard(Committed(1, 0), WORD)]:
                return


async def until_lost(batches: LiveBatches) -> None:
    async with asyncio.timeout(SOON_S):
        assert await anext(batches) is None


async def test_worker_that_is_away() -> None:
    """However many runs are watched, one knocks at its door, and all hear when it is back."""
    [port] = free_ports(1)
    counts = Counter[str]()
    async with aiohttp.ClientSession() as session, AsyncExitStack() as stack:
        streams = WorkerStreams(session, f"http://127.0.0.1:{port}", None)
        listening = [await stack.enter_async_context(aclosing(streams.listen(r))) for r in REFS]
        await asyncio.gather(*map(until_lost, listening))
        for _ in range(2):
            coming = [asyncio.create_task(until_heard(batches)) for batches in listening]
            await asyncio.sleep(0.5)  # in which each could try for itself
            async with worker(port, counts):
                await asyncio.gather(*coming)
                assert counts["healthz"] < 10
                assert counts["streams"] == len(REFS)
            counts.clear()
            await asyncio.gather(*map(until_lost, listening))

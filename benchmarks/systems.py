"""What is measured: the product, a bare loop on Restate, and loops in memory."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp

from benchmarks.measuring import ANSWER, BARE, PRODUCT, Cell, Processes, Sample, measure
from outlast_local.ports import free_ports
from outlast_local.process import Process
from outlast_local.restate.server import RestateServer
from outlast_local.sockets import RestateSockets
from outlast_local.stack import Ports, Stack

ROOT = Path(__file__).parents[1]
_READY_S = 60


class BenchStack(Stack):
    """The product: Restate, worker and app, as `outlast up` runs them."""

    def __init__(self, directory: Path, model_url: str, settings: Mapping[str, str]) -> None:
        provider = {"base_url": model_url, "keys": [{"name": "only", "key": "x"}]}
        super().__init__(
            directory,
            Ports.free(),
            {
                "PYTHONPATH": str(ROOT),
                "AGENTS": "benchmarks.agents",
                "WORKER_PROVIDERS": json.dumps({"openai": provider}),
                "LOG_LEVEL": "WARNING",
                **settings,
            },
            node_modules=ROOT,
        )

    def processes(self) -> Processes:
        """Return those that count."""
        parts = {"app": self.app, "worker": self.worker, "restate": self.restate}
        return Processes({name: process.pid for name, process in parts.items()})


@dataclass
class Product:
    """The product, called as clients call it."""

    name: str
    stack: BenchStack
    http: aiohttp.ClientSession

    async def run(
        self, text: str, agent: str = "plain", headers: Mapping[str, str] | None = None, **body: Any
    ) -> dict[str, Any]:
        """Run to the end, or start one with `Prefer: respond-async`."""
        url = f"{self.stack.app_url}/agents/{agent}/runs"
        async with self.http.post(url, json={"input": text, **body}, headers=headers) as answer:
            run = await answer.json()
            if answer.status not in (200, 202):
                raise ValueError(f"{answer.status}: {run}")
            return run

    async def measure(
        self, cell: Cell, agent: str = "plain", *, on_threads: bool = False
    ) -> Sample:
        """Run a cell; on threads each run has one of its own."""

        async def run(cell: Cell) -> None:
            thread_id = uuid4().hex if on_threads else None
            done = await self.run(f"tools={cell.tools}", agent, thread_id=thread_id)
            if not done["output"].startswith(ANSWER):
                raise ValueError(f"the run ended with {done}")

        return await measure(cell, run, self.stack.processes())

    async def live_texts(self, text: str) -> AsyncGenerator[tuple[float, str]]:
        """Start a run as a stream, and yield what comes of its text, and when."""
        url = f"{self.stack.app_url}/agents/plain/runs"
        headers = {"accept": "text/event-stream"}
        async with self.http.post(url, json={"input": text}, headers=headers) as answer:
            async for line in answer.content:
                if line.startswith(b"data: ") and b'"message.delta"' in line:
                    yield time.monotonic(), json.loads(line[6:])["text"]


@dataclass
class BareLoop:
    """A loop of a few lines on Restate, called at the ingress."""

    name: str
    url: str
    http: aiohttp.ClientSession
    processes: Processes

    async def measure(self, cell: Cell) -> Sample:
        """Run a cell."""

        async def run(cell: Cell) -> None:
            async with self.http.post(self.url, json=f"tools={cell.tools}") as answer:
                output = await answer.json()
                if not output.startswith(ANSWER):
                    raise ValueError(f"the run ended with {output!r}")

        return await measure(cell, run, self.processes)


@dataclass
class InMemory:
    """A system without a server: it measures itself, in a process of its own."""

    name: str
    process: asyncio.subprocess.Process

    async def measure(self, cell: Cell) -> Sample:
        """Run a cell."""
        assert self.process.stdin  # noqa: S101  # for types: it is a pipe
        assert self.process.stdout  # noqa: S101  # as above
        fields = {"tools": cell.tools, "at_once": cell.at_once}
        fields |= {"runs": cell.runs, "seconds": cell.seconds}
        self.process.stdin.write(json.dumps(fields).encode() + b"\n")
        line = await self.process.stdout.readline()
        if not line:
            raise ValueError(f"{self.name} ended with {await self.process.wait()}")
        return Sample(**{**json.loads(line), "cell": cell})


@asynccontextmanager
async def model_server(folder: Path) -> AsyncIterator[str]:
    """Run the model server; gives its base URL."""
    [port] = free_ports(1)
    process = _python("model", folder, "benchmarks.model_server", str(port))
    process.start()
    try:
        await _until_it_listens(process, port)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.kill()


@asynccontextmanager
async def product(
    folder: Path, model_url: str, settings: Mapping[str, str] | None = None
) -> AsyncIterator[Product]:
    """Run the product."""
    stack = BenchStack(folder / "outlast", model_url, settings or {})
    async with AsyncExitStack() as cleanup:
        cleanup.callback(stack.stop)
        await asyncio.to_thread(stack.start)
        yield Product(PRODUCT, stack, await cleanup.enter_async_context(_http()))


@asynccontextmanager
async def bare_loop(folder: Path, model_url: str) -> AsyncIterator[BareLoop]:
    """Run the bare loop, on a Restate server that is set as the product's."""
    directory = folder / "bare-loop"
    directory.mkdir(parents=True)
    [port] = free_ports(1)
    sockets = RestateSockets(directory / "restate")
    environment = dict(Stack(directory / "unused", Ports.free()).environment)
    server = RestateServer((directory, sockets.folder), sockets.settings, environment, ROOT)
    worker = _python("bare-loop", directory, "benchmarks.bare_loop", str(port), model_url)
    async with AsyncExitStack() as cleanup:
        cleanup.callback(sockets.remove)
        for process in (server, worker):
            cleanup.callback(process.terminate)
        sockets.make()
        server.start()
        worker.start()
        await asyncio.to_thread(server.wait_until, sockets.are_up, _READY_S)
        await _until_it_listens(worker, port)
        admin = aiohttp.UnixConnector(str(sockets.folder / "node-1" / "admin.sock"))
        async with aiohttp.ClientSession(connector=admin) as http:
            body = {"uri": f"http://127.0.0.1:{port}"}
            async with http.post("http://restate/deployments", json=body) as answer:
                answer.raise_for_status()
        ingress = aiohttp.UnixConnector(str(sockets.folder / "node-1" / "ingress.sock"), limit=0)
        http = await cleanup.enter_async_context(aiohttp.ClientSession(connector=ingress))
        used = Processes({"worker": worker.pid, "restate": server.pid})
        yield BareLoop(BARE, "http://restate/Bench/run", http, used)


@asynccontextmanager
async def in_memory(
    name: str, *command: str, python: str = sys.executable
) -> AsyncIterator[InMemory]:
    """Run a system that has no server."""
    process = await asyncio.create_subprocess_exec(
        *(python, "-m", *command),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**26,
    )
    try:
        yield InMemory(name, process)
    finally:
        process.kill()
        await process.wait()


def _python(name: str, folder: Path, *command: str) -> Process:
    environment = dict(Stack(folder / "unused", Ports.free()).environment)
    return Process(
        name,
        [sys.executable, "-m", *command],
        {**environment, "PYTHONPATH": str(ROOT)},
        folder / f"{name}.log",
        ROOT,
    )


def _http() -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(limit=0)
    return aiohttp.ClientSession(
        connector=connector, timeout=aiohttp.ClientTimeout(total=300), read_bufsize=2**20
    )


async def _until_it_listens(process: Process, port: int) -> None:
    async with asyncio.timeout(_READY_S):
        while True:
            try:
                _reader, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                if not process.running:
                    raise ValueError(f"{process.name} died.\n{process.log_end()}") from None
                await asyncio.sleep(0.02)
            else:
                return writer.close()

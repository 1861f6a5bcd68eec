"""Measures what the app alone spends on a run, to the microsecond, however busy the machine is.

    python -m benchmarks.app_alone [--rounds 5] [--beside CHECKOUT]

The app is a process of its own, as it is served; Restate and worker are stand-ins in this one,
which answer at once. With another checkout its app takes turns with this one's, in the same run.
The figure of a kind is the least of all rounds: what else the machine does only adds.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import aiohttp
import uvloop

from benchmarks.stand_in import StandIn
from benchmarks.systems import ROOT
from outlast_local.ports import free_ports
from outlast_local.process import Process

_READY_S = 60
_RUNS, _AT_ONCE = 400, 8
_STREAMS = 16
_SHORT, _LONG = 10, 210  # pieces
_ROOMS = ("app", "shared", "shared/agents", "worker", "local", "cli")


@dataclass
class App:
    """One app that is measured."""

    name: str
    url: str
    process: Process

    @property
    def cpu_s(self) -> float:
        """The CPU that it has used, by a clock finer than what `/proc` says."""
        return time.clock_gettime((~self.process.pid << 3) | 2)


Load = Callable[[aiohttp.ClientSession, str], Awaitable[int]]


async def starts(http: aiohttp.ClientSession, url: str, agent: str, *, threads: bool) -> int:
    """Start runs, some at a time; return how many."""
    left = _RUNS

    async def one_after_the_other() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            body = {"input": "What is the answer?"}
            if threads:
                body["thread_id"] = uuid4().hex
            async with http.post(f"{url}/agents/{agent}/runs", json=body) as answer:
                text = await answer.text()
                if answer.status != 200:
                    raise ValueError(f"{answer.status}: {text}")

    await asyncio.gather(*(one_after_the_other() for _ in range(_AT_ONCE)))
    return _RUNS


async def streams(http: aiohttp.ClientSession, url: str, pieces: int) -> int:
    """Watch streams side by side, of so many pieces each; return how many streams."""

    async def watch() -> None:
        body, headers = {"input": str(pieces)}, {"accept": "text/event-stream"}
        async with http.post(f"{url}/agents/plain/runs", json=body, headers=headers) as answer:
            events = [line async for line in answer.content if line.startswith(b"event: ")]
        if events[-1:] != [b"event: run.completed\n"]:
            raise ValueError(f"the stream ended with {events[-3:]}")

    await asyncio.gather(*(watch() for _ in range(_STREAMS)))
    return _STREAMS


async def probes(http: aiohttp.ClientSession, url: str) -> int:
    """Ask for nothing but a sign of life: what any request costs."""
    for _ in range(_RUNS):
        async with http.get(f"{url}/healthz") as answer:
            await answer.read()
    return _RUNS


LOADS: Mapping[str, Load] = {
    "a probe": probes,
    "a plain run": lambda http, url: starts(http, url, "plain", threads=False),
    "a run on a thread": lambda http, url: starts(http, url, "plain", threads=True),
    "a run with approvals": lambda http, url: starts(http, url, "careful", threads=False),
    "a short stream": lambda http, url: streams(http, url, _SHORT),
    "a long stream": lambda http, url: streams(http, url, _LONG),
}


async def measure(rounds: int, beside: Path | None, only: str | None) -> str:
    """Measure, and return the table."""
    took: dict[tuple[str, str], list[float]] = defaultdict(list)
    checkouts = {"before": beside, "now": ROOT} if beside else {"now": ROOT}
    with tempfile.TemporaryDirectory(prefix="outlast-bench-") as name:
        async with AsyncExitStack() as running:
            [worker_port, *ports] = free_ports(1 + len(checkouts))
            ingress = Path(name) / "ingress.sock"
            await running.enter_async_context(StandIn().serving(ingress, worker_port))
            http = await running.enter_async_context(
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60))
            )
            apps = [
                await running.enter_async_context(
                    _app(called, root, Path(name), ingress, worker_port, port, http)
                )
                for (called, root), port in zip(checkouts.items(), ports, strict=True)
            ]
            loads = {what: load for what, load in LOADS.items() if only is None or only in what}
            for number in range(rounds + 1):
                for what, load in loads.items():
                    for app in apps if number % 2 else reversed(apps):
                        before = app.cpu_s
                        count = await load(http, app.url)
                        if number:  # the first one warms up
                            took[what, app.name].append((app.cpu_s - before) * 1e6 / count)
    least = {key: min(figures) for key, figures in took.items()}
    if "a long stream" in loads:
        for app in checkouts:
            more = least["a long stream", app] - least["a short stream", app]
            least["each piece of it", app] = more / (_LONG - _SHORT)
    kinds = dict.fromkeys(what for what, _app in least)
    rows = [" | ".join([what, *(f"{least[what, app]:.0f}" for app in checkouts)]) for what in kinds]
    heads = ["CPU of the app, µs", *checkouts]
    return "\n".join(
        f"| {row} |" for row in [" | ".join(heads), "|".join(["---"] * len(heads)), *rows]
    )


@asynccontextmanager
async def _app(
    name: str,
    root: Path,
    folder: Path,
    ingress: Path,
    worker_port: int,
    port: int,
    http: aiohttp.ClientSession,
) -> AsyncGenerator[App]:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": ":".join(str(root / room) for room in (*_ROOMS, ".")),
        "AGENTS": "benchmarks.agents",
        "LOG_LEVEL": "WARNING",
        "APP_PORT": str(port),
        "RESTATE_INGRESS_URL": f"unix://{ingress}",
        "RESTATE_ADMIN_URL": f"unix://{folder / 'admin.sock'}",
        "WORKER_URL": f"http://127.0.0.1:{worker_port}",
    }
    command = [sys.executable, "-m", "outlast_app"]
    process = Process(name, command, environment, folder / f"{name}.log", root)
    process.start()
    try:
        url = f"http://127.0.0.1:{port}"
        async with asyncio.timeout(_READY_S):
            while not await _is_up(http, url):
                if not process.running:
                    raise ValueError(process.log_end())
                await asyncio.sleep(0.05)
        yield App(name, url, process)
    finally:
        process.terminate()


async def _is_up(http: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with http.get(f"{url}/healthz") as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False


def main() -> None:
    """Measure, as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.app_alone", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each has its turn")
    parser.add_argument("--beside", type=Path, help="another checkout, to compare with")
    parser.add_argument("--only", help="kinds with this word alone")
    given = parser.parse_args()
    print(uvloop.run(measure(given.rounds, given.beside, given.only)))


if __name__ == "__main__":
    main()

"""What only the product has: growth, first tokens, streams, start and recovery."""

import asyncio
import time
from collections.abc import Awaitable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from uuid import uuid4

import aiohttp
import orjson

from benchmarks.measuring import Cell
from benchmarks.systems import BenchStack, Product

_ASYNC = {"prefer": "respond-async"}
_TOKENS = 400


async def ms_per_step(product: Product, tools: int, runs: int) -> float:
    """Return what one step of a run of so many takes."""
    sample = await product.measure(Cell(tools, at_once=1, runs=runs))
    return sample.p50_ms / sample.cell.steps


async def turns_of_a_conversation(product: Product, messages: int, turns: int = 10) -> list[float]:
    """Return what turns take on a thread of so many messages of 2 kB, in milliseconds."""
    thread_id = uuid4().hex
    text = "bytes=2000 ".ljust(2000, ".")
    for _ in range(messages // 2):
        await product.run(text, thread_id=thread_id)
    return [await _timed_ms(product.run(text, thread_id=thread_id)) for _ in range(turns)]


async def submits_to_a_line(product: Product, waiting: int, submits: int = 20) -> list[float]:
    """Return what starts on a thread take on which so many runs wait, in milliseconds."""
    thread_id = uuid4().hex
    held = await product.run("delay_ms=120000", headers=_ASYNC, thread_id=thread_id)
    gate = asyncio.Semaphore(16)

    async def submit() -> None:
        async with gate:
            await product.run("tools=0", headers=_ASYNC, thread_id=thread_id)

    await asyncio.gather(*(submit() for _ in range(waiting)))
    took = [await _timed_ms(submit()) for _ in range(submits)]
    async with product.http.post(f"{product.stack.app_url}/runs/{held['run_id']}/cancel"):
        return took


async def first_token_ms(product: Product, model_url: str, runs: int = 30) -> float:
    """Return how much later the first token comes than it does from the model itself."""
    text = f"delay_ms=200 chunks={_TOKENS // 10} pause_ms=1"
    direct, through = [], []
    for _ in range(runs):
        direct.append(await _first_token_of_the_model(product.http, model_url, text))
        began = time.monotonic()
        async with aclosing(product.live_texts(text)) as texts:
            async for at, _text in texts:
                through.append(at - began)
                break
    return (median(through) - median(direct)) * 1000


async def _first_token_of_the_model(
    http: aiohttp.ClientSession, model_url: str, text: str
) -> float:
    body = {"model": "bench", "stream": True, "messages": [{"role": "user", "content": text}]}
    began = time.monotonic()
    async with http.post(f"{model_url}/chat/completions", data=orjson.dumps(body)) as answer:
        await answer.content.readline()
        return time.monotonic() - began


@dataclass(frozen=True)
class StreamCost:
    """Of streams side by side: CPU per token in microseconds, by process, and lag."""

    cpu_us: dict[str, float]
    lag_p50_ms: float
    lag_p99_ms: float


async def cost_of_streams(product: Product, streams: int) -> StreamCost:
    """Watch streams of 50 tokens a second; each token says when the model sent it."""
    lags: list[float] = []

    async def watch() -> None:
        text = f"chunks={_TOKENS} pause_ms=20"
        async for at, texts in product.live_texts(text):
            lags.extend(at - float(token) for token in texts.split())

    await product.run("tools=1")
    used = product.stack.processes()
    before = used.cpu_s()
    await asyncio.gather(*(watch() for _ in range(streams)))
    tokens = streams * _TOKENS
    cpu_us = {name: (now - before[name]) * 1e6 / tokens for name, now in used.cpu_s().items()}
    percentiles = quantiles(lags, n=100)
    return StreamCost(cpu_us, percentiles[49] * 1000, percentiles[98] * 1000)


@dataclass(frozen=True)
class StartCost:
    """Of a fresh start: seconds until each serves, and what both hold while nothing happens."""

    app_s: float
    worker_s: float
    memory_mb: float


async def cost_of_a_start(folder: Path, model_url: str) -> StartCost:
    """Start the product, each process alone."""
    stack = BenchStack(folder / "start", model_url, {})
    try:
        await asyncio.to_thread(stack.start_restate)
        worker_s = await _timed_ms(asyncio.to_thread(stack.start_worker)) / 1000
        app_s = await _timed_ms(asyncio.to_thread(stack.start_app)) / 1000
        await asyncio.to_thread(stack.register)
        memory = stack.processes().memory_mb()
        return StartCost(app_s, worker_s, memory["app"] + memory["worker"])
    finally:
        await asyncio.to_thread(stack.stop)


async def recovery_s(product: Product, model_url: str, kills: int = 5) -> float:
    """Return how long after the worker is back the next step of a run begins that lost its own."""
    took = [await _recovery_s(product, model_url) for _ in range(kills)]
    return median(took)


async def _recovery_s(product: Product, model_url: str) -> float:
    stack, run_id = product.stack, uuid4().hex
    await product.run(f"id={run_id} delay_ms=60000", headers=_ASYNC)
    await _arrivals(product.http, model_url, run_id, 1)
    stack.worker.kill()
    await asyncio.to_thread(stack.start_worker)
    back = time.monotonic()
    arrivals = await _arrivals(product.http, model_url, run_id, 2)
    return max(0.0, arrivals[1] - back)


async def _arrivals(
    http: aiohttp.ClientSession, model_url: str, run_id: str, count: int
) -> list[float]:
    url = f"{model_url.removesuffix('/v1')}/arrivals/{run_id}"
    async with asyncio.timeout(60):
        while True:
            async with http.get(url) as answer:
                if len(found := await answer.json()) >= count:
                    return found
            await asyncio.sleep(0.01)


async def cost_of_kinds(product: Product, runs: int) -> dict[str, float]:
    """Return the CPU of one run in milliseconds: plain, on a thread, and where a call may wait."""
    cell = Cell(tools=2, at_once=8, runs=runs)
    plain = await product.measure(cell)
    thread = await product.measure(cell, on_threads=True)
    careful = await product.measure(cell, "careful")
    return {"plain": plain.cpu_ms, "on a thread": thread.cpu_ms, "approvals": careful.cpu_ms}


async def _timed_ms(done: Awaitable[object]) -> float:
    began = time.perf_counter()
    await done
    return (time.perf_counter() - began) * 1000

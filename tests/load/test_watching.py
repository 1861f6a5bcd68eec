"""Watching at its full size. `tests/integration/test_watchers.py` has a sample for every day."""

import asyncio
import statistics
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psutil
import pytest

from fakes.api import Api
from fakes.crowd import Crowd, silent_watchers
from fakes.model_server import ScriptedModel
from fakes.script import Gate, call, text
from fakes.stack import TestStack
from fakes.waiting import wait_until

pytestmark = [pytest.mark.load, pytest.mark.timeout(900)]

WATCHERS = 1000
SOON_S = 2
BEGUN_S = 300
_MIB = 1024 * 1024


def processes(stack: TestStack) -> Mapping[str, psutil.Process]:
    return {
        process.name: psutil.Process(process.pid)
        for process in (stack.app, stack.worker, stack.restate)
    }


def memory_mib(stack: TestStack) -> dict[str, int]:
    return {name: p.memory_info().rss // _MIB for name, p in processes(stack).items()}


@contextmanager
def cpu_shown(stack: TestStack, what: str) -> Iterator[None]:
    """Print what each process used of a core meanwhile."""
    before, began = {n: sum(p.cpu_times()[:2]) for n, p in processes(stack).items()}, time.time()
    yield
    took_s = time.time() - began
    used = {n: sum(p.cpu_times()[:2]) - before[n] for n, p in processes(stack).items()}
    shares = ", ".join(f"{name} {share / took_s:.2%}" for name, share in used.items())
    show(f"{what}, {took_s:.1f} s: of a core {shares}")


def show(line: str) -> None:
    print(f"\n  {line}", end="")  # noqa: T201  # what this is run for


def assert_heard_soon(what: str, crowd: Crowd, stack: TestStack) -> None:
    delays_s = crowd.delays_s(stack)
    middle, last = statistics.median(delays_s), delays_s[-1]
    show(f"{what}: the end after {middle:.2f} s (median), {last:.2f} s (last)")
    assert len(delays_s) == len(crowd.watchers)
    assert last < SOON_S


async def test_watchers_of_one_run(api: Api, stack: TestStack, model: ScriptedModel, key: str):
    """All of them hear of its end within 2 s, and another run keeps its pace meanwhile."""
    gate = Gate()
    model.script(f"{key} a", [text("one two three", gate=gate)])
    model.script(f"{key} b", [text("quick")])
    run_id = api.start("tester", f"{key} a")
    alone_s = await asyncio.to_thread(_time_of_run, api, f"{key} b")
    crowd = Crowd(stack.app_url, [run_id] * WATCHERS)
    async with crowd.watching(BEGUN_S):
        beside_s = await asyncio.to_thread(_time_of_run, api, f"{key} b")
        with cpu_shown(stack, f"{WATCHERS} watchers of one run that waits"):
            await asyncio.sleep(10)
        gate.open()
    show(f"another run took {alone_s:.3f} s alone, {beside_s:.3f} s beside them")
    assert_heard_soon(f"{WATCHERS} watchers of one run", crowd, stack)


@pytest.mark.parametrize("heaps", [25, 1], ids=["paced", "at-once"])
async def test_runs_with_a_watcher_each(
    api: Api, stack: TestStack, model: ScriptedModel, key: str, heaps: int
):
    """All of them hear of their run's end within 2 s of that.

    If all models answer at once, the ends themselves take two cores some seconds.
    """
    gates = [Gate() for _ in range(heaps)]
    run_ids: list[str] = []
    for number in range(WATCHERS):
        said = f"{key}-{number}."
        model.script(said, [text("one two three", gate=gates[number % heaps])])
        run_ids.append(await asyncio.to_thread(api.start, "tester", said))
    crowd = Crowd(stack.app_url, run_ids)
    async with crowd.watching(BEGUN_S):
        await asyncio.sleep(5)  # streams settle
        with cpu_shown(stack, f"{WATCHERS} runs that wait for their model, with a watcher each"):
            await asyncio.sleep(10)
        show(f"MiB: {memory_mib(stack)}")
        for gate in gates:
            gate.open()
            await asyncio.sleep(1)
    what = f"{WATCHERS} runs with a watcher each, {WATCHERS // heaps} ending a second"
    assert_heard_soon(what, crowd, stack)


async def test_runs_that_wait_for_a_person(
    api: Api, stack: TestStack, model: ScriptedModel, key: str
):
    """Watching them costs next to nothing, and their log does not grow."""
    run_ids: list[str] = []
    for number in range(60):
        model.script(f"{key}-{number}.", [call("pay", cents=9), text("done")])
        run_ids.append(await asyncio.to_thread(api.start, "tester", f"{key}-{number}."))
    for run_id in run_ids:
        await asyncio.to_thread(api.wait_for_approval, run_id)
    crowd = Crowd(stack.app_url, run_ids)
    async with crowd.watching(BEGUN_S):
        await asyncio.sleep(5)  # they suspend, and streams settle
        before = _log_bytes(stack)
        with cpu_shown(stack, "60 watchers of runs that wait for a person"):
            await asyncio.sleep(20)
        show(f"bytes of log meanwhile: {_log_bytes(stack) - before}")
        assert _log_bytes(stack) - before < 10_000
        for run_id in run_ids:
            await asyncio.to_thread(api.decide, run_id, "1.0", "approve")
    assert_heard_soon("60 watchers", crowd, stack)


async def test_watchers_that_never_read(api: Api, stack: TestStack, model: ScriptedModel, key: str):
    """What they held is given back when they go."""
    words = " ".join(f"word{index}" for index in range(20_000))
    model.script(f"{key} warm", [text(words)])
    model.script(f"{key} long", [text(words, pace_s=0.001)])
    model.script(f"{key} later", [text("ok")])
    await asyncio.to_thread(api.result, api.start("tester", f"{key} warm"))
    before = memory_mib(stack)
    run_id = api.start("tester", f"{key} long")
    async with silent_watchers(stack.app_url, run_id, 100):
        await asyncio.to_thread(_result, api, run_id)
        during = memory_mib(stack)
    for _ in range(300):
        await asyncio.to_thread(api.run, "tester", f"{key} later")
    show(f"MiB before {before}, during {during}, after {memory_mib(stack)}")
    wait_until(lambda: _grown(before, memory_mib(stack)) < 100, "memory to come back")


def _grown(before: Mapping[str, int], after: Mapping[str, int]) -> int:
    return max(after[name] - before[name] for name in ("app", "worker"))


def _time_of_run(api: Api, said: str) -> float:
    began = time.monotonic()
    api.run("tester", said)
    return time.monotonic() - began


def _result(api: Api, run_id: str) -> None:
    wait_until(lambda: api.get(run_id)["status"] == "completed", "the end", deadline_s=120)


def _log_bytes(stack: TestStack) -> int:
    return sum(path.stat().st_size for path in stack.directory.glob("*.log"))

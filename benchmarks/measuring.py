"""Closed loops of runs, and what they took: time, CPU and memory of each process."""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any, Protocol

import psutil

ANSWER = "The answer is 42."
PRODUCT = "Outlast"
BARE = "bare loop on Restate"
LITELLM = "litellm loop, in memory"


@dataclass(frozen=True)
class Cell:
    """What is measured of each system in turn.

    Attributes:
        tools: How many tool calls a run makes, one per turn; it has `2 * tools + 1` steps.
        at_once: How many runs there are at a time.
        runs: How many there are in all; or
        seconds: for how long there are some.
    """

    tools: int
    at_once: int
    runs: int | None = None
    seconds: float | None = None

    @property
    def steps(self) -> int:
        """Model and tool calls of a run."""
        return 2 * self.tools + 1


@dataclass(frozen=True)
class Sample:
    """What came of a cell. CPU and memory are by process."""

    cell: Cell
    latencies_s: Sequence[float]
    wall_s: float
    cpu_s: Mapping[str, float] = field(default_factory=dict[str, float])
    memory_mb: Mapping[str, float] = field(default_factory=dict[str, float])

    @property
    def p50_ms(self) -> float:
        """What the median run takes."""
        return median(self.latencies_s) * 1000

    @property
    def runs_per_s(self) -> float:
        """Throughput."""
        return len(self.latencies_s) / self.wall_s

    @property
    def cpu_ms(self) -> float:
        """CPU of all processes per run."""
        return sum(self.cpu_s.values()) * 1000 / len(self.latencies_s)

    def cpu_ms_of(self, process: str) -> float:
        """CPU of one process per run."""
        return self.cpu_s[process] * 1000 / len(self.latencies_s)


class System(Protocol):
    """Something that runs an agent."""

    name: str

    async def measure(self, cell: Cell) -> Sample:
        """Run a cell."""
        ...


class Processes:
    """Processes by name, each with those that it started."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._roots = {name: psutil.Process(pid) for name, pid in pids.items()}

    def cpu_s(self) -> dict[str, float]:
        """Return the CPU that each has used since its start, in seconds."""
        return {name: sum(map(_cpu_s, _tree(root))) for name, root in self._roots.items()}

    def memory_mb(self) -> dict[str, float]:
        """Return the memory of each: what it shares with others counts in part."""
        return {
            name: sum(process.memory_full_info().pss for process in _tree(root)) / 1e6
            for name, root in self._roots.items()
        }


async def measure(cell: Cell, run: Callable[[Cell], Awaitable[Any]], used: Processes) -> Sample:
    """Warm up, run a cell, and account for it."""
    await closed_loop(run, Cell(cell.tools, cell.at_once, runs=max(5, cell.at_once)))
    before = used.cpu_s()
    latencies_s, wall_s = await closed_loop(run, cell)
    cpu_s = {name: now - before[name] for name, now in used.cpu_s().items()}
    return Sample(cell, latencies_s, wall_s, cpu_s, used.memory_mb())


async def closed_loop(
    run: Callable[[Cell], Awaitable[Any]], cell: Cell
) -> tuple[list[float], float]:
    """Keep so many runs going; return how long each took, and all."""
    latencies_s: list[float] = []
    begun = 0
    start = time.perf_counter()

    async def one_after_the_other() -> None:
        nonlocal begun
        while begun < cell.runs if cell.runs else time.perf_counter() - start < (cell.seconds or 0):
            begun += 1
            began = time.perf_counter()
            await run(cell)
            latencies_s.append(time.perf_counter() - began)

    await asyncio.gather(*(one_after_the_other() for _ in range(cell.at_once)))
    return latencies_s, time.perf_counter() - start


async def serve_cells(run: Callable[[Cell], Awaitable[str]]) -> None:
    """Measure, in this process, the cells that come line by line; for systems in memory."""

    async def checked(cell: Cell) -> None:
        output = await run(cell)
        if not output.startswith(ANSWER):
            raise ValueError(f"the run ended with {output!r}")

    used = Processes({"process": psutil.Process().pid})
    while line := await asyncio.to_thread(sys.stdin.readline):
        sample = await measure(Cell(**json.loads(line)), checked, used)
        print(json.dumps(asdict(sample)), flush=True)


def _tree(root: psutil.Process) -> list[psutil.Process]:
    return [root, *root.children(recursive=True)]


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system

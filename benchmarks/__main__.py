"""Measures the product beside other systems, and its goals, in one run.

python -m benchmarks [--rounds 3] [--scale 1] [--peers FOLDER] [--write]
"""

import argparse
import asyncio
import os
import platform
import signal
import tempfile
import time
from collections import defaultdict
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import uvloop

from benchmarks import goals, report, scenarios
from benchmarks.goals import BUSY, LONG, SMALL, Goal, Samples
from benchmarks.measuring import LITELLM, Cell, Sample, System
from benchmarks.peer_systems import peers
from benchmarks.systems import ROOT, Product, bare_loop, in_memory, model_server, product


@dataclass(frozen=True)
class Options:
    """What the command line says.

    Attributes:
        rounds: How often each system has its turn.
        scale: What part of the usual sizes will do, as to see that all of it works.
        peers: Where the peers' environments are, if they are to run.
        write: Whether the report goes into the docs.
    """

    rounds: int
    scale: float
    peers: Path | None
    write: bool

    def sized(self, usual: int) -> int:
        """Return a size to measure with."""
        return max(2, round(usual * self.scale))


async def measure_all(options: Options) -> str:
    """Measure, and return the report."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="outlast-bench-") as name:
        folder = Path(name)
        async with (
            model_server(folder) as model_url,
            product(folder, model_url) as outlast,
        ):
            samples = await compare(options, folder, model_url, outlast)
            found = goals.against_others(samples)
            found += await own_goals(options, folder, model_url, outlast)
    if options.write:
        (ROOT / "docs" / "performance.svg").write_text(report.chart(samples))
    minutes = (time.monotonic() - began) / 60
    return (
        f"{os.cpu_count()} cores, Python {platform.python_version()}, "
        f"{options.rounds} rounds in {minutes:.0f} min.\n\n"
        f"{report.table_of_systems(samples)}\n\n{report.table_of_goals(found)}\n"
    )


async def compare(options: Options, folder: Path, model_url: str, outlast: Product) -> Samples:
    """Let the systems take turns, so that what else the machine does strikes them all."""
    cells = {
        SMALL: Cell(tools=2, at_once=1, runs=options.sized(60)),
        LONG: Cell(tools=10, at_once=1, runs=options.sized(25)),
        BUSY: Cell(tools=2, at_once=32, seconds=6 * options.scale),
    }
    samples: dict[str, dict[str, list[Sample]]] = defaultdict(lambda: defaultdict(list))
    async with AsyncExitStack() as running:
        loop = ("benchmarks.memory_loop", "--model-url", model_url)
        others = [
            bare_loop(folder, model_url),
            in_memory(LITELLM, *loop, "--litellm"),
            in_memory("aiohttp loop, in memory", *loop),
            *peers(options.peers, folder, model_url),
        ]
        systems: list[System] = [outlast]
        systems += [await running.enter_async_context(system) for system in others]
        for _ in range(options.rounds):
            for name, cell in cells.items():
                for system in systems:
                    samples[system.name][name].append(await system.measure(cell))
    return samples


async def own_goals(options: Options, folder: Path, model_url: str, outlast: Product) -> list[Goal]:
    """Measure what only the product has."""
    growth = goals.of_growth(
        per_step={
            tools: await scenarios.ms_per_step(outlast, tools, options.sized(10))
            for tools in (10, options.sized(100))
        },
        turns={
            size: await scenarios.turns_of_a_conversation(outlast, size)
            for size in (10, options.sized(1000))
        },
        submits={
            size: await scenarios.submits_to_a_line(outlast, size)
            for size in (0, options.sized(1000) - 50)
        },
    )
    streams = goals.of_streams(
        await scenarios.first_token_ms(outlast, model_url, options.sized(30)),
        await scenarios.cost_of_streams(outlast, 16),
        await scenarios.cost_of_streams(outlast, options.sized(250)),
    )
    life = goals.of_life(
        await scenarios.cost_of_a_start(folder, model_url),
        await scenarios.recovery_s(outlast, model_url, options.sized(5)),
        await scenarios.cost_of_kinds(outlast, options.sized(150)),
    )
    return [*growth, *streams, *life]


def _options() -> Options:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often each system has its turn")
    parser.add_argument("--scale", type=float, default=1, help="part of the usual sizes")
    parser.add_argument("--peers", type=Path, help="the folder of the peers' environments")
    parser.add_argument("--write", action="store_true", help="draw the chart in docs/")
    given = parser.parse_args()
    return Options(given.rounds, given.scale, given.peers, given.write)


async def _main() -> None:
    measuring = asyncio.create_task(measure_all(_options()))
    # Whatever ends it, what it has started is ended.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, measuring.cancel)
    print(await measuring)


if __name__ == "__main__":
    uvloop.run(_main())

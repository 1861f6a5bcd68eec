"""Measures what a turn costs on a thread that grows, with its beginning summed up and without.

    python -m benchmarks.long_threads [--turns 10 100 1000]

Each turn says 500 bytes and is answered with as many, by a model that answers at once. Of the last
turns before each size: the bytes that its model is sent, summaries included, and milliseconds.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from uuid import uuid4

import uvloop

from benchmarks.systems import Product, model_server, product

_TEXT = "bytes=500 ".ljust(500, ".")
_LAST = 50
"""So many turns are one figure: some of them have a summary made."""


@dataclass(frozen=True)
class Turns:
    """What turns cost: of each on average its bytes, its time, and its model calls."""

    kilobytes: float
    mean_ms: float
    median_ms: float
    model_calls: float


async def grow(
    product: Product, model_url: str, agent: str, sizes: Sequence[int]
) -> dict[int, Turns]:
    """Have a conversation, and return what its turns cost when it had so many."""
    thread_id, found = uuid4().hex, dict[int, Turns]()
    took, received = list[float](), [await _received(product, model_url)]
    for number in range(1, max(sizes) + 1):
        began = time.perf_counter()
        await product.run(_TEXT, agent, thread_id=thread_id)
        took.append((time.perf_counter() - began) * 1000)
        received.append(await _received(product, model_url))
        if number in sizes:
            last = min(_LAST, number)
            (calls, size), (calls_before, size_before) = received[-1], received[-1 - last]
            found[number] = Turns(
                kilobytes=(size - size_before) / last / 1000,
                mean_ms=fmean(took[-last:]),
                median_ms=median(took[-last:]),
                model_calls=(calls - calls_before) / last,
            )
    return found


async def _received(product: Product, model_url: str) -> tuple[int, int]:
    """Return how many requests the model had so far, and how many bytes those were."""
    async with product.http.get(f"{model_url.removesuffix('/v1')}/received") as answer:
        requests, size = await answer.json()
        return requests, size


def table(agents: dict[str, dict[int, Turns]]) -> str:
    """Write what was found, each beside the shortest conversation."""
    lines = [
        "| | turns | kB to the model per turn | ms per turn, mean (median) | over the shortest |",
        "|---|---|---|---|---|",
    ]
    for name, of in agents.items():
        shortest = of[min(of)]
        for size, turns in of.items():
            times = f"{turns.mean_ms:.0f} ({turns.median_ms:.0f})"
            ratio = f"{turns.kilobytes / shortest.kilobytes:.1f} × the bytes, "
            ratio += f"{turns.mean_ms / shortest.mean_ms:.2f} × the time"
            lines.append(f"| {name} | {size:,} | {turns.kilobytes:.1f} | {times} | {ratio} |")
    return "\n".join(lines)


async def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, nargs="+", default=[10, 100, 1000])
    sizes = sorted(parser.parse_args().turns)
    with tempfile.TemporaryDirectory(prefix="outlast-bench-") as name:
        folder = Path(name)
        async with model_server(folder) as url, product(folder, url) as outlast:
            await outlast.run("tools=1")
            agents = {
                "summed up": await grow(outlast, url, "compacting", sizes),
                "all of it": await grow(outlast, url, "plain", sizes),
            }
    print(table(agents))


if __name__ == "__main__":
    uvloop.run(_main())

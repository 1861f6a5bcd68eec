"""The goals: each a figure of one run of the benchmarks, most of them a ratio."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.measuring import BARE, LITELLM, PRODUCT, Sample
from benchmarks.scenarios import StartCost, StreamCost

SMALL, LONG, BUSY = "5 steps", "21 steps", "32 at once"
Samples = Mapping[str, Mapping[str, Sequence[Sample]]]
"""By system and cell, of each round."""


@dataclass(frozen=True)
class Goal:
    """A figure, and the bound that it is to keep.

    Attributes:
        at_least: Whether the bound is a lower one.
    """

    number: str
    what: str
    figure: float
    bound: float
    unit: str = "×"
    at_least: bool = False

    @property
    def is_met(self) -> bool:
        """Whether the figure keeps the bound."""
        return self.figure >= self.bound if self.at_least else self.figure <= self.bound


def p50_ms(samples: Sequence[Sample]) -> float:
    """Return the median over rounds of the median run."""
    return median(sample.p50_ms for sample in samples)


def cpu_ms(samples: Sequence[Sample], process: str | None = None) -> float:
    """Return the median over rounds of the CPU of a run, of one process or of all."""
    return median(sample.cpu_ms_of(process) if process else sample.cpu_ms for sample in samples)


def runs_per_s(samples: Sequence[Sample]) -> float:
    """Return the median over rounds of the throughput."""
    return median(sample.runs_per_s for sample in samples)


_AGAINST = {LITELLM: 4.5, "LangGraph, in memory": 3.5, "pydantic-ai, in memory": 5.0}
_AGAINST |= {"pydantic-ai + DBOS, SQLite": 12.0}


def against_others(samples: Samples) -> list[Goal]:
    """Return what compares the product with other systems."""
    own = samples[PRODUCT]
    bare = samples[BARE]
    goals = [
        Goal(
            "G1",
            "wall time over the bare loop's",
            p50_ms(own[SMALL]) / p50_ms(bare[SMALL]),
            1.6,
        ),
        Goal("G1", "CPU over the bare loop's", cpu_ms(own[SMALL]) / cpu_ms(bare[SMALL]), 2.0),
    ]
    for name, bound in _AGAINST.items():
        if name in samples:
            ratio = runs_per_s(own[BUSY]) / runs_per_s(samples[name][BUSY])
            goals.append(Goal("G2", f"throughput over {name}'s", ratio, bound, at_least=True))
    goals.append(Goal("G6", "the app's CPU per run", cpu_ms(own[BUSY], "app"), 1.2, "ms"))
    return goals


def of_growth(
    per_step: Mapping[int, float],
    turns: Mapping[int, Sequence[float]],
    submits: Mapping[int, Sequence[float]],
) -> list[Goal]:
    """Return how the product's costs grow: by steps, messages on a thread, and runs in line."""
    turn = {size: median(took) for size, took in turns.items()}
    submit = {size: median(took) for size, took in submits.items()}
    (few, many), (short, long), (empty, full) = (sorted(of) for of in (per_step, turn, submit))
    steps = f"a step of {2 * many + 1} over one of {2 * few + 1}"
    return [
        Goal("G3", steps, per_step[many] / per_step[few], 1.3),
        Goal("G3", f"a turn after {long:,} messages over {short}", turn[long] / turn[short], 4.0),
        Goal("G3", f"a turn after {long:,} messages of 2 kB", turn[long], 60, "ms"),
        Goal(
            "G3", f"a submit behind {full:,} runs over {empty}", submit[full] / submit[empty], 1.3
        ),
    ]


def of_streams(first_token_ms: float, cost: StreamCost, many: StreamCost) -> list[Goal]:
    """Return what streams cost."""
    bounds = {"worker": 50, "app": 40, "restate": 10}
    return [
        Goal("G4", "first token over the model's own", first_token_ms, 12, "ms"),
        *(
            Goal("G5", f"CPU of {name} per token, 16 streams", cost.cpu_us[name], bound, "µs")
            for name, bound in bounds.items()
        ),
        Goal("G5", "lag p99, 250 streams of 50 tokens/s", many.lag_p99_ms, 1000, "ms"),
    ]


def of_life(start: StartCost, recovery_s: float, kinds: Mapping[str, float]) -> list[Goal]:
    """Return what starting, recovering and waiting cost."""
    waits = max(kinds["on a thread"], kinds["approvals"]) / kinds["plain"]
    return [
        Goal("G7", "the app serves after", start.app_s, 1, "s"),
        Goal("G7", "the worker serves after", start.worker_s, 1, "s"),
        Goal("G7", "memory of both, idle", start.memory_mb, 120, "MB"),
        Goal("G8", "next step after a killed worker is back", recovery_s, 0.7, "s"),
        Goal("G9", "CPU on a thread, or with approvals, over plain", waits, 1.25),
    ]

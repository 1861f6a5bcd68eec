"""The tables and the chart of a run of the benchmarks."""

from collections.abc import Sequence
from statistics import median

from benchmarks.goals import BUSY, LONG, SMALL, Goal, Samples, cpu_ms, runs_per_s
from benchmarks.measuring import PRODUCT, Sample

_SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="760" height="{height}"'
    ' font-family="sans-serif" font-size="13">'
)
_BAR, _ROW, _LEFT = 420, 26, 260


def table_of_systems(samples: Samples) -> str:
    """Write what each system took, those with the most runs a second first."""
    lines = [
        "| | 5 steps p50 ms | 21 steps p50 ms | runs/s, 32 at once | CPU ms per run | memory MB |",
        "|---|---|---|---|---|---|",
    ]
    for name in sorted(samples, key=lambda name: -runs_per_s(samples[name][BUSY])):
        of = samples[name]
        bold = "**" if name == PRODUCT else ""
        times = (_spread([s.p50_ms for s in of[cell]]) for cell in (SMALL, LONG))
        throughput = _spread([sample.runs_per_s for sample in of[BUSY]])
        costs = (_by_process(of[SMALL]), _memory(of[BUSY]))
        lines.append(f"| {' | '.join((f'{bold}{name}{bold}', *times, throughput, *costs))} |")
    return "\n".join(lines)


def table_of_goals(goals: Sequence[Goal]) -> str:
    """Write each goal, with what it was."""
    lines = ["| | | goal | measured | |", "|---|---|---|---|---|"]
    for goal in goals:
        sign = "≥" if goal.at_least else "≤"
        bound = f"{sign} {goal.bound:g} {goal.unit}"
        met = "met" if goal.is_met else "missed"
        figure = f"{goal.figure:.3g} {goal.unit}"
        lines.append(f"| {goal.number} | {goal.what} | {bound} | {figure} | {met} |")
    return "\n".join(lines)


def chart(samples: Samples) -> str:
    """Draw the throughput of each system, as SVG."""
    rates = {name: runs_per_s(of[BUSY]) for name, of in samples.items()}
    most = max(rates.values())
    height = _ROW * len(rates) + 40
    parts = [
        _SVG.format(height=height),
        f'<rect width="760" height="{height}" fill="white"/>',
        '<text x="10" y="20" font-weight="bold">Runs a second, 32 at once, 5 steps each</text>',
    ]
    for row, (name, rate) in enumerate(sorted(rates.items(), key=lambda item: -item[1])):
        y = 34 + row * _ROW
        colour = "#0a7d55" if name == PRODUCT else "#9aa5b1"
        width = max(1, round(_BAR * rate / most))
        parts += [
            f'<text x="{_LEFT - 8}" y="{y + 15}" text-anchor="end">{name}</text>',
            f'<rect x="{_LEFT}" y="{y}" width="{width}" height="20" fill="{colour}"/>',
            f'<text x="{_LEFT + width + 6}" y="{y + 15}">{rate:.0f}</text>',
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _spread(figures: Sequence[float]) -> str:
    if len(figures) == 1:
        return _short(figures[0])
    return f"{_short(median(figures))} ({_short(min(figures))} to {_short(max(figures))})"


def _short(figure: float) -> str:
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:.3g}"


def _by_process(samples: Sequence[Sample]) -> str:
    names = samples[0].cpu_s
    if len(names) == 1:
        return f"{cpu_ms(samples):.3g}"
    parts = ", ".join(f"{name} {cpu_ms(samples, name):.2g}" for name in names)
    return f"{cpu_ms(samples):.3g} ({parts})"


def _memory(samples: Sequence[Sample]) -> str:
    return f"{median(sum(sample.memory_mb.values()) for sample in samples):.0f}"

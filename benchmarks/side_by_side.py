"""Contenders measured in turn, round after round, and what is told of them.

Enters: a measurement a contender, each a call that does the work once and says its figure. Leaves:
a table on the console, `<part>.json` with every figure, `<part>.html` with a plot. Rounds are
interleaved, so that what else the machine does meets all alike, and a ratio is taken within its
round. Called by each benchmark.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

FILE_WIDTH = 120


@dataclass(frozen=True)
class Comparison:
    """Figures of contenders at the same work.

    Attributes:
        title: what was done.
        unit: of the figures.
        base: the contender that ratios are taken to.
        figures: of each contender, one a round.
        smaller_is_better: as of seconds; a ratio says then how many times as fast as the base.
    """

    title: str
    unit: str
    base: str
    figures: dict[str, list[float]]
    smaller_is_better: bool = False

    def ratios(self, name: str) -> list[float]:
        """How many times as good as the base a contender is, one a round."""
        pairs = zip(self.figures[name], self.figures[self.base], strict=True)
        if self.smaller_is_better:
            return [theirs / own for own, theirs in pairs]
        return [own / theirs for own, theirs in pairs]


def measure_in_turn(
    contenders: Mapping[str, Callable[[], float]], rounds: int
) -> dict[str, list[float]]:
    """Each contender's figures, one a round; every round begins with another contender.

    Each is told on standard error as it is measured.

    Args:
        contenders: calls that do the work once and return their figure.
        rounds: how often each is called.
    """
    names = list(contenders)
    figures: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            started = time.perf_counter()
            figures[name].append(contenders[name]())
            seconds = time.perf_counter() - started
            sys.stderr.write(
                f"round {turn + 1} of {rounds}, {name}: {_digits(figures[name][-1])}"
                f" ({seconds:.1f} s)\n"
            )
    return figures


def make_table(comparison: Comparison) -> Table:
    """The medians and ranges of a comparison, and the ratios to its base."""
    table = Table(title=f"{comparison.title} ({comparison.unit})", title_justify="left")
    table.add_column("contender")
    for heading in ("median", "range", f"times {comparison.base}", "range"):
        table.add_column(heading, justify="right")
    add_rows(table, comparison)
    return table


def add_rows(table: Table, comparison: Comparison, *before: str) -> None:
    """Adds a row a contender to a table of its name, medians, ranges; `before` fills columns."""
    for name, figures in comparison.figures.items():
        ratios = comparison.ratios(name)
        table.add_row(*before, name, *_median_and_range(figures), *_median_and_range(ratios))


def make_console() -> Console:
    """A console; what goes to a file is wide enough for the tables."""
    return Console(width=None if sys.stdout.isatty() else FILE_WIDTH)


def write_results(
    part: str,
    comparisons: Sequence[Comparison],
    machine: Mapping[str, Any],
    out: Path,
    notes: Sequence[str] = (),
) -> None:
    """Prints the tables and writes `<part>.json` and `<part>.html` into `out`.

    Args:
        part: the benchmark's name.
        comparisons: what was measured.
        machine: of `machine.measure_machine`.
        out: folder of the results, made where it is missing.
        notes: what a reader must know, such as contenders that could not be measured.
    """
    out.mkdir(parents=True, exist_ok=True)
    console = make_console()
    console.print(", ".join(f"{name} {value}" for name, value in machine.items()))
    for comparison in comparisons:
        console.print(make_table(comparison))
    for note in notes:
        console.print(note)
    results = {
        "machine": dict(machine),
        "comparisons": [asdict(comparison) for comparison in comparisons],
        "notes": list(notes),
    }
    _replace(out / f"{part}.json", json.dumps(results, indent=2) + "\n")
    _replace(out / f"{part}.html", _draw(part, comparisons))


def _median_and_range(figures: Sequence[float]) -> tuple[str, str]:
    low, high = _digits(min(figures)), _digits(max(figures))
    return _digits(median(figures)), f"{low} to {high}"


def _digits(value: float) -> str:
    """Three digits that count: `1,230,000`, `45.6`, `0.0789`."""
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 100 else f"{rounded:g}"


def _draw(part: str, comparisons: Sequence[Comparison]) -> str:
    """One page with a panel of bars a comparison, ranges as error bars."""
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    titles = [f"{comparison.title} ({comparison.unit})" for comparison in comparisons]
    heights = [140 + 24 * len(comparison.figures) for comparison in comparisons]
    page = make_subplots(rows=len(comparisons), cols=1, subplot_titles=titles, row_heights=heights)
    for row, comparison in enumerate(comparisons, 1):
        middles = [median(figures) for figures in comparison.figures.values()]
        above = [max(f) - m for f, m in zip(comparison.figures.values(), middles, strict=True)]
        below = [m - min(f) for f, m in zip(comparison.figures.values(), middles, strict=True)]
        error = {"type": "data", "array": above, "arrayminus": below}
        bars = go.Bar(x=middles, y=list(comparison.figures), orientation="h", error_x=error)
        page.add_trace(bars, row=row, col=1)
    page.update_yaxes(dtick=1)
    page.update_layout(template="none", height=sum(heights), showlegend=False)
    page.update_layout(title=part, margin={"l": 180})
    return str(page.to_html(include_plotlyjs=True))


def _replace(path: Path, text: str) -> None:
    beside = path.with_name(f".{path.name}")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, path)

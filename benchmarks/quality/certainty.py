"""How far what is stated holds on `test`: labels inside their intervals, probabilities come true.

Enters: a fold's answers, and the calibrations that `eval` gave for them. Leaves: counts a head that
add up over folds, and a Markdown table of them. Called by `measure` and `table`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.quality.corpus import Corpus, Fold, targets_of
from components.heads.calibration import Calibration, all_groups, divide_logits
from components.heads.declared import Heads
from components.report.drawing import share_interval
from components.report.figures_calibration import expected_calibration_error
from components.report.heads import REPORTS

Counts = dict[str, dict[str, Any]]
"""{head: {"stated": what an interval is to hold, "rows": counts}}."""


def certainty_counts(
    corpus: Corpus,
    heads: Heads,
    fold: Fold,
    answers: Mapping[str, np.ndarray],
    calibrations: Mapping[str, Calibration],
) -> Counts:
    """Counts over the `test` authors whose label is known; a number without interval has none.

    Rows of a number: authors, those inside, the sum of half widths. Of a classifier: by stated
    probability, authors, its sum, times true.
    """
    targets, known = targets_of(corpus, heads, fold.test, fold.facts)
    counts: Counts = {}
    for head in heads:
        rows, fitted = known[head.name] > 0, calibrations[head.name]
        label, answer = targets[head.name][rows].astype(float), answers[head.name][rows]
        if fitted.temperature is not None:
            stated = at_temperature(answer, fitted.temperature)
            reliability = REPORTS[head.kind](head).sums(label, stated)["reliability"]
            counts[head.name] = {"stated": fitted.temperature, "rows": reliability.tolist()}
        elif fitted.half_width is not None:
            errors = np.abs(answer - label)[:, 0] * head.scale_and_offset(fold.facts)[0]
            inside = int((errors <= fitted.half_width).sum())
            row = [len(errors), inside, len(errors) * fitted.half_width]
            counts[head.name] = {"stated": fitted.coverage, "rows": [row]}
    return counts


def at_temperature(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities as they are served; one column holds that of one of two values."""
    groups = divide_logits(all_groups(probabilities), temperature)
    return groups[:, -probabilities.shape[1] :]


def certainty_table(results: Mapping[str, Sequence[Mapping[str, Any]]], level: float) -> list[str]:
    """Lines of Markdown; none where no row has counts.

    Args:
        results: of each row, those of its folds and seeds, with `certainty`: counts by network.
        level: of the intervals of a share.
    """
    lines = []
    for row, found in results.items():
        by_network = [result["certainty"] for result in found if result.get("certainty")]
        for network in dict.fromkeys(name for counts in by_network for name in counts):
            cells = _cells([counts[network] for counts in by_network], level)
            lines.append(f"| {row} | {network} | {cells} |")
    if not lines:
        return []
    title = "| certainty of | network | of each head |"
    return ["", title, "|---|---|---|", *lines]


def _cells(counts: Sequence[Counts], level: float) -> str:
    cells = []
    for head in dict.fromkeys(name for found in counts for name in found):
        having = [found[head] for found in counts if head in found]
        rows = np.sum([one["rows"] for one in having], axis=0)
        if len(rows) == 1:
            cells.append(f"{head}: {_coverage(rows[0], having[0]['stated'], level)}")
        else:
            cells.append(f"{head}: {_calibration(rows, [one['stated'] for one in having])}")
    return "; ".join(cells)


def _coverage(row: np.ndarray, stated: float, level: float) -> str:
    authors, inside, widths = row
    low, high = share_interval(inside, authors, level)
    width = widths / authors
    return (
        f"{inside / authors:.1%} [{low:.1%}, {high:.1%}] within ± {width:.1f}, stated {stated:.0%}"
    )


def _calibration(rows: np.ndarray, temperatures: Iterable[float]) -> str:
    error, chance = expected_calibration_error(rows.tolist()), chance_error(rows)
    moved = sum(temperature != 1 for temperature in temperatures)
    return f"calibration error {error:.3f}, by chance {chance:.3f}, temperature moved {moved} times"


def chance_error(rows: np.ndarray) -> float:
    """The calibration error that perfect probabilities have on so few authors, on average.

    >>> round(chance_error(np.array([[100, 50.0, 48], [0, 0.0, 0]])), 4)
    0.0399
    """
    rows = rows[rows[:, 0] > 0]
    shares = rows[:, 1] / rows[:, 0]
    spread = np.sqrt(2 / math.pi * rows[:, 0] * shares * (1 - shares))
    return float(spread.sum() / rows[:, 0].sum())

"""The results of `measure` as two tables, in Markdown.

Enters: a folder of results. Leaves: a line a row, with each head's score, its interval over
authors and its skill, the mean seconds a fold; and, where `tuner` was measured, each other row's
scores less those of `tuner` on the same authors of the same folds. Called by `__main__`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.quality.certainty import certainty_table
from benchmarks.quality.judge import main_metric
from components.comparison.judging import (
    Terms,
    mean_terms,
    resampled,
    score_over_runs,
    with_intervals,
)
from components.heads.base import Head
from components.heads.declared import Heads

CONFIDENCE = 0.95
CHOSEN = "tuner"

Results = Sequence[dict[str, Any]]


def make_table(folder: Path, heads: Heads) -> str:
    """Markdown; rows in the order of their names."""
    by_row: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(folder.glob("*-fold*-seed*.json")):
        result = json.loads(path.read_text(encoding="utf-8"))
        by_row.setdefault(result["row"], []).append(result)
    columns = [name for head in heads for name in (describe(head), f"{head.name} skill")]
    lines = [
        "| row | folds x seeds | " + " | ".join(columns) + " | seconds a fold |",
        "|---" * (len(columns) + 3) + "|",
    ]
    lines += [_line(row, results, heads) for row, results in by_row.items()]
    certainty = certainty_table(by_row, CONFIDENCE)
    chosen = by_row.pop(CHOSEN, [])
    by_row = {row: results for row, results in by_row.items() if _folds(results) & _folds(chosen)}
    if by_row:
        lines += ["", f"| less `{CHOSEN}` | " + " | ".join(columns) + " |"]
        lines.append("|---" * (len(columns) + 1) + "|")
        lines += [_difference(row, results, chosen, heads) for row, results in by_row.items()]
    return "\n".join(lines + certainty)


def describe(head: Head) -> str:
    """Title of a head's main score: `age, mae in years`."""
    metric = main_metric(head)
    return f"{head.name}, {metric.key}" + (f" in {head.metric_unit}" if metric.has_unit else "")


def _line(row: str, results: Results, heads: Heads) -> str:
    cells = []
    for head in heads:
        found = score_over_runs(head, _terms(results, head), CONFIDENCE)
        metric = main_metric(head)
        cells.append(_cell(found[metric.key], "{:.2f}" if metric.has_unit else "{:.1%}"))
        cells.append(_cell(found["skill"], "{:.3f}"))
    folds, seeds = len(_folds(results)), len({result["seed"] for result in results})
    seconds = sum(result["seconds"] for result in results) / len(results)
    return f"| {row} | {folds} x {seeds} | {' | '.join(cells)} | {seconds:.0f} |"


def _difference(row: str, results: Results, chosen: Results, heads: Heads) -> str:
    cells = []
    for head in heads:
        both = _terms(results, head), _terms(chosen, head)
        found = difference_over_runs(head, *both, CONFIDENCE)
        metric = main_metric(head)
        cells.append(_cell(found[metric.key], "{:+.2f}" if metric.has_unit else "{:+.1%}"))
        cells.append(_cell(found["skill"], "{:+.3f}"))
    return f"| {row} | {' | '.join(cells)} |"


def difference_over_runs(
    head: Head, runs: Sequence[Terms], others: Sequence[Terms], confidence: float
) -> dict[str, tuple[float, float, float]]:
    """Scores of `runs` less those of `others` on the authors that both judge, as `score_over_runs`.

    Both are resampled by the same authors: what makes an author hard for both does not widen the
    interval.
    """
    ours, theirs = mean_terms(runs), mean_terms(others)
    common = ours.keys() & theirs.keys()
    scores, less = (
        resampled(head, {author: means[author] for author in common}) for means in (ours, theirs)
    )
    differences = {name: values - less[name] for name, values in scores.items()}
    return with_intervals(differences, len(common), confidence)


def _folds(results: Results) -> set[int]:
    return {result["fold"] for result in results}


def _terms(results: Results, head: Head) -> list[Terms]:
    return [result["terms"][head.name] for result in results]


def _cell(values: Sequence[float], form: str) -> str:
    value, lower, upper = (form.format(number) for number in values)
    return f"{value} [{lower}, {upper}]"

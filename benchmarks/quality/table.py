"""The results of `measure` as one table, in Markdown.

Enters: a folder of results. Leaves: a line a row, with each head's score, its interval over
authors and its skill; the mean seconds a fold. Called by `__main__`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.quality.judge import MAIN_SCORES
from components.comparison.judging import score_over_runs

CONFIDENCE = 0.95


def make_table(folder: Path, heads: tuple[Any, ...]) -> str:
    """Markdown; rows in the order of their names' first files."""
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
    return "\n".join(lines)


def describe(head: Any) -> str:
    """Title of a head's main score: `age, mae in years`."""
    unit = f" in {head.unit}" if head.kind == "regression" else ""
    return f"{head.name}, {MAIN_SCORES[head.kind]}{unit}"


def _line(row: str, results: Sequence[dict[str, Any]], heads: tuple[Any, ...]) -> str:
    cells = []
    for head in heads:
        found = score_over_runs(
            head, [result["terms"][head.name] for result in results], CONFIDENCE
        )
        name = MAIN_SCORES[head.kind]
        form = "{:.2f}" if head.kind == "regression" else "{:.1%}"
        cells.append(_cell(found[name], form))
        cells.append(_cell(found["skill"], "{:.3f}"))
    folds, seeds = (len({result[key] for result in results}) for key in ("fold", "seed"))
    seconds = sum(result["seconds"] for result in results) / len(results)
    return f"| {row} | {folds} x {seeds} | {' | '.join(cells)} | {seconds:.0f} |"


def _cell(values: Sequence[float], form: str) -> str:
    value, lower, upper = (form.format(number) for number in values)
    return f"{value} [{lower}, {upper}]"

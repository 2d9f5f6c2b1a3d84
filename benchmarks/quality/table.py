"""The results of `measure` as tables, in Markdown.

    python -m benchmarks.quality.table runs/quality --less equal@runs/old

Of each row the scores of every head with their intervals over authors, the mean skill, and what a
fold costs. Of each `--less` (see `less`; without any, of `tuner`) the differences of the other rows
to it on the same authors, and a verdict a head.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.quality.certainty import certainty_table
from benchmarks.quality.judge import main_metric
from benchmarks.quality.less import (
    CONFIDENCE,
    ByRow,
    Less,
    Results,
    Scored,
    compare,
    mean_skill,
    read_less,
    read_results,
    score,
    verdict,
)
from benchmarks.quality.rows import read_row
from components.heads.base import Head
from components.heads.declared import Heads, parse_heads
from components.heads.metrics import SKILL

CHOSEN = "tuner"
UNKNOWN = "unknown"


def make_table(folder: Path, heads: Heads, less: Sequence[str] = (CHOSEN,)) -> str:
    """Markdown; rows in the order of their names.

    Raises:
        ValueError: `less` names a folder that cannot be compared.
    """
    by_row = read_results(folder)
    columns = [name for head in heads for name in (describe(head), f"{head.name} skill")]
    if len(heads) > 1:
        columns.append("mean skill")
    costs = ["seconds a fold", "CPU seconds"]
    lines = _title(["row", "folds x seeds", *columns, *costs])
    lines += [_line(row, results, heads) for row, results in by_row.items()]
    for name in less:
        lines += _less_table(by_row, read_less(name, folder, by_row), heads, columns)
    return "\n".join(lines + certainty_table(by_row, CONFIDENCE))


def describe(head: Head) -> str:
    """Title of a head's main score: `age, mae in years`."""
    metric = main_metric(head)
    return f"{head.name}, {metric.key}" + (f" in {head.metric_unit}" if metric.has_unit else "")


def _title(columns: Sequence[str]) -> list[str]:
    return [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]


def _line(row: str, results: Results, heads: Heads) -> str:
    cells = _cells([score(head, results) for head in heads], heads, "")
    folds, seeds = len(_folds(results)), len({result["seed"] for result in results})
    costs = (_mean_cost(results, name) for name in ("seconds", "cpu_seconds"))
    return f"| {row} | {folds} x {seeds} | {' | '.join([*cells, *costs])} |"


def _mean_cost(results: Results, name: str) -> str:
    """Seconds a fold; earlier results have none of the processors."""
    told = [result[name] for result in results if name in result]
    return f"{sum(told) / len(told):.0f}" if told else UNKNOWN


def _less_table(by_row: ByRow, less: Less, heads: Heads, columns: Sequence[str]) -> list[str]:
    lines = []
    for name, results in by_row.items():
        others = less.cut_like(read_row(name))
        if others is None or any(other is results for other in others.values()):
            continue
        compared = [compare(head, results, others) for head in heads]
        if any(head.authors for head in compared):
            cells = [*_cells(compared, heads, "+"), _verdicts(compared, heads, len(others) > 1)]
            lines.append(f"| {name} | {' | '.join(cells)} |")
    return ["", *_title([f"less `{less.name}`", *columns, "skill is"]), *lines] if lines else []


def _cells(scored: Sequence[Scored], heads: Heads, sign: str) -> list[str]:
    cells = []
    for head, one in zip(heads, scored, strict=True):
        found, metric = one.found(), main_metric(head)
        form = ".2f" if metric.has_unit else ".1%"
        cells.append(_cell(found.get(metric.key), f"{{:{sign}{form}}}"))
        cells.append(_cell(found.get(SKILL), f"{{:{sign}.3f}}"))
    if len(heads) > 1:
        cells.append(_cell(mean_skill(scored).found().get(SKILL), f"{{:{sign}.3f}}"))
    return cells


def _verdicts(compared: Sequence[Scored], heads: Heads, named: bool) -> str:
    said = []
    for head, one in zip(heads, compared, strict=True):
        if one.authors:
            best = f" `{one.best}`" if named else ""
            said.append(f"{head.name} {verdict(*one.found()[SKILL])}{best}")
    if len(heads) > 1 and len(said) == len(heads):
        said.append(f"mean {verdict(*mean_skill(compared).found()[SKILL])}")
    return ", ".join(said)


def _folds(results: Results) -> set[int]:
    return {result["fold"] for result in results}


def _cell(values: Sequence[float] | None, form: str) -> str:
    if values is None:
        return UNKNOWN
    value, lower, upper = (form.format(number) for number in values)
    return f"{value} [{lower}, {upper}]"


def heads_of(folder: Path) -> Heads:
    """The heads that a folder's results are of."""
    if not (folder / "measured.json").exists():
        raise ValueError(f"{folder} is no folder of results.")
    told = json.loads((folder / "measured.json").read_text(encoding="utf-8"))
    declared = json.loads(told["settings"]["heads"])
    if "heads" in declared:  # Earlier commits told the list alone.
        declared = declared["heads"]
    return parse_heads({head["name"]: head for head in declared})


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit code: 0 printed, 2 a wrong argument."""
    parser = argparse.ArgumentParser(prog="quality.table", description="Prints what was measured.")
    parser.add_argument("folder", type=Path, help="of the results, as `--out` of the measurement")
    parser.add_argument("--less", action="append", help="rows to compare with; see `less`")
    options = parser.parse_args(arguments)
    try:
        table = make_table(options.folder, heads_of(options.folder), options.less or (CHOSEN,))
    except (ValueError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(f"{table}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

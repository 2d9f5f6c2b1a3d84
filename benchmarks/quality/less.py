"""Rows less another row on the same authors, of the same folder of results or of another.

`--less equal` subtracts a row, `--less equal@runs/old` that of another folder, and
`--less "linear,sklearn:pairs"` head by head the one with the most skill. A row that learned from
fewer authors is compared with what learned from as few. The verdict is on skill, which every head
has: *above* (the interval is wholly above 0), *not below* (a difference of at least -0.005, whose
interval is not wholly below 0), else *below*.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.quality.rows import Row, read_row
from components.comparison.judging import Terms, mean_terms, resampled, with_intervals
from components.heads.base import Head
from components.heads.metrics import SKILL

CONFIDENCE = 0.95
NEGLIGIBLE = 0.005

Results = Sequence[dict[str, Any]]
ByRow = Mapping[str, Results]


@dataclass(frozen=True)
class Less:
    """Rows of which the best is subtracted.

    Attributes:
        name: as it was asked for.
        rows: of each alternative, as it was asked for, the row and the results to find it in.
    """

    name: str
    rows: Mapping[str, tuple[Row, ByRow]]

    def cut_like(self, row: Row) -> dict[str, Results] | None:
        """The alternatives, learned from as many authors; None unless all were measured."""
        found = {
            name: find(wanted.cut_to(row.kept), by_row)
            for name, (wanted, by_row) in self.rows.items()
        }
        return found if all(found.values()) else None


def read_results(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """The results of a folder by the name of their row."""
    by_row: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(folder.glob("*-fold*-seed*.json")):
        result = json.loads(path.read_text(encoding="utf-8"))
        by_row.setdefault(result["row"], []).append(result)
    return by_row


def read_less(name: str, folder: Path, by_row: ByRow) -> Less:
    """What an argument `--less` asks for, of the results of `folder` and of those it names.

    Raises:
        ValueError: a folder has no results, or other folds.
    """
    rows = {}
    for part in name.split(","):
        row, _, other = part.partition("@")
        if other and _number_of_folds(Path(other)) != _number_of_folds(folder):
            raise ValueError(f"{other} has another number of folds than {folder}.")
        rows[part] = read_row(row), read_results(Path(other)) if other else by_row
    return Less(name, rows)


def _number_of_folds(folder: Path) -> int:
    told = folder / "measured.json"
    if not told.exists():
        raise ValueError(f"{folder} is no folder of results.")
    return int(json.loads(told.read_text(encoding="utf-8"))["folds"])


def find(row: Row, by_row: ByRow) -> Results:
    """The results of a row, by whichever name it was measured; none where it was not."""
    return next((results for name, results in by_row.items() if read_row(name) == row), [])


@dataclass(frozen=True)
class Scored:
    """Scores of one head, or differences of scores.

    Attributes:
        scores: on all authors, then in each replicate of the bootstrap; none where none is judged.
        authors: that are judged.
        best: the alternative that was subtracted.
    """

    scores: Mapping[str, np.ndarray]
    authors: int
    best: str = ""

    def found(self) -> dict[str, tuple[float, float, float]]:
        """By score (value, lower end, upper end), NaN where undefined."""
        return with_intervals(self.scores, self.authors, CONFIDENCE)


def score(head: Head, results: Results) -> Scored:
    """A head's scores; an author's terms are averaged over seeds."""
    means = mean_terms(_terms(results, head))
    return Scored(resampled(head, means), len(means))


def compare(head: Head, results: Results, others: Mapping[str, Results]) -> Scored:
    """Scores less those of the alternative that has the most skill.

    Only authors that all of them judge count, and all are resampled by the same ones: what makes an
    author hard for two rows does not widen the interval of their difference.
    """
    ours = mean_terms(_terms(results, head))
    theirs = {name: mean_terms(_terms(other, head)) for name, other in others.items()}
    common = set(ours).intersection(*theirs.values())
    if not common:
        return Scored({}, 0)
    scores, *less = (
        resampled(head, {author: means[author] for author in common})
        for means in (ours, *theirs.values())
    )
    by_name = dict(zip(theirs, less, strict=True))
    best = max(by_name, key=lambda name: by_name[name][SKILL][0])
    differences = {name: values - by_name[best][name] for name, values in scores.items()}
    return Scored(differences, len(common), best)


def mean_skill(heads: Sequence[Scored]) -> Scored:
    """The mean of the heads' skills, which were all resampled by the same authors."""
    skills = [head.scores[SKILL] for head in heads if head.authors]
    if len(skills) < len(heads):
        return Scored({}, 0)
    return Scored({SKILL: np.mean(skills, axis=0)}, min(head.authors for head in heads))


def _terms(results: Results, head: Head) -> list[Terms]:
    return [result["terms"].get(head.name, {}) for result in results]


def verdict(value: float, lower: float, upper: float) -> str:
    """In words, of a difference of skill and its interval.

    >>> [verdict(*one) for one in ((0.01, 0.002, 0.02), (-0.004, -0.01, 0.001), (-0.006, -0.02, 1))]
    ['above', 'not below', 'below']
    """
    if math.isnan(lower) or math.isnan(upper):
        return "undecided"
    if lower > 0:
        return "above"
    return "not below" if value >= -NEGLIGIBLE and upper >= 0 else "below"

"""Scores of networks that were trained several times: over seeds, with intervals over authors.

Enters: each author's terms of every run (the sums that the Evaluator adds up,
`components.judging.scores`). Leaves: a head's scores with the Evaluator's own bootstrap. Terms of
an author are averaged over the runs before the bootstrap, so the interval says how far the mean
over seeds may be off for other authors. Called by `component`. Memory: the terms of every author
judged, about 200 bytes a head.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from components.judging.bootstrap import author_weights, interval
from components.judging.scores import head_scores

Terms = Mapping[str, Sequence[float]]
"""{author_id: terms} of one head in one run."""


def score_over_runs(
    head: Any, runs: Sequence[Terms], confidence: float
) -> dict[str, tuple[float, float, float]]:
    """Scores of one head as (value, lower end, upper end), NaN where undefined.

    Args:
        head: as declared.
        runs: terms by author, a mapping a run.
        confidence: level of the intervals.
    """
    by_author: dict[str, list[Sequence[float]]] = {}
    for run in runs:
        for author, terms in run.items():
            by_author.setdefault(author, []).append(terms)
    authors = sorted(by_author)
    if not authors:
        return {}
    means = np.array([np.mean(by_author[author], axis=0) for author in authors])
    sums = sum(
        np.outer(author_weights(author.encode()), row)
        for author, row in zip(authors, means, strict=True)
    )
    scores = head_scores(head).scores(np.asarray(sums), means.sum(axis=0))
    return {
        name: (float(values[0]), *interval(values[1:], len(authors), confidence))
        for name, values in scores.items()
    }

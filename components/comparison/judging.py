"""Scores of networks that were trained several times: over seeds, with intervals over authors.

Enters: each author's terms of every run (the sums that the Evaluator adds up, `Head.terms`).
Leaves: a head's scores with the Evaluator's own bootstrap. Terms of an author are averaged over the
runs before the bootstrap, so the interval says how far the mean over seeds may be off for other
authors. Memory: the terms of every author judged, about 200 bytes a head.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from components.heads.base import Head
from components.judging.bootstrap import author_weights, interval

Terms = Mapping[str, Sequence[float]]
"""{author_id: terms} of one head in one run."""


def score_over_runs(
    head: Head, runs: Sequence[Terms], confidence: float
) -> dict[str, tuple[float, float, float]]:
    """Scores of one head as (value, lower end, upper end), NaN where undefined."""
    means = mean_terms(runs)
    return with_intervals(resampled(head, means), len(means), confidence)


def mean_terms(runs: Sequence[Terms]) -> dict[str, np.ndarray]:
    """By author the terms averaged over the runs."""
    by_author: dict[str, list[Sequence[float]]] = {}
    for run in runs:
        for author, terms in run.items():
            by_author.setdefault(author, []).append(terms)
    return {author: np.mean(terms, axis=0) for author, terms in by_author.items()}


def resampled(head: Head, means: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Each score on all authors, then on each of the bootstrap's samples of them."""
    if not means:
        return {}
    sums = sum(np.outer(author_weights(a.encode()), means[a]) for a in sorted(means))
    total = sum(means[author] for author in sorted(means))
    return head.scores(np.asarray(sums), np.asarray(total))


def with_intervals(
    scores: Mapping[str, np.ndarray], authors: int, confidence: float
) -> dict[str, tuple[float, float, float]]:
    """Scores of `resampled` as (value, lower end, upper end), NaN where undefined."""
    return {
        name: (float(values[0]), *interval(values[1:], authors, confidence))
        for name, values in scores.items()
    }

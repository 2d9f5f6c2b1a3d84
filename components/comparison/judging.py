"""Scores of networks that were trained several times: over seeds, with intervals over authors.

Enters: each author's terms of every run (the sums that the Evaluator adds up,
`Head.terms`). Leaves: a head's scores with the Evaluator's own bootstrap. Terms of
an author are averaged over the runs before the bootstrap, so the interval says how far the mean
over seeds may be off for other authors. Called by `component`. Memory: the terms of every author
judged, about 200 bytes a head.
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
    """Scores of one head as (value, lower end, upper end), NaN where undefined.

    Args:
        head: as declared.
        runs: terms by author, a mapping a run.
        confidence: level of the intervals.
    """
    means = _mean_terms(runs)
    return _with_intervals(_resampled(head, means), len(means), confidence)


def difference_over_runs(
    head: Head, runs: Sequence[Terms], others: Sequence[Terms], confidence: float
) -> dict[str, tuple[float, float, float]]:
    """Scores of `runs` less those of `others` on the authors that both judge, as above.

    Both are resampled by the same authors: what makes an author hard for both does not widen the
    interval.
    """
    ours, theirs = _mean_terms(runs), _mean_terms(others)
    common = ours.keys() & theirs.keys()
    scores, less = (
        _resampled(head, {author: means[author] for author in common}) for means in (ours, theirs)
    )
    differences = {name: values - less[name] for name, values in scores.items()}
    return _with_intervals(differences, len(common), confidence)


def _mean_terms(runs: Sequence[Terms]) -> dict[str, np.ndarray]:
    by_author: dict[str, list[Sequence[float]]] = {}
    for run in runs:
        for author, terms in run.items():
            by_author.setdefault(author, []).append(terms)
    return {author: np.mean(terms, axis=0) for author, terms in by_author.items()}


def _resampled(head: Head, means: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Each score on all authors, then on each of the bootstrap's samples of them."""
    if not means:
        return {}
    sums = sum(np.outer(author_weights(a.encode()), means[a]) for a in sorted(means))
    total = sum(means[author] for author in sorted(means))
    return head.scores(np.asarray(sums), np.asarray(total))


def _with_intervals(
    scores: Mapping[str, np.ndarray], authors: int, confidence: float
) -> dict[str, tuple[float, float, float]]:
    return {
        name: (float(values[0]), *interval(values[1:], authors, confidence))
        for name, values in scores.items()
    }

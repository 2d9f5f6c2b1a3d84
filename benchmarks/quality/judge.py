"""Answers of `test` authors to the terms that scores are made of, and the constant's answers.

Enters: a fold's answers, standardised as the network gives them. Leaves: each author's terms (the
sums that the pipeline's Evaluator adds up, `Head.terms`), which are kept in the results;
`components.comparison.judging` makes scores of them. Called by `measure` and `table`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from benchmarks.quality.corpus import Corpus, Fold, targets_of
from components.heads.base import Head
from components.heads.declared import Heads
from components.heads.metrics import Metric

Terms = dict[str, dict[str, list[float]]]
"""{head: {author_id: terms}}."""


def author_terms(
    corpus: Corpus, heads: Heads, fold: Fold, answers: Mapping[str, np.ndarray]
) -> Terms:
    """Terms of each `test` author whose label is known, in the head's own unit."""
    targets, known = targets_of(corpus, heads, fold.test, fold.facts)
    terms: Terms = {}
    for head in heads:
        if head.name not in answers:
            continue
        label, given = (
            head.natural(np.asarray(values[head.name], float), fold.facts)
            for values in (targets, answers)
        )
        judged = head.judged_by(head.found(fold.facts))
        terms[head.name] = {
            corpus.authors[number]: [float(f"{v:.6g}") for v in judged.terms(y, p)]
            for number, y, p, mask in zip(fold.test, label, given, known[head.name], strict=True)
            if mask
        }
    return terms


def constant_answers(corpus: Corpus, heads: Heads, fold: Fold) -> dict[str, np.ndarray]:
    """What `train` alone would answer for everybody: median, shares of the values."""
    targets, known = targets_of(corpus, heads, fold.train, fold.facts)
    answers = {}
    for head in heads:
        values = targets[head.name][known[head.name] > 0]
        middle = np.median if head.served.may_have_interval else np.mean
        answers[head.name] = np.tile(middle(values, axis=0), (len(fold.test), 1))
    return answers


def main_metric(head: Head) -> Metric:
    """The first of its metrics that terms make, which need no order of the authors."""
    nothing = np.zeros(head.term_count)
    made = head.scores(nothing, nothing)
    return next(metric for metric in head.metrics if metric.key in made)

"""Answers of `test` authors to the terms that scores are made of, and the constant's answers.

Enters: a fold's answers, standardised as the network gives them. Leaves: each author's terms (the
sums that the pipeline's Evaluator adds up, `Head.terms`), which are kept in the
results; `components.comparison.judging` makes scores of them. Called by `measure` and `table`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks.quality.corpus import Corpus, Fold, targets_of

MAIN_SCORES = {"regression": "mae", "classes": "accuracy", "binary": "accuracy"}

Terms = dict[str, dict[str, list[float]]]
"""{head: {author_id: terms}}."""


def author_terms(
    corpus: Corpus, heads: tuple[Any, ...], fold: Fold, answers: Mapping[str, np.ndarray]
) -> Terms:
    """Terms of each `test` author whose label is known, in the head's own unit."""
    targets, known = targets_of(corpus, heads, fold.test, fold.scales, fold.boundaries)
    terms: Terms = {}
    for head in heads:
        if head.name not in answers:
            continue
        scale = fold.scales.get(head.name)
        label, given = targets[head.name].astype(float), np.asarray(answers[head.name], float)
        if scale:
            label, given = (scale[0] + scale[1] * values for values in (label, given))
        terms[head.name] = {
            corpus.authors[number]: [float(f"{v:.6g}") for v in head.terms(y, p)]
            for number, y, p, mask in zip(fold.test, label, given, known[head.name], strict=True)
            if mask
        }
    return terms


def constant_answers(corpus: Corpus, heads: tuple[Any, ...], fold: Fold) -> dict[str, np.ndarray]:
    """What `train` alone would answer for everybody: median, shares of the values."""
    targets, known = targets_of(corpus, heads, fold.train, fold.scales, fold.boundaries)
    answers = {}
    for head in heads:
        values = targets[head.name][known[head.name] > 0]
        middle = np.median if head.kind == "regression" else np.mean
        answers[head.name] = np.tile(middle(values, axis=0), (len(fold.test), 1))
    return answers

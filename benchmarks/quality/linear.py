"""The reference: TF-IDF of words with a logistic or ridge regression a head, by scikit-learn.

Enters: a fold's token ids and targets. Leaves: answers of the `test` authors. Strengths are the
usual ones (C = 4, alpha = 1), not searched. Called by `measure`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge

from benchmarks.quality.corpus import Corpus, Fold, targets_of

LOGISTIC_STRENGTH = 4.0
RIDGE_STRENGTH = 1.0


def linear_answers(corpus: Corpus, heads: tuple[Any, ...], fold: Fold) -> dict[str, np.ndarray]:
    """Fits on `train` and `eval`; answers as the network does, standardised or as shares."""
    learned = np.setdiff1d(np.arange(len(corpus.authors)), fold.test)
    words = TfidfVectorizer(analyzer=list, sublinear_tf=True, min_df=2)
    train = words.fit_transform([corpus.tokens[i] for i in learned])
    test = words.transform([corpus.tokens[i] for i in fold.test])
    targets, known = targets_of(corpus, heads, learned, fold.scales, fold.boundaries)
    answers = {}
    for head in heads:
        rows = known[head.name] > 0
        target = targets[head.name][rows]
        if head.kind == "regression":
            ridge = Ridge(alpha=RIDGE_STRENGTH, solver="sparse_cg", tol=1e-3)
            answers[head.name] = ridge.fit(train[rows], target).predict(test).reshape(-1, 1)
            continue
        classes = target[:, 0].astype(int) if head.kind == "binary" else target.argmax(axis=1)
        logistic = LogisticRegression(C=LOGISTIC_STRENGTH, max_iter=300)
        shares = logistic.fit(train[rows], classes).predict_proba(test)
        if head.kind == "classes":
            full = np.zeros((len(fold.test), head.classes))
            full[:, logistic.classes_] = shares
            answers[head.name] = full
        else:
            answers[head.name] = shares[:, 1:]
    return answers

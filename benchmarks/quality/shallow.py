"""Models without a network, by scikit-learn: the linear reference, and others that were tried.

Enters: a fold's tokens and targets. Leaves: answers of the `test` authors. Each model learns from
`train` and `eval`, with a strength that is given, not searched. Called by `measure`.

| row | features | model |
|---|---|---|
| `linear` | TF-IDF of words | logistic regression, ridge regression |
| `sklearn:<name>` | see `SHALLOW` | see `SHALLOW` |
"""

from __future__ import annotations

import collections
import heapq
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC, SVR, LinearSVC, LinearSVR

from benchmarks.quality.corpus import Corpus, Fold, targets_of
from components.heads.calibration import all_groups
from components.heads.declared import Heads

FEWEST_AUTHORS = 2
LATENT_DIMENSIONS = 300
SEED = 1

# Words that stand so far apart make a feature; a word alone has no distance.
PHRASES: dict[str, tuple[int, ...]] = {
    "words": (),
    "pairs": (1,),
    "triples": (1, 2),
    "pairs over a gap": (2,),
}
ALL = 10**9


@dataclass(frozen=True)
class Shallow:
    """One model.

    Attributes:
        classifier, regressor: make scikit-learn's estimators, of classes and of numbers.
        phrases: most of each of `PHRASES` beside the words, the commonest.
        weighting: arguments of `TfidfVectorizer`.
    """

    classifier: Callable[[], Any]
    regressor: Callable[[], Any]
    phrases: Mapping[str, int] = field(default_factory=dict)
    weighting: Mapping[str, Any] = field(default_factory=lambda: {"sublinear_tf": True})


def _logistic(strength: float = 20.0) -> LogisticRegression:
    return LogisticRegression(C=strength, max_iter=300)


def _ridge(strength: float = 0.3) -> Ridge:
    return Ridge(alpha=strength, solver="sparse_cg", tol=1e-3)


def _latent(model: Any) -> Any:
    return make_pipeline(TruncatedSVD(LATENT_DIMENSIONS, random_state=SEED), model)


_PAIRS = {"pairs": 50_000}
SHALLOW: dict[str, Shallow] = {
    "linear": Shallow(lambda: _logistic(4.0), lambda: _ridge(1.0)),
    "words": Shallow(_logistic, _ridge),
    "pairs": Shallow(_logistic, _ridge, _PAIRS),
    "20k pairs": Shallow(_logistic, _ridge, {"pairs": 20_000}),
    "all pairs": Shallow(_logistic, _ridge, {"pairs": ALL}),
    "triples": Shallow(_logistic, _ridge, {**_PAIRS, "triples": 20_000}),
    "gaps": Shallow(_logistic, _ridge, {**_PAIRS, "pairs over a gap": 20_000}),
    "presence": Shallow(_logistic, _ridge, _PAIRS, {"binary": True}),
    "counts": Shallow(_logistic, _ridge, _PAIRS, {}),
    "no rarity": Shallow(_logistic, _ridge, _PAIRS, {"sublinear_tf": True, "use_idf": False}),
    "svm": Shallow(
        lambda: CalibratedClassifierCV(LinearSVC(C=0.5), cv=3), lambda: LinearSVR(C=1.0), _PAIRS
    ),
    "bagging": Shallow(
        lambda: BaggingClassifier(_logistic(), 5, random_state=SEED),
        lambda: BaggingRegressor(_ridge(), 5, random_state=SEED),
        _PAIRS,
    ),
    "latent": Shallow(lambda: _latent(_logistic()), lambda: _latent(Ridge(0.3)), _PAIRS),
    "kernel": Shallow(
        lambda: _latent(CalibratedClassifierCV(SVC(), cv=3, ensemble=False)),
        lambda: _latent(SVR()),
        _PAIRS,
    ),
    "trees": Shallow(
        lambda: _latent(HistGradientBoostingClassifier(random_state=SEED)),
        lambda: _latent(HistGradientBoostingRegressor(random_state=SEED)),
        _PAIRS,
    ),
}


def shallow_answers(corpus: Corpus, heads: Heads, fold: Fold, name: str) -> dict[str, np.ndarray]:
    """Fits on `train` and `eval`; answers as the network does, standardised or as shares."""
    shallow = SHALLOW[name]
    learned = np.setdiff1d(np.arange(len(corpus.authors)), fold.test)
    train, test = weigh(
        shallow, *([corpus.tokens[i] for i in rows] for rows in (learned, fold.test))
    )
    targets, known = targets_of(corpus, heads, learned, fold.facts)
    answers = {}
    for head in heads:
        rows = known[head.name] > 0
        target = targets[head.name][rows]
        if head.served.may_have_interval:
            model = shallow.regressor().fit(train[rows], target[:, 0])
            answers[head.name] = model.predict(test).reshape(-1, 1)
            continue
        groups = all_groups(target)
        model = shallow.classifier().fit(train[rows], groups.argmax(axis=1))
        shares = np.zeros((len(fold.test), groups.shape[1]))
        shares[:, model.classes_] = model.predict_proba(test)
        answers[head.name] = shares[:, -head.width :]
    return answers


def weigh(shallow: Shallow, train: list[list[bytes]], test: list[list[bytes]]) -> tuple[Any, Any]:
    """Sparse features of each author, `[authors, features]`; what is known is known of `train`."""
    kinds = ("words", *shallow.phrases)
    kept = set[bytes]()
    for kind in kinds:
        most = shallow.phrases.get(kind, ALL)
        kept |= commonest((phrases_of(words, PHRASES[kind]) for words in train), most)

    def kept_phrases(words: list[bytes]) -> list[bytes]:
        found = itertools.chain.from_iterable(phrases_of(words, PHRASES[kind]) for kind in kinds)
        return [phrase for phrase in found if phrase in kept]

    tfidf = TfidfVectorizer(analyzer=kept_phrases, **shallow.weighting)
    return tfidf.fit_transform(train), tfidf.transform(test)


def phrases_of(words: Sequence[bytes], distances: tuple[int, ...]) -> list[bytes]:
    """A word and those so far behind it, as often as they stand there.

    >>> phrases_of([b"a", b"b", b"c", b"d"], (2,))
    [b'a  c', b'b  d']
    """
    if not distances:
        return list(words)
    spans = [
        words[start : start + distances[-1] + 1] for start in range(len(words) - distances[-1])
    ]
    gaps = [place not in (0, *distances) for place in range(distances[-1] + 1)]
    return [
        b" ".join(b"" if gap else word for word, gap in zip(span, gaps, strict=True))
        for span in spans
    ]


def commonest(authors: Iterable[list[bytes]], most: int) -> set[bytes]:
    """The phrases with the most uses, of those that two authors have."""
    uses: collections.Counter[bytes] = collections.Counter()
    having: collections.Counter[bytes] = collections.Counter()
    for phrases in authors:
        uses.update(phrases)
        having.update(set(phrases))
    known = [phrase for phrase, count in having.items() if count >= FEWEST_AUTHORS]
    return set(heapq.nlargest(most, known, key=lambda phrase: (uses[phrase], phrase)))

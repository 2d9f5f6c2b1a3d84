"""Linear models per head, and for each author the logits of one that did not see its label.

Authors are in `PARTS` parts by a hash of their id. An author of part p is answered by weights
fitted without p, and by a link fitted on authors of other parts, who are answered by weights
without p and without their own part: so no label of part p has a share in its answers but for the
strength of the penalty and the thresholds of a number, which follow from all of `train`.
Every fit but those of the search for a strength starts from the best constant, since a fit that
starts from the weights of all authors keeps something of their labels.

Reference: Wolpert, "Stacked Generalization", 1992.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from components.heads.base import Head
from components.heads.links import Link
from components.linear.artifact import FINAL, PARTS, SELECTION, LinearHead, fold_set
from components.linear.solver import Directions, Fit, Rows, fit_weights

STRENGTHS = (10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01)
"""Of the penalty, beside a squared error of standardised numbers; tried until the loss rises."""
HELD_OUT = 1_000
"""Authors that strengths are compared on where there are more; else all are, part by part."""
FEW_AUTHORS = 1_500
"""Below it `eval` is too small to choose by, and there are sets for folds."""

Without = frozenset[int]
"""Parts that a model did not see."""


@dataclass(frozen=True)
class Authors:
    """The authors that models are fitted on.

    Attributes:
        rows: TF-IDF, in blocks.
        part: int `[rows]`, from 0 to `PARTS` - 1.
        is_train: bool `[rows]`; the others are of `eval`.
        targets: float32 `[rows, width]` by head, finite where unknown.
        known: bool `[rows]` by head.
        directions: of the rows.
        in_all: authors of both splits, those that are not fitted among them.
    """

    rows: Rows
    part: np.ndarray
    is_train: np.ndarray
    targets: Mapping[str, np.ndarray]
    known: Mapping[str, np.ndarray]
    directions: Directions
    in_all: int

    @property
    def are_few(self) -> bool:
        """Whether parts are held out in turn, in place of `eval`.

        Not where some are not fitted: these are answered by the model of all that are, which has
        seen the labels of the part that is held out.
        """
        return len(self.part) == self.in_all < FEW_AUTHORS


@dataclass(frozen=True)
class Sample:
    """One head's labels.

    Attributes:
        authors: all of them.
        link: of the head.
        targets: float64 `[rows, width]`.
        chosen: bool `[rows]`: known, and of the split or splits that are fitted.
    """

    authors: Authors
    link: Link
    targets: np.ndarray
    chosen: np.ndarray

    def fit(self, chosen: np.ndarray, strength: float, start: Fit | None = None) -> Fit:
        """Weights by the chosen rows."""
        rows, known = self.authors.rows, self.authors.directions
        return fit_weights(rows, self.targets, chosen, self.link, strength, known, start)


@dataclass(frozen=True)
class CrossFitted:
    """One head's models and offsets.

    Attributes:
        models: `selection` and `final`.
        offsets: float32 `[rows, logits]` by set.
        facts: what was chosen and measured.
    """

    models: Mapping[str, LinearHead]
    offsets: Mapping[str, np.ndarray]
    facts: Mapping[str, Any]


def cross_fit(head: Head, authors: Authors) -> CrossFitted:
    """Chooses the strength of the penalty and fits one head's sets.

    Raises:
        ValueError: no label of the head is known in `train`.
    """
    started = time.monotonic()
    known, targets = authors.known[head.name], authors.targets[head.name].astype("float64")
    in_train = known & authors.is_train
    if not in_train.any():
        raise ValueError(
            f"a linear model needs labels in `train`; heads.{head.name} has none of the "
            f"{len(known):,} authors that are fitted. Add authors with labels, raise "
            "baseline.authors where it is below their number, or leave the head out with --heads"
        )
    link = head.link(targets[in_train])
    train = Sample(authors, link, targets, in_train)
    losses = held_out_losses(head, train)
    strength = min(losses, key=losses.__getitem__)
    selection = NestedFits(train, authors.is_train, strength)
    both = Sample(authors, link, targets, known)
    final = NestedFits(both, np.ones_like(known), strength, folds=authors.are_few)
    offsets = {SELECTION: selection.offsets(), FINAL: final.offsets()}
    if authors.are_few:
        offsets |= {fold_set(fold): final.offsets(fold) for fold in range(PARTS)}
    facts = {
        "strength": strength,
        "strengths": list(losses),
        "losses": list(losses.values()),
        "labels": {"train": int(in_train.sum()), "both": int(known.sum())},
        "columns": link.columns,
        "logits": link.logits,
        "seconds": round(time.monotonic() - started, 2),
    }
    models = {SELECTION: selection.model(), FINAL: final.model()}
    return CrossFitted(models, offsets, facts)


def held_out_losses(head: Head, sample: Sample) -> dict[float, float]:
    """The head's mean loss by strength, on parts of `train` that the weights did not see.

    From the strongest on, each fit starting from the last one of the same rows, until the loss is
    above the least.
    """
    part, link = sample.authors.part, sample.link
    held = np.cumsum(np.bincount(part[sample.chosen], minlength=PARTS))
    parts = range(min(int(np.searchsorted(held, HELD_OUT)) + 1, PARTS))
    judged = sample.chosen & np.isin(part, parts)
    targets = sample.targets[judged]
    starts: dict[int, Fit | None] = dict.fromkeys(parts)
    losses: dict[float, float] = {}
    for strength in (base * link.curvature for base in STRENGTHS):
        scores = np.zeros((len(part), link.columns))
        for number in parts:
            own = part == number
            fit = sample.fit(sample.chosen & ~own, strength, starts[number])
            starts[number], scores[own] = fit, fit.scores(sample.authors.rows)[own]
        mixing, bias = link.fit(scores[judged], targets)
        answers = link.answers(scores[judged] @ mixing + bias)
        losses[strength] = float(head.losses(answers, targets).mean())
        if losses[strength] > min(losses.values()):
            break
    return losses


class NestedFits:
    """One head's models of some authors, each without some of their parts.

    Args:
        sample: whose chosen rows are fitted.
        members: bool `[rows]`: authors of the fitted splits, their labels known or not.
        strength: of the penalty.
        folds: whether `offsets` of folds will be asked for.
    """

    def __init__(
        self, sample: Sample, members: np.ndarray, strength: float, *, folds: bool = False
    ) -> None:
        self._sample, self._members, self._part = sample, members, sample.authors.part
        self._scores: dict[Without, np.ndarray] = {}
        self._links: dict[Without, tuple[np.ndarray, np.ndarray]] = {}
        for without in sets_without(all_pairs=sample.authors.are_few, folds=folds):
            chosen = sample.chosen & ~np.isin(self._part, list(without))
            fit = sample.fit(chosen, strength)
            self._scores[without] = fit.scores(sample.authors.rows)
            if not without:
                self._whole = fit

    def model(self) -> LinearHead:
        """That of all chosen rows, which answers every author that is no member."""
        mixing, bias = self._mixing(frozenset())
        bias = self._whole.intercepts @ mixing + bias
        return LinearHead(
            self._sample.link,
            self._whole.weights,
            mixing.astype("float32"),
            bias.astype("float32"),
        )

    def offsets(self, fold: int | None = None) -> np.ndarray:
        """Logits of each author by models without its part and without the fold's."""
        held: Without = frozenset() if fold is None else frozenset({fold})
        offsets = self._logits(held)
        for part in range(PARTS):
            own = self._members & (self._part == part)
            offsets[own] = self._logits(held | {part})[own]
        return offsets.astype("float32")

    def _logits(self, without: Without) -> np.ndarray:
        mixing, bias = self._mixing(without)
        return np.asarray(self._scores[without] @ mixing + bias)

    def _mixing(self, without: Without) -> tuple[np.ndarray, np.ndarray]:
        """The link's fit for a model, by authors of other parts whose weights saw neither."""
        if without not in self._links:
            self._links[without] = self._fit_link(without)
        return self._links[without]

    def _fit_link(self, without: Without) -> tuple[np.ndarray, np.ndarray]:
        scores, targets = [], []
        for part in range(PARTS):
            if part not in without and without | {part} in self._scores:
                own = self._sample.chosen & (self._part == part)
                scores.append(self._scores[without | {part}][own])
                targets.append(self._sample.targets[own])
        return self._sample.link.fit(np.concatenate(scores), np.concatenate(targets))


def sets_without(*, all_pairs: bool, folds: bool) -> Iterable[Without]:
    """What the models of `NestedFits` do not see: nothing, each part, pairs of parts.

    Of many authors a part's link is fitted on two other parts, which needs five pairs in place of
    ten. Folds need triples too: an author outside of the fold has an answer without both parts,
    whose link takes a third.
    """
    yield frozenset()
    yield from (frozenset({part}) for part in range(PARTS))
    if all_pairs:
        yield from map(frozenset, itertools.combinations(range(PARTS), 2))
    else:
        yield from (frozenset({part, (part + 1) % PARTS}) for part in range(PARTS))
    if folds:
        yield from map(frozenset, itertools.combinations(range(PARTS), 3))

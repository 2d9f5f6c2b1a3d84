"""What each kind of head is scored by, from sums over authors that can be added in any order.

Enters: one author's label y and prediction p, in natural units. Leaves: the author's terms; of
terms summed over authors, the head's scores, and those of the best constant predictor. Called by
`metrics`, and knows nothing of TFMA.

| kind | score | constant predictor |
|---|---|---|
| regression | `mae`, `rmse` in the head's unit | the median, the mean |
| classes | `accuracy`; `within_one_group` | the commonest group; the best placed group |
| classes, binary | `cross_entropy` in nats | the labels' shares |
| binary | `auc`; `accuracy` at 0.5 | 0.5; the commoner value |

Each has `skill`: 1 - loss / loss of the constant that is best in hindsight on these authors. That
constant is fitted once, on all of them, and held in every replicate: fitting it anew would count
its overfit a second time (on 50 authors and ten groups the interval then held the truth in 77 % of
simulated splits, and in 91 % with the constant held).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.heads.binary import BinaryHead
from components.heads.classes import ClassesHead
from components.heads.regression import RegressionHead
from components.judging.bootstrap import REPLICATES

Array = NDArray[np.float64]

BINS = 4000
CLIP = 1e-7
_NEGLIGIBLE = 1e-12
_SEED = 20_231
_BLOCKS = 10


class HeadScores(ABC):
    """Scores of one head. `sums` end in the axis of the terms; any axes before it are kept."""

    term_count: int
    histogram_shape: tuple[int, ...] = (0,)

    @abstractmethod
    def terms(self, label: Array, prediction: Array) -> Array:
        """One author's terms, `[term_count]`; label and prediction are `[units]`."""

    def deposit(self, histogram: Array, label: Array, prediction: Array) -> None:  # noqa: B027
        """Adds one author to the histogram, in place; nothing where a head keeps none."""

    @abstractmethod
    def labels(self, sums: Array) -> Array:
        """Weighted number of known labels."""

    @abstractmethod
    def scores(self, sums: Array, whole: Array) -> dict[str, Array]:
        """Scores by name, NaN where undefined. `whole`: the terms summed over all authors."""

    def ranked_scores(self, histogram: Array) -> dict[str, Array]:
        """Scores that need an order, from the histogram: `[1 + REPLICATES]`, the split first."""
        return {}

    @abstractmethod
    def constants(self, whole: Array, histogram: Array) -> dict[str, float]:
        """The constant predictor's own scores, by the same names."""


def head_scores(head: Any) -> HeadScores:
    """The scores of a declared head."""
    if isinstance(head, RegressionHead):
        return RegressionScores(head.minimum, head.maximum)
    if isinstance(head, ClassesHead):
        return ClassesScores(head.classes)
    assert isinstance(head, BinaryHead)
    return BinaryScores()


def _ratio(numerator: Array | float, denominator: Array | float) -> Array:
    """Quotient, NaN where the denominator is not above 0."""
    above, below = np.broadcast_arrays(numerator, denominator)
    quotient = np.full(above.shape, np.nan)
    np.divide(above, below, out=quotient, where=below > 0)
    return quotient


def _skill(loss: Array, constant_loss: Array, scale: Array | float) -> Array:
    # Equal labels leave rounding dust of a loss, against which any skill could be claimed.
    real_loss = np.where(constant_loss > _NEGLIGIBLE * scale, constant_loss, 0.0)
    return np.asarray(1.0 - _ratio(loss, real_loss))


def _surprisal(share: Array | float) -> Array:
    return np.asarray(-np.log(np.clip(share, CLIP, 1.0)))


class RegressionScores(HeadScores):
    """MAE and RMSE in the head's unit. The histogram keeps counts and sums of labels by size."""

    term_count = 5
    histogram_shape = (2, BINS)

    def __init__(self, minimum: float, maximum: float) -> None:
        self._minimum, self._maximum = minimum, maximum

    def terms(self, label: Array, prediction: Array) -> Array:
        y, error = float(label[0]), float(label[0] - prediction[0])
        return np.array([1.0, y, y * y, error * error, abs(error)])

    def deposit(self, histogram: Array, label: Array, prediction: Array) -> None:
        share = (float(label[0]) - self._minimum) / (self._maximum - self._minimum)
        place = int(np.clip(share * BINS, 0, BINS - 1))
        histogram[:, place] += (1.0, float(label[0]))

    def labels(self, sums: Array) -> Array:
        return sums[..., 0]

    def scores(self, sums: Array, whole: Array) -> dict[str, Array]:
        count, total, squares, squared_error, error = np.moveaxis(sums, -1, 0)
        mean = float(_ratio(whole[1], whole[0]))
        constant_loss = squares - 2 * mean * total + mean * mean * count
        return {
            "mae": _ratio(error, count),
            "rmse": np.sqrt(_ratio(squared_error, count)),
            "skill": _skill(squared_error, constant_loss, squares),
        }

    def constants(self, whole: Array, histogram: Array) -> dict[str, float]:
        mean = _ratio(whole[1], whole[0])
        variance = _ratio(whole[2], whole[0]) - mean * mean
        return {
            "mae": self._deviation_from_median(histogram),
            "rmse": math.sqrt(max(float(variance), 0.0)) if whole[0] else math.nan,
        }

    @staticmethod
    def _deviation_from_median(histogram: Array) -> float:
        """Mean distance of the labels from their median; exact where a bin holds one value."""
        counts, totals = histogram
        count = counts.sum()
        if not count:
            return math.nan
        place = int(np.searchsorted(np.cumsum(counts), count / 2))
        median = totals[place] / counts[place]
        return float(np.abs(totals - counts * median).sum() / count)


class ClassesScores(HeadScores):
    """Accuracy, accuracy within one group, cross-entropy in nats."""

    def __init__(self, classes: int) -> None:
        self._classes = classes
        self.term_count = classes + 3

    def terms(self, label: Array, prediction: Array) -> Array:
        group, guess = int(np.argmax(label)), int(np.argmax(prediction))
        terms = np.zeros(self.term_count)
        terms[group] = 1.0
        terms[-3] = _surprisal(prediction[group])
        terms[-2:] = guess == group, abs(guess - group) <= 1
        return terms

    def labels(self, sums: Array) -> Array:
        return np.asarray(sums[..., : self._classes].sum(axis=-1))

    def scores(self, sums: Array, whole: Array) -> dict[str, Array]:
        count = self.labels(sums)
        groups, loss = sums[..., : self._classes], sums[..., -3]
        surprisal = _surprisal(_ratio(whole[: self._classes], self.labels(whole)))
        return {
            "accuracy": _ratio(sums[..., -2], count),
            "within_one_group": _ratio(sums[..., -1], count),
            "cross_entropy": _ratio(loss, count),
            "skill": _skill(loss, groups @ surprisal, count),
        }

    def constants(self, whole: Array, histogram: Array) -> dict[str, float]:
        shares = _ratio(whole[: self._classes], self.labels(whole))
        return {
            "accuracy": float(shares.max()),
            "within_one_group": float(np.convolve(shares, np.ones(3), mode="same").max()),
            "cross_entropy": float(shares @ _surprisal(shares)),
        }


class BinaryScores(HeadScores):
    """AUC, accuracy at 0.5, cross-entropy in nats. The histogram counts both values by score."""

    term_count = 4
    histogram_shape = (2, BINS)

    def terms(self, label: Array, prediction: Array) -> Array:
        positive, share = float(label[0]) > 0.5, float(prediction[0])
        loss = float(_surprisal(share if positive else 1.0 - share))
        return np.array([1.0, positive, loss, positive == (share > 0.5)])

    def deposit(self, histogram: Array, label: Array, prediction: Array) -> None:
        place = int(np.clip(float(prediction[0]) * BINS, 0, BINS - 1))
        histogram[int(label[0] > 0.5), place] += 1.0

    def labels(self, sums: Array) -> Array:
        return sums[..., 0]

    def scores(self, sums: Array, whole: Array) -> dict[str, Array]:
        count, positives, loss, hits = np.moveaxis(sums, -1, 0)
        share = _ratio(whole[1], whole[0])
        constant_loss = positives * _surprisal(share) + (count - positives) * _surprisal(1 - share)
        return {
            "accuracy": _ratio(hits, count),
            "cross_entropy": _ratio(loss, count),
            "skill": _skill(loss, constant_loss, count),
        }

    def ranked_scores(self, histogram: Array) -> dict[str, Array]:
        # An author counts Poisson(1) times in a replicate, so a bin of n authors counts
        # Poisson(n) times: the replicates follow from the histogram, none need be kept.
        occupied = histogram[:, histogram.any(axis=0)]
        draws = np.random.RandomState(_SEED)
        block = (REPLICATES // _BLOCKS, *occupied.shape)
        replicates = [_auc(draws.poisson(occupied, block).astype(float)) for _ in range(_BLOCKS)]
        return {"auc": np.concatenate([[_auc(occupied)], *replicates])}

    def constants(self, whole: Array, histogram: Array) -> dict[str, float]:
        share = _ratio(whole[1], whole[0])
        entropy = share * _surprisal(share) + (1 - share) * _surprisal(1 - share)
        return {
            "auc": 0.5,
            "accuracy": float(np.maximum(share, 1 - share)),
            "cross_entropy": float(entropy),
        }


def _auc(histogram: Array) -> Array:
    """Share of (negative, positive) pairs in the right order, a tie counting half.

    Args:
        histogram: `[..., 2, bins]`, negatives first, by rising prediction.
    """
    negatives, positives = histogram[..., 0, :], histogram[..., 1, :]
    below = np.cumsum(negatives, axis=-1) - negatives / 2
    pairs = negatives.sum(axis=-1) * positives.sum(axis=-1)
    return _ratio((positives * below).sum(axis=-1), pairs)

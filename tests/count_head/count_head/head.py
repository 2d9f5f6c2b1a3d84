"""How a count is read, scored, calibrated and shrunk; knows nothing of TensorFlow."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

from pydantic import Field

from components.heads.arrays import Array, np
from components.heads.base import LabelError, LabelValue, Stored
from components.heads.links import Link
from components.heads.metrics import Metric
from components.heads.numbers import LARGEST, NumberHead, deviation_from_median
from components.heads.scoring import ratio, skill
from components.label_values import NOTHING, Compared

MOST_EXPONENT = 50.0
SMALLEST = 1e-7
"""An answer below it is scored as it: the deviance of 0 is infinite."""


class LogLink(Link):
    """Poisson regression."""

    columns = logits = 1

    def __init__(self, mean: float) -> None:
        self.curvature = mean

    @classmethod
    def of(cls, targets: Array) -> Self:
        return cls(max(float(targets.mean()), SMALLEST))

    def to_json(self) -> dict[str, Any]:
        return {"mean": self.curvature}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        return cls(float(content["mean"]))

    def start(self, targets: Array) -> Array:
        return np.asarray(np.log(np.maximum(targets.mean(axis=0), SMALLEST)))

    def score_loss(self, scores: Array, targets: Array) -> tuple[Array, Array]:
        """The likelihood's, but for a constant."""
        means = np.exp(np.minimum(scores, MOST_EXPONENT))
        return (means - targets * scores)[:, 0], means - targets

    def fit(self, scores: Array, targets: Array) -> tuple[Array, Array]:
        """Slope, 0 or more, and intercept, by Newton's method from no slope."""
        if not len(scores):
            return np.zeros((1, 1)), np.zeros(1)
        design = np.concatenate([scores - scores.mean(), np.ones_like(scores)], axis=1)
        at = np.array([0.0, self.start(targets)[0]])
        for _ in range(30):
            means = np.exp(design @ at)
            pull = design.T @ (means - targets[:, 0]) + 1e-3 * at * [1, 0]
            bend = (design * means[:, None]).T @ design + 1e-3 * np.eye(2)
            at = at - np.clip(np.linalg.solve(bend, pull), -1, 1)
        if at[0] < 0:
            return np.zeros((1, 1)), self.start(targets)
        return at[:1, None], at[1:] - at[0] * scores.mean()

    def losses(self, logits: Array, targets: Array) -> Array:
        return deviance(targets, self.answers(logits))[:, 0]

    def answers(self, logits: Array) -> Array:
        return np.asarray(np.exp(np.minimum(logits, MOST_EXPONENT)))


class CountHead(NumberHead):
    """How many: a whole number from 0, answered by its mean."""

    metrics = (
        Metric("mae", "mean absolute error", "MAE", has_unit=True),
        Metric("deviance", "Poisson deviance", "deviance"),
    )
    link_class = LogLink

    kind: Literal["count"] = Field("count", description="how many: a whole number from 0")
    minimum: int = Field(0, ge=0, description="smallest sound count; a smaller one is an anomaly")
    maximum: int = Field(1000, description=LARGEST)

    # Labels

    @property
    def stored_as(self) -> Stored:
        return "whole number"

    def parse(self, value: Any, unknown: frozenset[Compared] = NOTHING) -> int | None:
        number = super().parse(value, unknown)
        if number is None:
            return None
        if not number.is_integer():
            raise LabelError(f"{self.field} is not a whole number")
        return int(number)

    # Target and answer

    def targets(self, labels: Sequence[LabelValue], facts: Mapping[str, Array]) -> Array:
        """The counts themselves."""
        del facts
        return np.asarray(labels, np.float64)[:, None]

    # Score of training

    def losses(self, outputs: Array, targets: Array) -> Array:
        """Poisson deviance (McCullagh and Nelder, "Generalized Linear Models", 1989, 2.3)."""
        return deviance(targets, outputs)[:, 0]

    def moments(self, targets: Array) -> Array:
        """Each target y and y log y."""
        return np.concatenate([targets, times_log(targets)], axis=1)

    def constant_loss(self, known: float, sums: Array) -> float:
        """The deviance of the mean."""
        total, with_log = float(sums[0]), float(sums[1])
        mean = total / known
        return max(2 * (with_log / known - mean * math.log(max(mean, SMALLEST))), 0.0)

    def first_gains(self, outputs: Array, targets: Array, constant: Array) -> Array:
        rates = targets / np.maximum(constant, SMALLEST)
        return np.asarray(2 * ((rates - 1) * (outputs - constant))[:, 0])

    # Scores of judging

    @property
    def term_count(self) -> int:
        """Count, label y, y log y, deviance, absolute error."""
        return 5

    def terms(self, label: Array, answer: Array) -> Array:
        y, mean = label[0], answer[0]
        return np.array([1.0, y, times_log(y), deviance(y, mean), abs(y - mean)])

    def scores(self, sums: Array, whole: Array) -> dict[str, Array]:
        count, total, with_log, loss, error = np.moveaxis(sums, -1, 0)
        mean = ratio(whole[1], whole[0])
        log = np.log(np.maximum(mean, SMALLEST))
        constant_loss = 2 * (with_log - total * log - total + mean * count)
        return {
            "mae": ratio(error, count),
            "deviance": ratio(loss, count),
            "skill": skill(loss, constant_loss, with_log + total),
        }

    def constants(self, whole: Array, histogram: Array) -> dict[str, float]:
        """MAE of the median, deviance of the mean."""
        loss = self.constant_loss(float(whole[0]), whole[1:3]) if whole[0] else math.nan
        return {"mae": deviation_from_median(histogram), "deviance": loss}


def times_log(counts: Array) -> Array:
    """y log y, 0 for y = 0."""
    return np.asarray(counts * np.log(np.where(counts > 0, counts, 1.0)))


def deviance(labels: Array, answers: Array) -> Array:
    """2 (y log(y / p) - (y - p)), 0 where the answer p is the label y."""
    answers = np.maximum(answers, SMALLEST)
    return np.asarray(2 * (times_log(labels) - labels * np.log(answers) - (labels - answers)))

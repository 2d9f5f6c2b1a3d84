"""How a count is read, scored, calibrated and shrunk; knows nothing of TensorFlow."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field, model_validator

from components.heads.arrays import Array, np
from components.heads.base import Head, LabelError, LabelValue, Stored
from components.heads.calibration import Calibration, fit_half_width
from components.heads.metrics import Metric
from components.heads.numbers import read_number
from components.heads.scoring import ratio, skill
from components.heads.served import ServedNumber
from components.label_values import NOTHING, Compared

SMALLEST = 1e-7
"""An answer below it is scored as it: the deviance of 0 is infinite."""


class CountHead(Head):
    """How many: a whole number from 0, answered by its mean."""

    metrics = (
        Metric("mae", "mean absolute error", "MAE", has_unit=True),
        Metric("deviance", "Poisson deviance", "deviance"),
    )
    slice_metric = "mae"
    served = ServedNumber

    kind: Literal["count"] = Field("count", description="how many: a whole number from 0")
    unit: str = Field("", description="what is counted, for people to read")
    minimum: int = Field(0, ge=0, description="smallest sound count; a smaller one is an anomaly")
    maximum: int = Field(
        1000, le=1_000_000, description="largest sound count; a larger one is an anomaly"
    )

    @model_validator(mode="after")
    def _range_is_not_empty(self) -> CountHead:
        if not self.minimum < self.maximum:
            raise ValueError(f"minimum {self.minimum} must be below maximum {self.maximum}")
        return self

    # Labels

    @property
    def stored_as(self) -> Stored:
        return "whole number"

    def parse(self, value: Any, unknown: frozenset[Compared] = NOTHING) -> int | None:
        number = read_number(value, self.field, unknown)
        if number is None:
            return None
        if not number.is_integer():
            raise LabelError(f"{self.field} is not a whole number")
        return int(number)

    @property
    def bounds(self) -> tuple[float, float]:
        return float(self.minimum), float(self.maximum)

    @property
    def range_rule(self) -> str:
        return (
            f"counts must lie between heads.{self.name}.minimum, {self.minimum}, and "
            f"heads.{self.name}.maximum, {self.maximum}"
        )

    @property
    def range_remedy(self) -> str:
        return f"set heads.{self.name}.minimum and heads.{self.name}.maximum"

    # Target and answer

    @property
    def width(self) -> int:
        return 1

    def targets(self, labels: Sequence[LabelValue], facts: Mapping[str, Array]) -> Array:
        """The counts themselves."""
        del facts
        return np.asarray(labels, np.float64)[:, None]

    # Score of training

    def losses(self, answers: Array, targets: Array) -> Array:
        """Poisson deviance (McCullagh and Nelder, "Generalized Linear Models", 1989, 2.3)."""
        return deviance(targets, answers)[:, 0]

    def moments(self, targets: Array) -> Array:
        """Each target y and y log y."""
        return np.concatenate([targets, times_log(targets)], axis=1)

    def constant_loss(self, known: float, sums: Array) -> float:
        """The deviance of the mean."""
        total, with_log = float(sums[0]), float(sums[1])
        mean = total / known
        return max(2 * (with_log / known - mean * math.log(max(mean, SMALLEST))), 0.0)

    def calibrate(
        self, answers: Array, targets: Array, *, coverage: float, lowest: float, scale: float
    ) -> Calibration:
        """An interval; none where too few labels are known for the coverage."""
        residuals = np.abs(answers - targets)[:, 0] * scale
        half_width = fit_half_width(residuals, coverage)
        return Calibration(len(targets), coverage=coverage, half_width=half_width)

    def first_gains(self, answers: Array, targets: Array, constant: Array) -> Array:
        rates = targets / np.maximum(constant, SMALLEST)
        return np.asarray(2 * ((rates - 1) * (answers - constant))[:, 0])

    # Scores of judging

    @property
    def term_count(self) -> int:
        """Count, label y, y log y, deviance, absolute error."""
        return 5

    @property
    def histogram_shape(self) -> tuple[int, ...]:
        """Authors by label, for the median."""
        return (self.maximum + 1,)

    def terms(self, label: Array, answer: Array) -> Array:
        y, mean = label[0], answer[0]
        return np.array([1.0, y, times_log(y), deviance(y, mean), abs(y - mean)])

    def deposit(self, histogram: Array, label: Array, answer: Array) -> None:
        histogram[int(np.clip(label[0], 0, self.maximum))] += 1.0

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
        if not whole[0]:
            return dict.fromkeys(("mae", "deviance"), math.nan)
        labels = np.arange(len(histogram))
        median = np.searchsorted(np.cumsum(histogram), histogram.sum() / 2)
        return {
            "mae": float(histogram @ np.abs(labels - median) / histogram.sum()),
            "deviance": self.constant_loss(float(whole[0]), whole[1:3]),
        }

    @property
    def metric_unit(self) -> str:
        return self.unit


def times_log(counts: Array) -> Array:
    """y log y, 0 for y = 0."""
    return np.asarray(counts * np.log(np.where(counts > 0, counts, 1.0)))


def deviance(labels: Array, answers: Array) -> Array:
    """2 (y log(y / p) - (y - p)), 0 where the answer p is the label y."""
    answers = np.maximum(answers, SMALLEST)
    return np.asarray(2 * (times_log(labels) - labels * np.log(answers) - (labels - answers)))

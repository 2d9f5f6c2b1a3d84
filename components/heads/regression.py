"""A number, standardised for training and answered in its own unit.

Trained by squared error, which the mean minimises. MAE and RMSE are in the head's unit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from components.heads.arrays import Array, np
from components.heads.base import LabelsSeen, LabelValue
from components.heads.links import StepsLink
from components.heads.metrics import Metric
from components.heads.numbers import LARGEST, NUMBER_UNIT, NumberHead, deviation_from_median
from components.heads.scoring import ratio, skill

_YEARS_OF_BIRTH = (1900, 2100)


class RegressionHead(NumberHead):
    """A number in a unit."""

    metrics = (
        Metric("mae", "mean absolute error", "MAE", has_unit=True),
        Metric("rmse", "root mean squared error", "RMSE", has_unit=True),
    )
    link_class = StepsLink
    facts = ("mean", "deviation")

    kind: Literal["regression"] = Field(
        "regression", description="a number; other kinds: classes, binary"
    )
    unit: str = Field("years", description=NUMBER_UNIT)
    maximum: float = Field(120.0, description=LARGEST)

    def range_hint(self, seen: LabelsSeen) -> str:
        if self.unit != "years" or 2 * seen.above < seen.known:
            return ""
        if seen.smallest >= _YEARS_OF_BIRTH[0] and seen.largest <= _YEARS_OF_BIRTH[1]:
            return "If they are years of birth, write ages instead."
        if seen.largest <= 12 * self.maximum:
            return (
                "If they are months, write years instead, or set "
                f"heads.{self.name}.unit and heads.{self.name}.maximum."
            )
        return ""

    # Target and answer

    def targets(self, labels: Sequence[LabelValue], facts: Mapping[str, Array]) -> Array:
        """The labels less their mean, in deviations."""
        deviation, mean = self.scale_and_offset(facts)
        return np.asarray((np.asarray(labels, np.float64)[:, None] - mean) / deviation)

    def scale_and_offset(self, facts: Mapping[str, Any]) -> tuple[Any, Any]:
        return facts[self.internal("deviation")], facts[self.internal("mean")]

    # Score of training

    def losses(self, outputs: Array, targets: Array) -> Array:
        """Squared error."""
        return np.asarray((outputs - targets)[:, 0] ** 2)

    def moments(self, targets: Array) -> Array:
        """Each target and its square."""
        return np.concatenate([targets, targets**2], axis=1)

    def constant_loss(self, known: float, sums: Array) -> float:
        """The variance."""
        total, squares = float(sums[0]), float(sums[1])
        return max(squares / known - (total / known) ** 2, 0.0)

    def best_share(self, outputs: Array, targets: Array, constant: Array) -> float:
        """See the base class; of a squared error it is known in closed form."""
        steps, residuals = outputs - constant, targets - constant
        return float((steps * residuals).sum() / max((steps**2).sum(), 1e-300))

    def first_gains(self, outputs: Array, targets: Array, constant: Array) -> Array:
        return np.asarray(2 * ((outputs - constant) * (targets - constant))[:, 0])

    # Scores of judging

    @property
    def term_count(self) -> int:
        """Count, label, its square, squared error, absolute error."""
        return 5

    def terms(self, label: Array, answer: Array) -> Array:
        y, error = float(label[0]), float(label[0] - answer[0])
        return np.array([1.0, y, y * y, error * error, abs(error)])

    def scores(self, sums: Array, whole: Array) -> dict[str, Array]:
        count, total, squares, squared_error, error = np.moveaxis(sums, -1, 0)
        mean = float(ratio(whole[1], whole[0]))
        constant_loss = squares - 2 * mean * total + mean * mean * count
        return {
            "mae": ratio(error, count),
            "rmse": np.sqrt(ratio(squared_error, count)),
            "skill": skill(squared_error, constant_loss, squares),
        }

    def constants(self, whole: Array, histogram: Array) -> dict[str, float]:
        """MAE of the median, exact where a bin holds one value; RMSE of the mean."""
        mean = ratio(whole[1], whole[0])
        variance = ratio(whole[2], whole[0]) - mean * mean
        return {
            "mae": deviation_from_median(histogram),
            "rmse": math.sqrt(max(float(variance), 0.0)) if whole[0] else math.nan,
        }

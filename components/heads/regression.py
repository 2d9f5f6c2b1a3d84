"""A number, standardised for training and answered in its own unit.

Trained by squared error on its scale (`scale`), which the mean on it minimises, and judged by skill
there. MAE, median error and RMSE are in the head's unit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

from pydantic import Field, PrivateAttr, model_validator

from components.heads.arrays import Array, np
from components.heads.base import LabelsSeen, LabelValue
from components.heads.links import StepsLink
from components.heads.metrics import Metric
from components.heads.numbers import (
    LARGEST,
    NUMBER_UNIT,
    NumberHead,
    deviation_from_median,
    error_place,
    median_deviation,
    median_error,
)
from components.heads.scale import (
    FACTS,
    LEVELS,
    LINEAR,
    NumberScale,
    ScaleSetting,
    fit_scale,
)
from components.heads.scoring import BINS, ratio, skill

_YEARS_OF_BIRTH = (1900, 2100)


class RegressionHead(NumberHead):
    """A number in a unit."""

    metrics = (
        Metric("mae", "mean absolute error", "MAE", has_unit=True),
        Metric("median_error", "median absolute error", "median error", has_unit=True),
        Metric("rmse", "root mean squared error", "RMSE", has_unit=True),
    )
    link_class = StepsLink
    facts = ("mean", "deviation")
    scale_facts = FACTS

    kind: Literal["regression"] = Field(
        "regression", description="a number; other kinds: classes, binary"
    )
    unit: str = Field("years", description=NUMBER_UNIT)
    maximum: float = Field(120.0, description=LARGEST)
    scale: ScaleSetting = Field(
        "auto",
        description="what it is learned and judged on: 'linear', its own; 'log', for labels of 0 "
        "or more with a long tail, as of followers; 'quantile', their ranks; 'auto' tells by the "
        "labels of `train`",
    )
    _judged_on: NumberScale = PrivateAttr(default=LINEAR)

    @model_validator(mode="after")
    def _log_takes_no_negative(self) -> RegressionHead:
        if self.scale == "log" and self.minimum < 0:
            raise ValueError(
                f"scale: log takes labels of 0 or more; minimum is {self.minimum:g}. Raise it to "
                "0, or set scale: quantile"
            )
        return self

    @property
    def range_rule(self) -> str:
        log = "; scale: log takes none below 0" if self.scale == "log" else ""
        return super().range_rule + log

    @property
    def range_remedy(self) -> str:
        other = f", and heads.{self.name}.scale: quantile for labels below 0"
        return super().range_remedy + (other if self.scale == "log" else "")

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
        """The labels on their scale, less their mean, in deviations."""
        deviation, mean = self.scale_and_offset(facts)
        placed = self._scale_of(facts).onto(np.asarray(labels, np.float64)[:, None])
        return np.asarray((placed - mean) / deviation)

    def scale_and_offset(self, facts: Mapping[str, Any]) -> tuple[Any, Any]:
        return facts[self.internal("deviation")], facts[self.internal("mean")]

    def natural(self, outputs: Any, facts: Mapping[str, Any]) -> Any:
        """See the base class; arrays alone, but for a linear scale.

        On another scale nothing beyond the declared range is answered.
        """
        placed, scale = super().natural(outputs, facts), self._scale_of(facts)
        if scale.name == "linear":
            return placed
        return np.clip(scale.back(placed), self.minimum, self.maximum)

    def _scale_of(self, facts: Mapping[str, Any]) -> NumberScale:
        names = {name: self.internal(name) for name in FACTS}
        return NumberScale.of_facts(
            {name: facts[key] for name, key in names.items() if key in facts}
        )

    def facts_of(self, labels: Array) -> dict[str, Array]:
        own = {"mean": labels.mean(), "deviation": np.maximum(labels.std(), 1e-6)}
        if self.scale == "linear":
            return own
        shares = np.arange(LEVELS + 1) / LEVELS
        fitted = fit_scale(np.quantile(labels, shares, method="inverted_cdf"), self.scale)
        found = fitted.facts()
        return found | own if fitted.scale == LINEAR else found

    def found(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """`scale`, the one that is learned on; of another than the linear one, `learned_on`."""
        scale = self._scale_of(facts)
        said: dict[str, Any] = {"scale": scale.name}
        return said if scale == LINEAR else said | {"learned_on": scale.model_dump()}

    def judged_by(self, entry: Mapping[str, Any]) -> Self:
        head = self.model_copy()
        head._judged_on = NumberScale.model_validate(entry.get("learned_on") or {})
        return head

    def scale_note(self, entry: Mapping[str, Any]) -> str:
        if "learned_on" not in entry:
            return ""
        chosen = ", chosen from the training labels" if self.scale == "auto" else ""
        return f"{self.name}: {entry['learned_on']['name']} scale{chosen}"

    def moved_scale(self, older: Mapping[str, Any], newer: Mapping[str, Any]) -> str:
        was, now = self._scale_of(older), self._scale_of(newer)
        if was.name != now.name:
            return f"was on a {was.name} scale, is on a {now.name} one"
        return "" if was.offset == now.offset else "is on another log scale"

    def comparison_note(self, older: Mapping[str, Any], newer: Mapping[str, Any]) -> str:
        was, now = older.get("learned_on"), newer.get("learned_on")
        names = [(entry or {}).get("name", "linear") for entry in (was, now)]
        if names[0] == names[1]:
            return ""
        return f"both are judged on the {names[1]} scale; the model in service learned on another"

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
        """Count, label, its square, squared error, absolute error.

        The first four are on the scale; where that is not the linear one, label, square and squared
        error in the unit follow.
        """
        return 5 if self._judged_on == LINEAR else 8

    def terms(self, label: Array, answer: Array) -> Array:
        y, error = float(label[0]), float(label[0] - answer[0])
        if self._judged_on == LINEAR:
            return np.array([1.0, y, y * y, error * error, abs(error)])
        u, v = (float(self._judged_on.onto(value[:1])[0]) for value in (label, answer))
        own = (y, y * y, error * error)
        return np.array([1.0, u, u * u, (u - v) ** 2, abs(error), *own])

    def scores(self, sums: Array, whole: Array) -> dict[str, Array]:
        """See the base class; by the number of terms, not by the scale of this head."""
        count, total, squares, squared_error, error, *own = np.moveaxis(sums, -1, 0)
        mean = float(ratio(whole[1], whole[0]))
        constant_loss = squares - 2 * mean * total + mean * mean * count
        return {
            "mae": ratio(error, count),
            "rmse": np.sqrt(ratio(own[-1] if own else squared_error, count)),
            "skill": skill(squared_error, constant_loss, squares),
        }

    @property
    def histogram_shape(self) -> tuple[int, ...]:
        """Counts and sums of labels by size, counts of absolute errors by size."""
        return 3, BINS

    def deposit(self, histogram: Array, label: Array, answer: Array) -> None:
        low, high = self._judged_on.onto(np.array([self.minimum, self.maximum]))
        share = (float(self._judged_on.onto(label[:1])[0]) - low) / (high - low)
        place = int(np.clip(share * BINS, 0, BINS - 1))
        histogram[:2, place] += (1.0, float(label[0]))
        error = abs(float(label[0] - answer[0]))
        histogram[2, error_place(error, self.maximum - self.minimum)] += 1.0

    def author_counts(self, histogram: Array) -> Array:
        return histogram[2:]

    def ranked_scores(self, histogram: Array) -> dict[str, Array]:
        """Median absolute error, to half a hundredth of itself."""
        errors = histogram[..., -1, :]
        return {"median_error": median_error(errors, self.maximum - self.minimum)}

    def constants(self, whole: Array, histogram: Array) -> dict[str, float]:
        """MAE and median error of the median, exact where a bin holds one value; RMSE of the mean.

        The mean in the head's unit, which squared error there asks for.
        """
        total, squares = whole[5:7] if len(whole) > 5 else whole[1:3]
        mean = ratio(total, whole[0])
        variance = ratio(squares, whole[0]) - mean * mean
        return {
            "mae": deviation_from_median(histogram[:2]),
            "median_error": median_deviation(histogram[:2]),
            "rmse": math.sqrt(max(float(variance), 0.0)) if whole[0] else math.nan,
        }

"""Heads of one number in a unit: read as JSON, CSV or Parquet give it, answered ± an interval."""

from __future__ import annotations

import math
import re
from typing import Any

from pydantic import Field, model_validator

from components.heads.arrays import Array, np
from components.heads.base import Head, LabelError, Stored
from components.heads.calibration import Calibration, fit_half_width
from components.heads.scoring import BINS
from components.heads.served import ServedNumber
from components.label_values import NOTHING, Compared, fold_text, is_blank, is_unknown

NUMBER_UNIT = "unit of the number, for people to read"
LARGEST = "largest sound label; a larger one is an anomaly"
SMALLEST_ERROR = 1e-12
"""Absolute errors that are a smaller part of the range count as none."""
_WITH_COMMA = re.compile(r"[+-]?[0-9][0-9. ]*,[0-9., ]*")


class NumberHead(Head):
    """What such heads have in common; the error of the median is among their metrics as `mae`."""

    slice_metric = "mae"
    served = ServedNumber

    unit: str = Field("", description=NUMBER_UNIT)
    minimum: float = Field(0.0, description="smallest sound label; a smaller one is an anomaly")
    maximum: float = Field(description=LARGEST)

    @model_validator(mode="after")
    def _range_is_not_empty(self) -> NumberHead:
        if not self.minimum < self.maximum:
            raise ValueError(f"minimum {self.minimum} must be below maximum {self.maximum}")
        return self

    @property
    def stored_as(self) -> Stored:
        return "number"

    def parse(self, value: Any, unknown: frozenset[Compared] = NOTHING) -> float | None:
        return read_number(value, self.field, unknown)

    @property
    def bounds(self) -> tuple[float, float]:
        return self.minimum, self.maximum

    @property
    def range_rule(self) -> str:
        return (
            f"labels must lie between heads.{self.name}.minimum, {self.minimum:g}, and "
            f"heads.{self.name}.maximum, {self.maximum:g}"
        )

    @property
    def range_remedy(self) -> str:
        return f"set heads.{self.name}.minimum and heads.{self.name}.maximum"

    @property
    def width(self) -> int:
        return 1

    def calibrate(
        self, outputs: Array, targets: Array, *, coverage: float, lowest: float, scale: float
    ) -> Calibration:
        """An interval; none where too few labels are known for the coverage."""
        residuals = np.abs(outputs - targets)[:, 0] * scale
        half_width = fit_half_width(residuals, coverage)
        return Calibration(len(targets), coverage=coverage, half_width=half_width)

    @property
    def histogram_shape(self) -> tuple[int, ...]:
        """Counts and sums of labels by size, for the median."""
        return 2, BINS

    def deposit(self, histogram: Array, label: Array, answer: Array) -> None:
        share = (float(label[0]) - self.minimum) / (self.maximum - self.minimum)
        place = int(np.clip(share * BINS, 0, BINS - 1))
        histogram[:, place] += (1.0, float(label[0]))

    @property
    def metric_unit(self) -> str:
        return self.unit


def deviation_from_median(histogram: Array) -> float:
    """Mean absolute error of the median; exact where a bin holds one value."""
    counts, totals = histogram
    count = counts.sum()
    if not count:
        return math.nan
    median = _median_of(counts, totals)
    return float(np.abs(totals - counts * median).sum() / count)


def median_deviation(histogram: Array) -> float:
    """Median absolute error of the median; exact where a bin holds one value."""
    counts, totals = histogram[:, histogram[0] > 0]
    if not counts.size:
        return math.nan
    deviations = np.abs(totals / counts - _median_of(counts, totals))
    order = np.argsort(deviations, kind="stable")
    return float(_median_of(counts[order], (counts * deviations)[order]))


def _median_of(counts: Array, totals: Array) -> Any:
    """Mean of the bin that the author in the middle is in; bins rise."""
    place = int(np.searchsorted(np.cumsum(counts), counts.sum() / 2))
    return totals[place] / counts[place]


def error_place(error: float, widest: float) -> int:
    """The bin of an absolute error: they grow by 0.7 % each up to the width of the range."""
    share = 1 + math.log(max(error / widest, SMALLEST_ERROR)) / -math.log(SMALLEST_ERROR)
    return min(int(share * BINS), BINS - 1)


def median_error(counts: Array, widest: float) -> Array:
    """Median of absolute errors by the counts of their bins, `[..., BINS]`; NaN where none is."""
    known = counts.sum(axis=-1)
    middle = (np.cumsum(counts, axis=-1) >= known[..., None] / 2).argmax(axis=-1)
    # 0 or so small that the range cannot tell.
    exponent = np.where(middle, (middle + 0.5) / BINS - 1, -np.inf)
    return np.where(known > 0, widest * np.exp(-math.log(SMALLEST_ERROR) * exponent), np.nan)


def read_number(value: Any, name: str, unknown: frozenset[Compared]) -> float | None:
    """The number; None where it is not given or unknown. Raises LabelError."""
    if is_blank(value) or is_unknown(value, unknown):
        return None
    # Python alone reads 4_1 as 41.
    if isinstance(value, bool) or (isinstance(value, str) and "_" in fold_text(value)):
        raise LabelError(f"{name} is not a number")
    try:
        number = float(fold_text(value) if isinstance(value, str) else value)
    except (TypeError, ValueError, OverflowError):
        raise LabelError(f"{name} is not a number{_why_not(value)}") from None
    if not math.isfinite(number):
        raise LabelError(f"{name} is not a finite number")
    return number


def _why_not(value: Any) -> str:
    if isinstance(value, str) and _WITH_COMMA.fullmatch(fold_text(value)):
        return ": it has a comma; write decimals with a point, thousands without a mark"
    return ""

"""The scale that a number is learned on: its own, its logarithm's, or that of its ranks.

Squared error on followers or income in their own unit is the error of the few largest authors, and
nothing is learned of the others. On a log scale an author of 10 and one of 10,000 count alike. A
scale is found once, from quantiles of the labels of `train`, and travels with the model: labels go
onto it (`onto`), outputs come back from it (`back`). Knows nothing of TensorFlow, whose part is
`components.training.label_scale`.

    log:      10, 100, 1,000       -> log(10 + offset), log(100 + offset), log(1,000 + offset)
    quantile: -5, 0, 2, 900 of 4   -> normal scores of their ranks, straight between the knots

Numbers of the facts: 0 linear, 1 log, 2 quantile.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import NormalDist
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from components.heads.arrays import Array, np

ScaleSetting = Literal["auto", "linear", "log", "quantile"]
ScaleName = Literal["linear", "log", "quantile"]
NAMES: tuple[ScaleName, ...] = ("linear", "log", "quantile")
LEVELS = 1000
"""Into how many parts the labels are cut: `fit_scale` reads one quantile more."""
KNOTS = 33
OUTERMOST = 3.0
"""Normal score of the smallest and of the largest label."""
LARGEST_EXPONENT = 88.0
"""The largest float32 is e ** 88.7."""
ORDER = 10.0
HEAVY = 3.0
FACTS = ("scale", "offset", "knots", "scores")
"""What says a scale beside the mean and deviation of the labels on it."""


class NumberScale(BaseModel):
    """How labels go onto the scale and come back; both ways rise everywhere.

    Attributes:
        offset: of a log scale: what is added before the logarithm, so that 0 has one.
        knots: of a quantile scale: rising labels.
        scores: of a quantile scale: where they lie on it, rising. Beyond its ends the scale goes
            on as straight as its last piece is, so no number is out of reach.
    """

    model_config = ConfigDict(strict=True, frozen=True)

    name: ScaleName = "linear"
    offset: float = Field(0.0, ge=0, allow_inf_nan=False)
    knots: list[float] = []
    scores: list[float] = []

    def onto(self, labels: Any) -> Any:
        """Labels as they lie on the scale; the same shape."""
        if self.name == "log":
            # An answer of an earlier model may be below 0.
            return np.log(np.maximum(labels, 0.0) + self.offset)
        return _pieces(self.knots, self.scores, labels) if self.name == "quantile" else labels

    def back(self, values: Any) -> Any:
        """The inverse of `onto`."""
        if self.name == "log":
            return np.exp(np.minimum(values, LARGEST_EXPONENT)) - self.offset
        return _pieces(self.scores, self.knots, values) if self.name == "quantile" else values

    def facts(self) -> dict[str, Array]:
        """The `FACTS`: `[1]`, `[1]`, `[KNOTS]`, `[KNOTS]`; the last knot fills up."""
        knots, scores = (
            np.asarray([*values, *values[-1:] * (KNOTS - len(values))] or [0.0] * KNOTS)
            for values in (self.knots, self.scores)
        )
        number = float(NAMES.index(self.name))
        return {
            "scale": np.array([number]),
            "offset": np.array([self.offset]),
            "knots": knots,
            "scores": scores,
        }

    @classmethod
    def of_facts(cls, facts: Mapping[str, Any]) -> NumberScale:
        """The inverse of `facts`; linear where there are none, as of an earlier release."""
        given = {name: np.ravel(facts[name]).astype(float) for name in FACTS if name in facts}
        name = NAMES[int(given["scale"][0])] if "scale" in given else "linear"
        if name == "log":
            return cls(name=name, offset=float(given["offset"][0]))
        if name == "quantile":
            _, first = np.unique(given["knots"], return_index=True)
            knots, scores = (given[part][first].tolist() for part in ("knots", "scores"))
            return cls(name=name, knots=knots, scores=scores)
        return cls()


LINEAR = NumberScale()


class Fitted(NamedTuple):
    """A scale, with mean and deviation of the labels on it."""

    scale: NumberScale
    mean: float
    deviation: float

    def facts(self) -> dict[str, Array]:
        """Those of the scale, `mean` and `deviation`, `[1]` each."""
        moments = {"mean": np.array([self.mean]), "deviation": np.array([self.deviation])}
        return self.scale.facts() | moments


def fit_scale(levels: Array, setting: ScaleSetting = "auto") -> Fitted:
    """The scale of the labels of which these are the quantiles.

    Args:
        levels: `[LEVELS + 1]`, the smallest label, LEVELS - 1 quantiles, the largest one.
        setting: of the head; 'auto' leaves it to `choose_scale`.
    """
    levels = np.asarray(levels, np.float64)
    name = choose_scale(levels) if setting == "auto" else setting
    scale = NumberScale()
    if name == "log":
        scale = NumberScale(name="log", offset=log_offset(levels))
    elif name == "quantile":
        knots, scores = _rank_scores(levels)
        scale = NumberScale(name="quantile", knots=knots, scores=scores)
    # Between two neighbouring quantiles lie as many labels as between any others.
    inner = scale.onto(levels)
    inner = (inner[1:] + inner[:-1]) / 2
    return Fitted(scale, float(inner.mean()), max(float(inner.std()), 1e-6))


def choose_scale(levels: Array) -> ScaleName:
    """What 'auto' takes, from quantiles as `fit_scale` reads them.

    - linear, where the middle 98 % of the labels lie within one order of magnitude, as ages do:
      another scale would change little.
    - log, where labels are 0 or more and lean to the right: their median lies in the lowest quarter
      of the middle 98 %.
    - quantile, where they would lean to the left on the log scale; and where they lean to no side
      or some are below 0, but have heavy tails: the middle 98 % are 3 times as wide as the middle
      80 % (of a normal distribution 1.8 times, of Laplace's 2.4).
    - linear, where none of it is so.

    Quantiles, not moments: one label that is a slip of the pen must not decide.

    Source: Weisberg, "Applied Linear Regression", 2005, section 7.1 (the log rule and the range
    rule).
    """
    smallest, low, tenth, middle, ninth, high = (
        float(levels[place * LEVELS // 1000]) for place in (0, 10, 100, 500, 900, 990)
    )
    if smallest >= 0 and high <= ORDER * low:
        return "linear"
    if smallest >= 0 and middle - low < (high - low) / 4:
        on_log = NumberScale(name="log", offset=log_offset(levels))
        low, middle, high = (float(on_log.onto(np.array(label))) for label in (low, middle, high))
        return "quantile" if high - middle < (high - low) / 4 else "log"
    return "quantile" if high - low > HEAVY * (ninth - tenth) else "linear"


def log_offset(levels: Array) -> float:
    """The largest power of ten that is not above the lowest decile of the labels above 0.

    So that 0 lies a little below them: 1 for followers, 1,000 for an income. A power of ten stays
    as it is from one training to the next.
    """
    positive = levels[levels > 0]
    if not positive.size:
        return 1.0
    # A hair more, as the logarithm of 1,000 is 2.9999999999999996.
    return 10.0 ** math.floor(math.log10(float(positive[positive.size // 10])) + 1e-9)


def _rank_scores(levels: Array) -> tuple[list[float], list[float]]:
    """Labels at evenly spaced normal scores, equal ones as one at their mean score.

    Source: Beasley, Erickson and Allison, "Rank-Based Inverse Normal Transformations", 2009.
    """
    scores = np.linspace(-OUTERMOST, OUTERMOST, KNOTS)
    shares = np.array([NormalDist().cdf(float(score)) for score in scores])
    places = np.round(shares * LEVELS).astype(int)
    places[[0, -1]] = 0, LEVELS
    # As the graph holds them: what is equal there is one knot.
    labels = levels[places].astype(np.float32)
    knots, group = np.unique(labels, return_inverse=True)
    means = np.bincount(group, scores) / np.bincount(group)
    return knots.astype(float).tolist(), means.tolist()


def _pieces(given: list[float], wanted: list[float], values: Any) -> Any:
    """Straight lines through the knots, the outer ones going on."""
    if len(given) < 2:
        return np.full_like(np.asarray(values, np.float64), wanted[0] if wanted else 0.0)
    x, y = np.asarray(given), np.asarray(wanted)
    piece = np.clip(np.searchsorted(x, values, side="right") - 1, 0, len(x) - 2)
    slope = (y[piece + 1] - y[piece]) / (x[piece + 1] - x[piece])
    return y[piece] + (values - x[piece]) * slope

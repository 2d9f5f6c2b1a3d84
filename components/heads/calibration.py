"""How sure answers may be: a temperature of probabilities, an interval's half width of a number.

Pure functions of held-out answers; `components.training.calibration` asks the network for them.

References: Guo et al., "On Calibration of Modern Neural Networks", 2017, section 4.2. Lei et al.,
"Distribution-Free Predictive Inference for Regression", 2018, algorithm 2 (split conformal).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from components.heads.arrays import Array, np

MINIMUM_LABELS = 20
# Of chi-squared with one degree of freedom, 95 in 100 lie below it.
CHANCE = 3.841
TEMPERATURES = (0.1, 10.0)
SMALLEST_PROBABILITY = 1e-7
"""One below it counts as it: one sure mistake must not be all there is."""
_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Calibration:
    """What was fitted for one head.

    Attributes:
        labels: known labels of `eval` that it was fitted on.
        temperature: of a classifier; 1 leaves its answers as they are. None for a number.
        coverage: of a number: share of authors whose label the interval is to hold.
        half_width: of a number, in its own unit; None where too few labels are known.
    """

    labels: int
    temperature: float | None = None
    coverage: float | None = None
    half_width: float | None = None

    def description(self) -> dict[str, Any]:
        """As it stands in the head's entry of `assets/heads.json`; empty without an interval.

        >>> Calibration(labels=50, temperature=1.5).description()
        {'temperature': 1.5}
        >>> Calibration(labels=50, coverage=0.8, half_width=6.2).description()
        {'interval': {'coverage': 0.8, 'half_width': 6.2}}
        """
        if self.temperature is not None:
            return {"temperature": self.temperature}
        if self.half_width is None:
            return {}
        return {"interval": {"coverage": self.coverage, "half_width": self.half_width}}


def fit_temperature(probabilities: Array, labels: Array) -> float:
    """The temperature of least cross-entropy between `TEMPERATURES`; 1 where labels tell none.

    The cross-entropy is convex in 1 / T, so it has one minimum over log T. That minimum counts if
    it is lower than at T = 1 by more than chance makes it (the likelihood-ratio test; Wilks, "The
    Large-Sample Distribution of the Likelihood Ratio", 1938).

    Args:
        probabilities: `[authors, width]`; a width of 1 holds that of one of two values.
        labels: the same shape: 1 where it is the group, 0 elsewhere.
    """
    if len(labels) < MINIMUM_LABELS:
        return 1.0
    probabilities, labels = all_groups(probabilities), all_groups(labels)

    def loss(log_temperature: float) -> float:
        return cross_entropy(divide_logits(probabilities, math.exp(log_temperature)), labels)

    log_temperature = least(loss, *(math.log(bound) for bound in TEMPERATURES))
    if 2 * len(labels) * (loss(0.0) - loss(log_temperature)) < CHANCE:
        return 1.0
    return math.exp(log_temperature)


def divide_logits(probabilities: Array, temperature: float) -> Array:
    """Softmax probabilities `[authors, groups]` with their logits divided by a temperature.

    Logits are log probabilities but for a constant an author, which softmax takes out:
    p ** (1 / T), scaled to a sum of 1.
    """
    logits = np.log(np.clip(probabilities, SMALLEST_PROBABILITY, 1.0)) / temperature
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def cross_entropy(probabilities: Array, labels: Array) -> float:
    """Mean over authors, in nats; `[authors, groups]` each."""
    logs = np.log(np.clip(probabilities, np.finfo("float64").tiny, 1.0))
    return float(-(labels * logs).sum(axis=1).mean())


def fit_half_width(residuals: Array, coverage: float) -> float | None:
    """The least half width that a fresh author's label keeps within, at the coverage.

    The residual of rank ceil((n + 1) coverage): the label of an author drawn like those n is
    within it with at least that probability, for any n. None where the rank is above n.

    >>> fit_half_width(np.arange(1.0, 10.0), 0.8)
    8.0
    """
    # The product may be a hair above the whole number that it is.
    rank = math.ceil((len(residuals) + 1) * coverage - 1e-9)
    if rank > len(residuals):
        return None
    return float(np.sort(residuals)[rank - 1])


def least(function: Callable[[float], float], low: float, high: float) -> float:
    """Where a function with one minimum is least between two bounds, by golden section.

    Source: Kiefer, "Sequential Minimax Search for a Maximum", 1953.
    """
    ratio = (math.sqrt(5) - 1) / 2
    left, right = high - ratio * (high - low), low + ratio * (high - low)
    at_left, at_right = function(left), function(right)
    while high - low > _TOLERANCE:
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - ratio * (high - low)
            at_left = function(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + ratio * (high - low)
            at_right = function(right)
    return (low + high) / 2


def all_groups(values: Array) -> Array:
    """`[authors, 1]` of one of two values as `[authors, 2]` of both."""
    return np.concatenate([1 - values, values], axis=1) if values.shape[1] == 1 else values

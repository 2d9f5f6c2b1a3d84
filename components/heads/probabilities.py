"""Heads that answer probabilities: scored by cross-entropy in nats, calibrated by a temperature.

Arrays are `[authors, width]`; a width of 1 holds the probability of one of two values.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from components.heads.arrays import Array, np
from components.heads.base import Head
from components.heads.calibration import (
    SMALLEST_PROBABILITY,
    Calibration,
    all_groups,
    cross_entropy,
    fit_temperature,
    least,
)


class ProbabilitiesHead(Head):
    """What such heads have in common."""

    def losses(self, outputs: Array, targets: Array) -> Array:
        outputs, targets = all_groups(outputs), all_groups(targets)
        return np.asarray(
            -(targets * np.log(np.maximum(outputs, SMALLEST_PROBABILITY))).sum(axis=1)
        )

    def constant_loss(self, known: float, sums: Array) -> float:
        counts = [float(count) for count in sums]
        return entropy(counts if self.width > 1 else [counts[0], known - counts[0]])

    def calibrate(
        self, outputs: Array, targets: Array, *, coverage: float, lowest: float, scale: float
    ) -> Calibration:
        temperature = max(fit_temperature(outputs, targets), lowest)
        return Calibration(len(targets), temperature=temperature)

    def best_share(self, outputs: Array, targets: Array, constant: Array) -> float:
        outputs, targets, constants = map(all_groups, (outputs, targets, constant[None]))

        def loss(share: float) -> float:
            return cross_entropy(constants + share * (outputs - constants), targets)

        return least(loss, 0.0, 1.0)

    def first_gains(self, outputs: Array, targets: Array, constant: Array) -> Array:
        outputs, targets, constants = map(all_groups, (outputs, targets, constant[None]))
        return np.asarray((targets * (outputs / np.maximum(constants, 1e-12) - 1)).sum(axis=1))


def surprisal(share: Array | float) -> Array:
    """-log of a probability, in nats."""
    return np.asarray(-np.log(np.clip(share, SMALLEST_PROBABILITY, 1.0)))


def entropy(counts: Sequence[float]) -> float:
    """Cross-entropy of the shares of counted values, the best constant answer.

    >>> round(entropy([1.0, 1.0, 0.0]), 6)
    0.693147
    """
    total = sum(counts)
    shares = [count / total for count in counts if count]
    return -sum(share * math.log(share) for share in shares)

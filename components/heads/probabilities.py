"""What heads that answer probabilities have in common: cross-entropy in nats, and what fits it.

Arrays are `[authors, width]`; a width of 1 holds the probability of one of two values.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from components.heads.arrays import Array, np
from components.heads.calibration import all_groups, cross_entropy, least

SMALLEST = 1e-7
"""A probability below it is scored as it: one sure mistake must not be all there is."""


def surprisal(share: Array | float) -> Array:
    """-log of a probability, in nats."""
    return np.asarray(-np.log(np.clip(share, SMALLEST, 1.0)))


def losses(answers: Array, targets: Array) -> Array:
    """Cross-entropy of each author, `[authors]`."""
    answers, targets = all_groups(answers), all_groups(targets)
    return np.asarray(-(targets * np.log(np.maximum(answers, SMALLEST))).sum(axis=1))


def entropy(counts: Sequence[float]) -> float:
    """Cross-entropy of the shares of counted values, the best constant answer.

    >>> round(entropy([1.0, 1.0, 0.0]), 6)
    0.693147
    """
    total = sum(counts)
    shares = [count / total for count in counts if count]
    return -sum(share * math.log(share) for share in shares)


def best_share(answers: Array, targets: Array, constant: Array) -> float:
    """See `Head.best_share`."""
    answers, targets, constants = map(all_groups, (answers, targets, constant[None]))

    def loss(share: float) -> float:
        return cross_entropy(constants + share * (answers - constants), targets)

    return least(loss, 0.0, 1.0)


def first_gains(answers: Array, targets: Array, constant: Array) -> Array:
    """See `Head.first_gains`."""
    answers, targets, constants = map(all_groups, (answers, targets, constant[None]))
    return np.asarray((targets * (answers / np.maximum(constants, 1e-12) - 1)).sum(axis=1))

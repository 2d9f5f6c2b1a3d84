"""What adds up a head's answers for some authors to arrays of fixed size, never an author.

Which arrays a kind of head has, `heads` says. Knows nothing of TFX, Beam and TensorFlow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.heads.calibration import SMALLEST_PROBABILITY, all_groups
from components.report.scales import Array, places

Sums = dict[str, NDArray[np.float64]]

PROBABILITY_EDGES = tuple(k / 20 for k in range(21))
SCORE_EDGES = tuple(k / 1000 for k in range(1001))
CONFIDENCE_EDGES = tuple(k / 100 for k in range(101))


def undo_temperature(prediction: Array, temperature: float) -> Array:
    """Probabilities as they were before logits were divided by a temperature.

    One column holds the probability of one of two values, several those of all groups.

    Source: Guo et al., On Calibration of Modern Neural Networks, 2017, section 4.2.
    """
    powers = np.clip(all_groups(prediction), SMALLEST_PROBABILITY, 1.0) ** temperature
    before = np.asarray(powers / powers.sum(axis=1, keepdims=True))
    return before[:, -prediction.shape[1] :]


def short(amount: float) -> str:
    """An amount in few characters: 950, 20k, 1.5M, 2B."""
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(amount) >= size:
            return f"{amount / size:.3g}{unit}"
    return f"{amount:.3g}"


def count_in(index: tuple[NDArray[np.int64], ...], shape: tuple[int, ...]) -> Array:
    """How often each cell is named, `shape`."""
    counts = np.zeros(shape)
    np.add.at(counts, index, 1.0)
    return counts


def add_in(index: NDArray[np.int64], terms: Sequence[Array], size: int) -> Array:
    """Sums of the terms of each author's place, `[size, terms]`; a term is `[authors]`."""
    sums = np.zeros((size, len(terms)))
    np.add.at(sums, index, np.stack(terms, axis=1))
    return sums


def reliability(stated: Array, came_true: NDArray[Any]) -> Array:
    """By stated probability: count, its sum, how often it came true."""
    terms = (np.ones_like(stated), stated, came_true.astype(float))
    return add_in(places(PROBABILITY_EDGES, stated), terms, len(PROBABILITY_EDGES) - 1)

"""How a number's range is cut into bins, once, before any author is counted.

Enters: the deciles of a head's training labels. Leaves: a `Scale`, by which partial counts of any
part of the data add up. Knows nothing of TFX and Beam.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

BINS = 40
ERROR_BINS = 80
_SKEW = 5.0


@dataclass(frozen=True)
class Scale:
    """Bins of one number.

    Attributes:
        edges: of the bins; a value beyond an end counts in the bin at that end.
        bands: inner bounds of few bands that hold about as many training labels each.
        error_edges: of the bins of prediction minus label, symmetric about 0.
        logarithmic: the bins grow geometrically, for labels such as counts of followers.
    """

    edges: tuple[float, ...]
    bands: tuple[float, ...]
    error_edges: tuple[float, ...]
    logarithmic: bool

    def places(self, values: Array) -> NDArray[np.int64]:
        """Bin of each value."""
        return places(self.edges, values)

    def band_places(self, values: Array) -> NDArray[np.int64]:
        """Band of each value; a bound belongs to the band above it."""
        return np.searchsorted(self.bands, values, side="right")

    def band_names(self) -> list[str]:
        """Names of the bands, such as `below 25`, `25-40`, `40 and above`."""
        if not self.bands:
            return ["all"]
        inner = [
            f"{low:,g}-{high:,g}" for low, high in zip(self.bands, self.bands[1:], strict=False)
        ]
        return [f"below {self.bands[0]:,g}", *inner, f"{self.bands[-1]:,g} and above"]

    def to_json(self) -> dict[str, Any]:
        """The scale as plain values."""
        return {
            "edges": list(self.edges),
            "bands": list(self.bands),
            "error_edges": list(self.error_edges),
            "logarithmic": self.logarithmic,
            "band_names": self.band_names(),
        }


def places(edges: Sequence[float], values: Array) -> NDArray[np.int64]:
    """Bin of each value; those beyond an end count in the bin at that end.

    >>> places([0.0, 1.0, 2.0], np.array([-1.0, 0.5, 1.0, 9.0])).tolist()
    [0, 0, 1, 1]
    """
    return np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)


def make_scale(deciles: Sequence[float], bands: int = 5, *, geometric: bool = False) -> Scale:
    """The scale of a number whose training labels have these deciles.

    Args:
        deciles: smallest label, nine inner deciles, largest label.
        bands: how many bands are wanted; equal deciles give fewer.
        geometric: whether the bins grow so even where the largest labels do not ask for it.

    Raises:
        ValueError: there are no eleven finite, rising numbers.
    """
    if len(deciles) != 11 or not np.all(np.isfinite(deciles)) or np.any(np.diff(deciles) < 0):
        raise ValueError(f"a scale needs eleven finite, rising deciles; received {list(deciles)}")
    low, high = float(deciles[0]), float(deciles[-1])
    body = max(float(deciles[9] - deciles[1]), 1e-9)
    skewed = low >= 0 and (geometric or high - deciles[9] > _SKEW * body)
    step = nice_step(body / 20)
    bounds = [round(round(deciles[10 * k // bands] / step) * step, 9) for k in range(1, bands)]
    bounds = sorted({bound for bound in bounds if low < bound < high})
    reach = nice_step(body)
    errors = np.linspace(-reach, reach, ERROR_BINS + 1)
    edges = _geometric(deciles) if skewed else _linear(low, high)
    return Scale(edges, tuple(bounds), tuple(float(edge) for edge in errors), skewed)


def _linear(low: float, high: float) -> tuple[float, ...]:
    step = nice_step(max(high - low, 1e-6) / BINS)
    first, last = math.floor(low / step), math.floor(high / step) + 1
    return tuple(round(number * step, 9) for number in range(first, last + 1))


def _geometric(deciles: Sequence[float]) -> tuple[float, ...]:
    smallest = max(float(deciles[1]), float(deciles[-1]) * 1e-6)
    inner = np.geomspace(smallest, float(deciles[-1]), BINS)
    return (min(float(deciles[0]), 0.0), *(float(f"{edge:.3g}") for edge in inner))


def nice_step(width: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is not below `width`.

    >>> nice_step(0.7), nice_step(2.1), nice_step(30.0)
    (1.0, 5.0, 50.0)
    """
    power = 10.0 ** math.floor(math.log10(width))
    for factor in (1.0, 2.0, 5.0):
        if factor * power >= width * (1 - 1e-9):
            return factor * power
    return 10.0 * power

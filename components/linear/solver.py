"""Fits a head's linear model by L-BFGS, block by block.

The penalty, half the strength times the squared weights, stands beside the sum of the losses; the
intercepts are free. Memory: 26 vectors of `terms * columns` float64, and one block.

Reference: Nocedal, "Updating Quasi-Newton Matrices with Limited Storage", 1980.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy import sparse

from components.heads.links import Link

MOST_STEPS = 200
_TOLERANCE = 1e-7
"""Of the mean loss: the least gain for which a further step is made."""
_MEMORY = 10
_SUFFICIENT = 1e-4
_SHORTEST = 1e-12


class Rows(Protocol):
    """Rows in blocks that can be read again and again."""

    terms: int
    rows: int

    def blocks(self) -> Iterator[sparse.csr_matrix]:
        """Float32, in the same order each time."""


@dataclass(frozen=True)
class Fit:
    """Weights float32 `[terms, columns]` and intercepts float64 `[columns]`."""

    weights: np.ndarray
    intercepts: np.ndarray

    def scores(self, rows: Rows) -> np.ndarray:
        """float32 `[rows, columns]`."""
        return np.concatenate(
            [_times(block, self.weights) + self.intercepts for block in rows.blocks()]
        ).astype("float32")


def fit_weights(
    rows: Rows,
    targets: np.ndarray,
    chosen: np.ndarray,
    link: Link,
    strength: float,
    start: Fit | None = None,
) -> Fit:
    """The weights of least loss plus penalty; zeros where no row is chosen.

    Args:
        rows: of all authors.
        targets: float `[rows, width]`, finite in every row.
        chosen: bool `[rows]`; what is not has no part in the fit, to the last digit.
        link: of the head.
        strength: of the penalty, above 0.
        start: a fit that saw no other rows than these; None: no weights.
    """
    count, columns = int(chosen.sum()), link.columns
    size = rows.terms * columns
    if not count:
        return Fit(np.zeros((rows.terms, columns), "float32"), np.zeros(columns))

    def objective(at: np.ndarray) -> tuple[float, np.ndarray]:
        weights, intercepts = at[:size].reshape(-1, columns), at[size:]
        narrow = weights.astype("float32")
        loss, first = strength * _dot(at[:size], at[:size]) / 2, 0
        gradient = strength * weights
        rise = np.zeros(columns)
        for block in rows.blocks():
            own = slice(first, first + block.shape[0])
            first = own.stop
            scores = _times(block, narrow) + intercepts
            losses, slopes = link.score_loss(scores, targets[own])
            loss += float(losses[chosen[own]].sum())
            slopes = np.where(chosen[own, None], slopes, 0.0)
            rise += slopes.sum(axis=0)
            # SciPy would widen the block to float64 if one of the two were.
            gradient += _times(block.T, slopes.astype("float32"))
        return loss / count, np.concatenate([gradient.ravel(), rise]) / count

    begin = np.zeros(size + columns)
    if start is None:
        begin[size:] = link.start(targets[chosen].astype("float64"))
    else:
        begin[:size], begin[size:] = start.weights.ravel(), start.intercepts
    found = minimise(objective, begin)
    return Fit(found[:size].reshape(-1, columns).astype("float32"), found[size:])


def minimise(
    objective: Callable[[np.ndarray], tuple[float, np.ndarray]], at: np.ndarray
) -> np.ndarray:
    """Where a strictly convex function is least, from its value and gradient, by L-BFGS.

    Not SciPy's: on a busy machine its BLAS threads wait for each other, 6 ms a step of 30 numbers.
    """
    value, gradient = objective(at)
    moves: deque[tuple[np.ndarray, np.ndarray, float]] = deque(maxlen=_MEMORY)
    for _ in range(MOST_STEPS):
        direction = _towards(gradient, moves)
        slope = _dot(direction, gradient)
        length = 1.0 if moves else 1.0 / max(1.0, _dot(direction, direction) ** 0.5)
        reached, after = objective(at + length * direction)
        while not reached <= value + _SUFFICIENT * length * slope:
            # The minimum of the parabola through what is known, within bounds.
            parabola = -slope * length / (2 * ((reached - value) / length - slope))
            length = min(max(parabola, length / 10), length / 2) if reached < np.inf else length / 2
            if length < _SHORTEST:
                return at
            reached, after = objective(at + length * direction)
        step, change = length * direction, after - gradient
        if (bend := _dot(step, change)) > 0:
            moves.append((step, change, bend))
        gained, at, value, gradient = value - reached, at + step, reached, after
        if gained <= _TOLERANCE * max(abs(value), 1.0):
            break
    return at


def _towards(
    gradient: np.ndarray, moves: deque[tuple[np.ndarray, np.ndarray, float]]
) -> np.ndarray:
    """The direction of the next step: Nocedal's recursion over the last ones."""
    direction = -gradient
    shares = []
    for step, change, bend in reversed(moves):
        shares.append(_dot(step, direction) / bend)
        direction = direction - shares[-1] * change
    if moves:
        _, change, bend = moves[-1]
        direction *= bend / _dot(change, change)
    for step, change, bend in moves:
        direction += (shares.pop() - _dot(change, direction) / bend) * step
    return direction


def _dot(one: np.ndarray, other: np.ndarray) -> float:
    """The inner product without BLAS, whose threads cost more than they save here."""
    return float(np.einsum("i,i->", one, other))


def _times(block: sparse.spmatrix, dense: np.ndarray) -> np.ndarray:
    """The product in float32; of one column as of a vector, which is faster."""
    if dense.shape[1] == 1:
        return np.asarray(block @ dense[:, 0])[:, None]
    return np.asarray(block @ dense)

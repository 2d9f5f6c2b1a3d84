"""Fits a head's linear model by preconditioned L-BFGS, block by block.

The penalty, half the strength times the squared weights, stands beside the sum of the losses; the
intercepts are free. Memory: 16 vectors of `terms * columns` float64, and one block.

Most of the loss's curvature lies in a few directions, those of the commonest words above all. With
them known (`Directions`), a fit of 4,162 authors and 95,700 terms took 12 to 16 evaluations in
place of 50 to 90.

Reference: Nocedal and Wright, "Numerical Optimization", 2006, algorithm 7.4.
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
STRONGEST = 8
_TOLERANCE = 3e-7
"""Of the mean loss: the least gain for which a further step is made."""
_MEMORY = 5
_REST = 0.3
"""Of the weakest known direction: what the others have, about."""
_TYPICAL_SQUARE = 0.01
_PROBE = 1e-3
_LEAST_CURVATURE = 1e-4
_SUFFICIENT = 1e-4
_SHORTEST = 1e-12


class Rows(Protocol):
    """Rows in blocks that can be read again and again."""

    terms: int
    rows: int

    def blocks(self) -> Iterator[sparse.csr_matrix]:
        """Float32, in the same order each time."""


@dataclass(frozen=True)
class Directions:
    """The directions in which rows are strongest; they speed a fit up and do not change it.

    Attributes:
        vectors: float32 `[terms, k]`, orthonormal, k may be 0.
        squares: `[k]`, falling: the mean square of the rows along each.
    """

    vectors: np.ndarray
    squares: np.ndarray

    @classmethod
    def of(cls, rows: Rows, table: np.ndarray) -> Directions:
        """Those of the first columns of a table of singular vectors, of any scale."""
        lengths = np.linalg.norm(table[:, :STRONGEST], axis=0)
        vectors = table[:, :STRONGEST][:, lengths > 0] / lengths[lengths > 0]
        squares = sum(
            (np.square(block @ vectors, dtype="float64").sum(axis=0) for block in rows.blocks()),
            np.zeros(vectors.shape[1]),
        )
        return cls(vectors.astype("float32"), squares / max(rows.rows, 1))

    @classmethod
    def none(cls, terms: int) -> Directions:
        """None known."""
        return cls(np.zeros((terms, 0), "float32"), np.zeros(0))

    def solve(self, gradient: np.ndarray, strength: float, curvatures: np.ndarray) -> np.ndarray:
        """About the inverse of the second derivative times a gradient `[terms, columns]`.

        Args:
            gradient: of the mean loss.
            strength: of the penalty, per author.
            curvatures: second derivative of the loss by each score, `[columns]`.
        """
        along = self.squares[:, None] * curvatures
        rest = strength + _REST * (along[-1] if len(along) else _TYPICAL_SQUARE * curvatures)
        shares = along / (along + rest)
        narrow = gradient.astype("float32")
        return np.asarray((narrow - self.vectors @ (shares * (self.vectors.T @ narrow))) / rest)


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
    directions: Directions,
    start: Fit | None = None,
) -> Fit:
    """The weights of least loss plus penalty; zeros where no row is chosen.

    Args:
        rows: of all authors.
        targets: float `[rows, width]`, finite in every row.
        chosen: bool `[rows]`; what is not has no part in the fit, to the last digit.
        link: of the head.
        strength: of the penalty, above 0.
        directions: of these rows or like ones.
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

    constant = link.start(targets[chosen].astype("float64"))
    curvatures = _curvatures(link, constant, targets[chosen])

    def precondition(gradient: np.ndarray) -> np.ndarray:
        weights = gradient[:size].reshape(-1, columns)
        weights = directions.solve(weights, strength / count, curvatures)
        return np.concatenate([weights.ravel(), gradient[size:] / curvatures])

    begin = np.zeros(size + columns)
    if start is None:
        begin[size:] = constant
    else:
        begin[:size], begin[size:] = start.weights.ravel(), start.intercepts
    found = minimise(objective, begin, precondition)
    return Fit(found[:size].reshape(-1, columns).astype("float32"), found[size:])


def _curvatures(link: Link, constant: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Second derivative of the mean loss by each score, at the constant, `[columns]`."""
    scores = np.tile(constant, (len(targets), 1))
    found = []
    for column in range(link.columns):
        step = _PROBE * np.eye(link.columns)[column]
        rise = link.score_loss(scores + step, targets)[1] - link.score_loss(scores, targets)[1]
        found.append(rise[:, column].mean() / _PROBE)
    return np.maximum(found, _LEAST_CURVATURE)


def minimise(
    objective: Callable[[np.ndarray], tuple[float, np.ndarray]],
    at: np.ndarray,
    precondition: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """Where a strictly convex function is least, from its value and gradient, by L-BFGS.

    `precondition` maps a gradient to about the step to the minimum, and is linear, symmetric and
    positive.

    Not SciPy's: on a busy machine its BLAS threads wait for each other, 6 ms a step of 30 numbers.
    """
    value, gradient = objective(at)
    moves: deque[tuple[np.ndarray, np.ndarray, float]] = deque(maxlen=_MEMORY)
    for _ in range(MOST_STEPS):
        direction = _towards(gradient, moves, precondition)
        slope = _dot(direction, gradient)
        length = 1.0
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
    gradient: np.ndarray,
    moves: deque[tuple[np.ndarray, np.ndarray, float]],
    precondition: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """The direction of the next step: Nocedal's recursion over the last ones."""
    direction = -gradient
    shares = []
    for step, change, bend in reversed(moves):
        shares.append(_dot(step, direction) / bend)
        direction = direction - shares[-1] * change
    direction = precondition(direction)
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

"""The strongest directions of TF-IDF rows, by block power iteration over their blocks.

Memory: three arrays `[terms, width + OVERSAMPLING]` of float32.

Reference: Halko, Martinsson and Tropp, "Finding Structure with Randomness", 2011, algorithm 4.4.
"""

from __future__ import annotations

import numpy as np

from components.linear.solver import Rows

OVERSAMPLING = 16
ITERATIONS = 3
_NEGLIGIBLE = 1e-5
"""Of the largest singular value: what rounding leaves of a value of 0."""


def truncated_svd(rows: Rows, width: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Right singular vectors float32 `[terms, k]` and falling singular values float32 `[k]`.

    Args:
        rows: authors in blocks.
        width: vectors wanted; k is less where the rows have fewer dimensions, and may be 0.
        seed: of the random start.
    """
    size = min(width + OVERSAMPLING, rows.terms)
    basis = np.random.default_rng(seed).standard_normal((rows.terms, size), dtype="float32")
    for _ in range(ITERATIONS):
        image = np.zeros_like(basis)
        for block in rows.blocks():
            image += block.T @ (block @ basis)
        basis = np.linalg.qr(image)[0]
    squares = np.zeros((size, size))
    for block in rows.blocks():
        projected = block @ basis
        squares += projected.T @ projected
    values, turn = np.linalg.eigh(squares)
    singular = np.sqrt(np.maximum(values[::-1], 0.0))[:width]
    kept = singular > _NEGLIGIBLE * max(singular[0], 1e-30) if len(singular) else singular > 0
    vectors = basis @ turn[:, ::-1][:, :width][:, kept].astype("float32")
    return vectors, singular[kept].astype("float32")


def start_of_table(vectors: np.ndarray, singular: np.ndarray) -> np.ndarray:
    """Singular vectors as a network's table starts, float32 `[terms, k]`.

    Each over the root of its singular value, so that strong directions count for less than their
    square; scaled so that an entry has a mean square of 1. Adam's steps do not depend on the scale,
    so a smaller one lets the table follow its authors' labels until it knows them by heart.
    """
    if not len(singular):
        return vectors
    start = vectors / np.sqrt(singular)
    return np.asarray(start / np.sqrt(np.square(start).mean()), "float32")

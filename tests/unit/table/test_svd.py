"""The decomposition beside numpy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from components.table.svd import start_of_table, truncated_svd

RANDOM = np.random.default_rng(4)
# Strong directions that fall off, and a tail: as of texts.
DENSE = (
    (RANDOM.normal(size=(90, 12)) * 0.7 ** np.arange(12)) @ RANDOM.normal(size=(12, 60))
    + RANDOM.normal(size=(90, 60)) / 50
).astype("float32")


class Blocks:
    def __init__(self, dense, size=25):
        self.dense, self.size = dense, size
        self.rows, self.terms = dense.shape

    def blocks(self):
        for first in range(0, self.rows, self.size):
            yield sparse.csr_matrix(self.dense[first : first + self.size])


def test_directions_are_those_of_the_whole_decomposition():
    vectors, singular = truncated_svd(Blocks(DENSE), 8, seed=0)
    _, plain, right = np.linalg.svd(DENSE.astype("float64"))
    np.testing.assert_allclose(singular, plain[:8], rtol=1e-3)
    np.testing.assert_allclose(np.abs((vectors.T * right[:8]).sum(axis=1)), 1, atol=1e-2)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(8), atol=1e-4)


def test_the_same_seed_gives_the_same_table():
    one, two = (truncated_svd(Blocks(DENSE), 8, seed=3)[0] for _ in range(2))
    np.testing.assert_array_equal(one, two)


def test_the_start_has_a_mean_square_of_one_whatever_the_scale_of_the_rows():
    starts = [start_of_table(*truncated_svd(Blocks(DENSE * by), 8, seed=0)) for by in (1, 100)]
    assert np.square(starts[0]).mean() == pytest.approx(1, rel=1e-3)
    np.testing.assert_allclose(np.abs(starts[0]), np.abs(starts[1]), rtol=1e-3, atol=1e-4)
    # Directions in proportion to their singular values, not to the squares.
    squares = (DENSE @ starts[0]) ** 2
    _, plain, _ = np.linalg.svd(DENSE.astype("float64"))
    ratios = squares.mean(axis=0) / squares.mean()
    np.testing.assert_allclose(ratios, plain[:8] / plain[:8].mean(), rtol=0.01)


@pytest.mark.parametrize("shape", [(4, 60), (60, 4), (1, 1), (4, 200)])
def test_few_rows_or_terms_give_as_many_directions_as_there_are(shape):
    dense = RANDOM.normal(size=shape).astype("float32")
    vectors, singular = truncated_svd(Blocks(dense), 50, seed=0)
    assert vectors.shape == (shape[1], min(shape)) and len(singular) == min(shape)
    assert np.isfinite(start_of_table(vectors, singular)).all()


def test_rows_of_nothing_have_no_direction():
    vectors, singular = truncated_svd(Blocks(np.zeros((5, 7), "float32")), 3, seed=0)
    assert vectors.shape == (7, 0) and not len(singular)
    assert start_of_table(vectors, singular).shape == (7, 0)

"""The solver beside scikit-learn's, on the same matrix."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import LogisticRegression, Ridge

from components.heads.links import LogitLink, SoftmaxLink, StepsLink
from components.linear.solver import Directions, fit_weights

RANDOM = np.random.default_rng(1)
ROWS, TERMS = 120, 40
MATRIX = sparse.random(ROWS, TERMS, 0.3, "csr", "float32", rng=np.random.default_rng(2))
TRUTH = RANDOM.normal(size=(TERMS, 3))
SCORES = MATRIX @ TRUTH + RANDOM.normal(size=(ROWS, 3)) / 2
ALL = np.ones(ROWS, "bool")
NONE = Directions.none(TERMS)


class Blocks:
    """Rows in blocks of a size."""

    terms, rows = TERMS, ROWS

    def __init__(self, size: int = ROWS) -> None:
        self.size = size

    def blocks(self):
        for first in range(0, ROWS, self.size):
            yield MATRIX[first : first + self.size]


def test_a_number_is_fitted_as_ridge_regression_fits_it():
    targets = SCORES[:, :1]
    fit = fit_weights(Blocks(), targets, ALL, StepsLink.of(targets), 0.5, NONE)
    plain = Ridge(alpha=0.5).fit(MATRIX, targets[:, 0])
    np.testing.assert_allclose(fit.weights[:, 0], plain.coef_, atol=0.01)
    assert fit.intercepts[0] == pytest.approx(plain.intercept_, abs=0.01)
    np.testing.assert_allclose(fit.scores(Blocks())[:, 0], plain.predict(MATRIX), atol=0.01)


def test_one_of_two_values_is_fitted_as_logistic_regression_fits_it():
    targets = (SCORES[:, :1] > 0.3).astype("float64")
    fit = fit_weights(Blocks(), targets, ALL, LogitLink(), 0.5, NONE)
    plain = LogisticRegression(C=2.0, tol=1e-8).fit(MATRIX, targets[:, 0])
    np.testing.assert_allclose(fit.weights[:, 0], plain.coef_[0], atol=0.02)
    assert fit.intercepts[0] == pytest.approx(plain.intercept_[0], abs=0.01)


def test_groups_are_fitted_as_multinomial_regression_fits_them():
    groups = SCORES.argmax(axis=1)
    fit = fit_weights(Blocks(), np.eye(3)[groups], ALL, SoftmaxLink(3), 0.5, NONE)
    plain = LogisticRegression(C=2.0, tol=1e-8).fit(MATRIX, groups)
    np.testing.assert_allclose(fit.weights, plain.coef_.T, atol=0.02)
    assert fit.weights.dtype == "float32"


def test_the_size_of_a_block_has_no_say():
    targets = SCORES[:, :1]
    link = StepsLink.of(targets)
    one = fit_weights(Blocks(), targets, ALL, link, 0.5, NONE)
    many = fit_weights(Blocks(7), targets, ALL, link, 0.5, NONE)
    np.testing.assert_allclose(many.weights, one.weights, atol=1e-3)


def test_rows_that_are_not_chosen_have_no_part_to_the_last_digit():
    chosen = RANDOM.random(ROWS) < 0.6
    targets = (SCORES[:, :1] > 0.3).astype("float64")
    other = np.where(chosen[:, None], targets, 1 - targets)
    first = fit_weights(Blocks(7), targets, chosen, LogitLink(), 0.5, NONE)
    second = fit_weights(Blocks(7), other, chosen, LogitLink(), 0.5, NONE)
    np.testing.assert_array_equal(first.weights, second.weights)
    plain = LogisticRegression(C=2.0, tol=1e-8).fit(MATRIX[chosen], targets[chosen, 0])
    np.testing.assert_allclose(first.weights[:, 0], plain.coef_[0], atol=0.02)


def test_a_start_changes_the_way_and_not_the_goal():
    targets = SCORES[:, :1]
    link = StepsLink.of(targets)
    strong = fit_weights(Blocks(), targets, ALL, link, 5.0, NONE)
    cold = fit_weights(Blocks(), targets, ALL, link, 0.5, NONE)
    warm = fit_weights(Blocks(), targets, ALL, link, 0.5, NONE, strong)
    assert np.abs(strong.weights - cold.weights).max() > 0.1
    np.testing.assert_allclose(warm.weights, cold.weights, atol=0.01)


def test_without_rows_there_are_no_weights():
    fit = fit_weights(Blocks(), SCORES[:, :1], ~ALL, LogitLink(), 0.5, NONE)
    assert not fit.weights.any() and not fit.intercepts.any()


def test_known_directions_change_the_way_and_not_the_goal():
    targets = SCORES[:, :1]
    link = StepsLink.of(targets)
    table = np.linalg.svd(MATRIX.toarray())[2].T * np.geomspace(1, 5, TERMS)
    directions = Directions.of(Blocks(7), table)
    squares = np.linalg.svd(MATRIX.toarray())[1][:8] ** 2 / ROWS
    np.testing.assert_allclose(directions.squares, squares, rtol=1e-4)
    fit = fit_weights(Blocks(), targets, ALL, link, 0.5, directions)
    plain = Ridge(alpha=0.5).fit(MATRIX, targets[:, 0])
    np.testing.assert_allclose(fit.weights[:, 0], plain.coef_, atol=0.01)


def test_a_gradient_is_solved_for_as_the_second_derivative_along_known_directions():
    vectors = np.linalg.qr(RANDOM.normal(size=(TERMS, 3)))[0].astype("float32")
    directions = Directions(vectors, np.array([4.0, 2.0, 1.0]))
    rest = 0.1 + 0.3 * 0.5
    derivative = rest * np.eye(TERMS) + vectors @ np.diag([2.0, 1.0, 0.5]) @ vectors.T
    gradient = RANDOM.normal(size=(TERMS, 1))
    solved = directions.solve(gradient, 0.1, np.array([0.5]))
    np.testing.assert_allclose(derivative @ solved, gradient, atol=1e-4)

"""Scores of each kind of head, by hand and against an independent NumPy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from components.heads.base import Head
from components.heads.binary import BinaryHead
from components.heads.classes import ClassesHead
from components.heads.regression import RegressionHead

AGE = RegressionHead(name="age")
GENDER = BinaryHead(name="gender")


def score(head: Head, labels: Sequence[Any], predictions: Sequence[Any]) -> dict[str, Any]:
    """Scores of a few authors, and `constants` beside them."""
    whole, histogram = np.zeros(head.term_count), np.zeros(head.histogram_shape)
    for label, prediction in zip(labels, predictions, strict=True):
        pair = np.atleast_1d(np.float64(label)), np.atleast_1d(np.float64(prediction))
        whole += head.terms(*pair)
        head.deposit(histogram, *pair)
    ranked = {name: float(value) for name, value in head.ranked_scores(histogram).items()}
    return {
        "labels": float(head.labels_of(whole)),
        "constants": head.constants(whole, histogram),
        **{name: float(value) for name, value in head.scores(whole, whole).items()},
        **ranked,
    }


def test_regression_scores_and_the_median_and_mean_beside_them() -> None:
    found = score(AGE, [20, 30, 40, 70], [22, 30, 34, 70])
    assert found["labels"] == 4
    assert found["mae"] == pytest.approx(2.0)
    assert found["rmse"] == pytest.approx(3.16227766)
    assert found["skill"] == pytest.approx(1 - 10 / 350)
    assert found["constants"]["mae"] == pytest.approx(15.0)
    assert found["constants"]["rmse"] == pytest.approx(18.70828693)


def test_the_median_counts_labels_outside_the_declared_range() -> None:
    found = score(AGE, [-10, 30, 30, 150, 40], [30] * 5)
    assert found["constants"]["mae"] == pytest.approx((40 + 0 + 0 + 120 + 10) / 5)


def test_the_median_tells_labels_a_few_weeks_apart() -> None:
    assert score(AGE, [30, 30.9, 60], [30] * 3)["constants"]["mae"] == pytest.approx(10.0)


def test_classes_scores_and_the_shares_beside_them() -> None:
    head = ClassesHead(name="income", classes=4)
    probabilities = [
        [0.5, 0.3, 0.1, 0.1],
        [0.2, 0.5, 0.2, 0.1],
        [0.1, 0.3, 0.5, 0.1],
        [0.1, 0.6, 0.1, 0.2],
    ]
    found = score(head, np.eye(4)[[0, 1, 1, 3]], probabilities)
    assert found["accuracy"] == 0.5
    assert found["within_one_group"] == 0.75
    loss = -(math.log(0.5) + math.log(0.5) + math.log(0.3) + math.log(0.2)) / 4
    assert found["cross_entropy"] == pytest.approx(loss) == pytest.approx(1.0499264)
    assert found["skill"] == pytest.approx(1 - 1.0499264 / 1.0397208, abs=1e-6)
    assert found["constants"] == {
        "accuracy": 0.5,
        "within_one_group": 0.75,
        "cross_entropy": pytest.approx(1.0397208),
    }


def test_binary_scores_and_the_commoner_value_beside_them() -> None:
    found = score(GENDER, [1, 0, 1, 0], [0.9, 0.4, 0.25, 0.1])
    assert found["auc"] == 0.75
    assert found["accuracy"] == 0.75
    assert found["cross_entropy"] == pytest.approx(0.5269603)
    assert found["skill"] == pytest.approx(1 - 0.5269603 / 0.6931472, abs=1e-6)
    assert found["constants"] == {
        "auc": 0.5,
        "accuracy": 0.5,
        "cross_entropy": pytest.approx(0.6931472),
    }


def test_equal_predictions_count_half_in_the_auc() -> None:
    assert score(GENDER, [1, 0, 1, 0], [0.7, 0.7, 0.9, 0.7])["auc"] == 0.75


def test_close_predictions_are_told_apart_in_the_auc() -> None:
    assert score(GENDER, [1, 0], [0.512, 0.511])["auc"] == 1.0


def test_a_probability_of_zero_for_the_truth_costs_a_finite_loss() -> None:
    assert score(GENDER, [1, 0], [0.0, 0.5])["cross_entropy"] == pytest.approx(
        (16.1180957 + 0.6931472) / 2
    )


@pytest.mark.parametrize("head, label", [(AGE, 33.7), (GENDER, 1.0)])
def test_labels_that_are_all_the_same_leave_no_skill_to_claim(head: Any, label: float) -> None:
    found = score(head, [label] * 7, [0.9] * 7)
    assert math.isnan(found["skill"])


def test_no_known_label_leaves_every_score_undefined() -> None:
    for head in (AGE, ClassesHead(name="income"), GENDER):
        found = score(head, [], [])
        assert found.pop("labels") == 0
        found["constants"].pop("auc", None)
        assert all(math.isnan(value) for value in found.pop("constants").values())
        assert all(math.isnan(value) for value in found.values())


def test_scores_equal_an_independent_computation_on_many_authors() -> None:
    draw = np.random.default_rng(3)
    ages, guesses = draw.uniform(18, 80, 500), draw.uniform(18, 80, 500)
    found = score(AGE, ages, guesses)
    assert found["rmse"] == pytest.approx(np.sqrt(np.mean((ages - guesses) ** 2)))
    assert found["skill"] == pytest.approx(1 - np.mean((ages - guesses) ** 2) / np.var(ages))
    median_error = np.mean(np.abs(ages - np.median(ages)))
    assert found["constants"]["mae"] == pytest.approx(median_error, abs=0.03)

    positives, chances = draw.random(500) < 0.3, draw.random(500)
    found = score(GENDER, positives, chances)
    right = chances[positives][:, None] > chances[~positives][None, :]
    assert found["auc"] == pytest.approx(right.mean(), abs=5e-4)

"""The losses that training and its search go by, of each kind, against scikit-learn and by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import log_loss, mean_squared_error

from components.heads.base import Head
from components.heads.binary import BinaryHead
from components.heads.calibration import MINIMUM_LABELS
from components.heads.classes import ClassesHead
from components.heads.declared import HEADS
from components.heads.regression import RegressionHead

Array = NDArray[np.float64]

NUMBER, GROUPS, BINARY = RegressionHead(), ClassesHead(classes=4), BinaryHead()
KINDS: list[Head] = [NUMBER, GROUPS, BINARY]
of_each_kind = pytest.mark.parametrize("head", KINDS, ids=lambda head: head.kind)
AUTHORS = 200
COLUMN = np.array([[0.0], [1.0], [3.0]])


def targets_of(head: Head, authors: int = AUTHORS) -> Array:
    random = np.random.default_rng(5)
    if head is NUMBER:
        return random.normal(0.3, 1.0, (authors, 1))
    if head is BINARY:
        return (random.random((authors, 1)) < 0.3).astype(float)
    return np.eye(4)[random.choice(4, authors, p=[0.1, 0.2, 0.3, 0.4])]


def answers_to(head: Head, targets: Array) -> Array:
    """The middle between the targets and what chance answers."""
    random = np.random.default_rng(6)
    if head is NUMBER:
        return np.asarray((targets + random.normal(0, 1, targets.shape)) / 2)
    if head is BINARY:
        return np.asarray((targets + random.random(targets.shape)) / 2)
    return np.asarray((targets + random.dirichlet(np.ones(4), len(targets))) / 2)


def mean_loss(head: Head, constant: Any, targets: Array) -> float:
    return float(head.losses(np.broadcast_to(constant, targets.shape), targets).mean())


def test_every_kind_of_the_product_is_among_them() -> None:
    own = {head.kind for head in KINDS}
    assert own == {
        kind for kind, found in HEADS.items() if found.__module__.startswith("components.")
    }


@of_each_kind
def test_a_perfect_answer_loses_nothing_and_any_other_something(head: Head) -> None:
    targets = targets_of(head)
    assert head.losses(targets, targets).tolist() == [0.0] * AUTHORS
    losses = head.losses(answers_to(head, targets), targets)
    assert losses.shape == (AUTHORS,) and (losses > 0).all()


def test_a_number_loses_the_squared_error() -> None:
    targets = targets_of(NUMBER)
    answers = answers_to(NUMBER, targets)
    assert NUMBER.losses(answers, targets).mean() == pytest.approx(
        mean_squared_error(targets, answers)
    )


@pytest.mark.parametrize("head", [GROUPS, BINARY], ids=lambda head: head.kind)
def test_probabilities_lose_the_cross_entropy(head: Head) -> None:
    targets = targets_of(head)
    answers = answers_to(head, targets)
    assert head.losses(answers, targets).mean() == pytest.approx(log_loss(targets, answers))


def test_one_sure_mistake_is_not_all_there_is() -> None:
    for head, answer, target in (
        (BINARY, [[0.0]], [[1.0]]),
        (GROUPS, [[1.0, 0, 0, 0]], [[0, 1.0, 0, 0]]),
    ):
        (loss,) = head.losses(np.array(answer), np.array(target))
        assert loss == pytest.approx(math.log(1e7))


def test_the_best_constant_by_hand() -> None:
    # Four numbers of sum 10, their squares of sum 30.
    assert NUMBER.constant_loss(4, np.array([10.0, 30.0])) == pytest.approx(1.25)
    assert BINARY.constant_loss(2, np.array([1.0])) == pytest.approx(math.log(2))
    assert BINARY.constant_loss(4, np.array([3.0])) == pytest.approx(0.5623351446)
    counts = np.array([3.0, 1.0, 0.0, 0.0])
    assert GROUPS.constant_loss(4, counts) == pytest.approx(0.5623351446)


@of_each_kind
def test_no_constant_loses_less_than_the_mean_target(head: Head) -> None:
    targets = targets_of(head)
    sums = head.moments(targets).sum(axis=0)
    mean = sums[: head.width] / AUTHORS
    assert mean == pytest.approx(targets.mean(axis=0))
    least = head.constant_loss(AUTHORS, sums)
    assert least == pytest.approx(mean_loss(head, mean, targets))
    for target in targets[:20]:
        assert mean_loss(head, mean + 0.02 * (target - mean), targets) > least


@of_each_kind
def test_masked_authors_leave_the_sums_as_they_are(head: Head) -> None:
    targets, known = targets_of(head), np.arange(AUTHORS) % 3 > 0
    masked = np.where(known[:, None], targets, 0.0)
    sums = (known[:, None] * head.moments(masked)).sum(axis=0)
    assert sums == pytest.approx(head.moments(targets[known]).sum(axis=0))


@of_each_kind
def test_equal_labels_are_told_by_a_constant_that_loses_nothing(head: Head) -> None:
    targets = np.tile(targets_of(head)[:1], (7, 1))
    assert head.constant_loss(7, head.moments(targets).sum(axis=0)) == pytest.approx(0, abs=1e-12)


@of_each_kind
def test_the_first_gain_is_what_the_loss_falls_by_with_a_small_step(head: Head) -> None:
    targets, step = targets_of(head), 1e-6
    answers, constant = answers_to(head, targets), targets.mean(axis=0)
    beside = [
        head.losses(constant + share * (answers - constant), targets) for share in (-step, step)
    ]
    fallen = (beside[0] - beside[1]) / (2 * step)
    assert head.first_gains(answers, targets, constant) == pytest.approx(fallen, rel=1e-5, abs=1e-6)


@of_each_kind
def test_no_share_loses_less_than_the_best_one(head: Head) -> None:
    targets = targets_of(head)
    constant = targets.mean(axis=0)
    # Sure of everybody, and of each fourth author as of the one before.
    is_fourth = np.arange(AUTHORS)[:, None] % 4 == 0
    answers = np.where(is_fourth, np.roll(targets, 1, axis=0), targets)
    best = head.best_share(answers, targets, constant)
    assert 0 < best < 1

    def loss(share: float) -> float:
        return float(head.losses(constant + share * (answers - constant), targets).mean())

    assert loss(best) <= min(loss(best - 0.01), loss(best + 0.01))


@pytest.mark.parametrize("head", [GROUPS, BINARY], ids=lambda head: head.kind)
def test_the_best_share_of_perfect_probabilities_is_all(head: Head) -> None:
    targets = targets_of(head)
    assert head.best_share(targets, targets, targets.mean(axis=0)) == pytest.approx(1, abs=1e-5)


def test_the_best_share_of_a_number_may_be_above_all() -> None:
    # Answers half as far from the constant as the labels are.
    share = NUMBER.best_share(COLUMN / 2, COLUMN, np.zeros(1))
    assert share == pytest.approx(2)


def test_a_number_is_calibrated_by_an_interval_in_its_own_unit() -> None:
    targets = np.zeros((9, 1))
    answers = np.arange(1.0, 10.0)[:, None] * [[-1.0]]
    fitted = NUMBER.calibrate(answers, targets, coverage=0.8, lowest=0.0, scale=2.5)
    assert fitted.description() == {"interval": {"coverage": 0.8, "half_width": 20.0}}
    none = NUMBER.calibrate(answers[:3], targets[:3], coverage=0.8, lowest=0.0, scale=2.5)
    assert (none.labels, none.description()) == (3, {})


@pytest.mark.parametrize("head", [GROUPS, BINARY], ids=lambda head: head.kind)
def test_probabilities_are_calibrated_by_a_temperature_not_below_the_lowest(head: Head) -> None:
    targets = targets_of(head)
    # Always right, and stated with 0.6.
    shy = np.asarray(0.6 * targets + 0.4 * (1 - targets) / max(head.width - 1, 1))
    for lowest, temperature in ((0.0, 0.1), (1.0, 1.0)):
        fitted = head.calibrate(shy, targets, coverage=0.8, lowest=lowest, scale=1.0)
        assert fitted.labels == AUTHORS
        assert fitted.description() == {"temperature": pytest.approx(temperature, rel=1e-3)}
    few = MINIMUM_LABELS - 1
    fitted = head.calibrate(shy[:few], targets[:few], coverage=0.8, lowest=0.0, scale=1.0)
    assert fitted.temperature == 1.0


@of_each_kind
def test_a_target_is_what_a_perfect_network_answers(head: Head) -> None:
    facts = {
        head.internal("mean"): np.float64(40.0),
        head.internal("deviation"): np.float64(8.0),
        head.internal("boundaries"): np.array([10.0, 20.0, 30.0]),
    }
    labels: list[Any] = ["male", "female"] if head is BINARY else [10.0, 32.0]
    targets = head.targets(labels, facts)
    expected = {
        "regression": [[-3.75], [-1.0]],
        "classes": [[0, 1, 0, 0], [0, 0, 0, 1]],
        "binary": [[0], [1]],
    }[head.kind]
    assert targets.tolist() == expected
    natural = [[10.0], [32.0]] if head is NUMBER else expected
    assert head.natural(targets, facts).tolist() == natural

"""A kind of head that another package adds, against scikit-learn and values worked out by hand."""

from __future__ import annotations

import math
import pickle
import re
from typing import Any

import numpy as np
import pytest
from count_head.head import CountHead
from numpy.typing import NDArray
from pydantic import ValidationError
from sklearn.metrics import d2_tweedie_score, mean_poisson_deviance

from components.heads.base import LabelError
from components.heads.declared import HEADS, heads_from_json, heads_to_json, parse_heads
from components.heads.names import check_names

HEAD = CountHead(name="posts_a_week", unit="posts", maximum=50)
LABELS = np.array([0.0, 1.0, 1.0, 2.0, 3.0, 5.0, 5.0, 9.0])
ANSWERS = np.array([0.4, 0.8, 1.5, 2.0, 2.5, 7.0, 4.0, 6.5])


def column(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    return numbers[:, None]


def sums_of(labels: Any, answers: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Terms and histogram of some authors."""
    terms, histogram = np.zeros(HEAD.term_count), np.zeros(HEAD.histogram_shape)
    for label, answer in zip(labels, answers, strict=True):
        terms += HEAD.terms(np.array([label]), np.array([answer]))
        HEAD.deposit(histogram, np.array([label]), np.array([answer]))
    return terms, histogram


def test_the_kind_is_found_and_declared_like_any_other() -> None:
    assert HEADS["count"] is CountHead
    (head,) = parse_heads({"posts_a_week": {"kind": "count", "unit": "posts", "maximum": 50}})
    assert head == HEAD
    assert heads_from_json(heads_to_json((head,))) == (head,)
    assert pickle.loads(pickle.dumps(head)) == head
    check_names({"posts_a_week": head})


@pytest.mark.parametrize(
    ("given", "parsed"), [(3, 3), ("3", 3), (" 3.0 ", 3), (0, 0), ("", None), (None, None)]
)
def test_whole_numbers_are_read_however_they_are_written(given: Any, parsed: int | None) -> None:
    assert HEAD.parse(given) == parsed


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ("2.5", "posts_a_week is not a whole number"),
        ("many", "posts_a_week is not a number"),
        (True, "posts_a_week is not a number"),
    ],
)
def test_what_is_no_whole_number_is_a_fault(given: Any, rule: str) -> None:
    with pytest.raises(LabelError, match=f"^{rule}$"):
        HEAD.parse(given)


def test_counts_outside_of_the_range_are_named_with_the_settings_that_bound_it() -> None:
    sides = [HEAD.side_of_range(count) for count in (-1, 0, 50, 51)]
    assert sides == ["below", None, None, "above"]
    for told in (HEAD.range_rule, HEAD.range_remedy):
        named = re.findall(r"heads\.posts_a_week\.(\w+)", told)
        assert named == ["minimum", "maximum"]
        assert set(named) <= set(CountHead.model_fields)
    with pytest.raises(ValidationError, match="minimum 5 must be below maximum 5"):
        CountHead(name="n", minimum=5, maximum=5)


def test_the_loss_is_the_poisson_deviance() -> None:
    losses = HEAD.losses(column(ANSWERS), column(LABELS))
    assert losses.mean() == pytest.approx(mean_poisson_deviance(LABELS, ANSWERS))
    assert losses[3] == 0
    assert (losses >= 0).all()
    assert losses[0] == pytest.approx(0.8)
    assert np.isfinite(HEAD.losses(np.array([[0.0]]), np.array([[3.0]]))).all()


def test_the_best_constant_is_the_mean() -> None:
    targets = HEAD.targets(LABELS.astype(int).tolist(), {})
    assert targets.tolist() == column(LABELS).tolist()
    assert HEAD.natural(targets, {}).tolist() == targets.tolist()
    loss = HEAD.constant_loss(len(LABELS), HEAD.moments(targets).sum(axis=0))
    mean = np.full_like(LABELS, LABELS.mean())
    assert loss == pytest.approx(mean_poisson_deviance(LABELS, mean))
    assert loss == pytest.approx(HEAD.losses(column(mean), targets).mean())
    assert loss < mean_poisson_deviance(LABELS, mean * 1.05)
    assert HEAD.constant_loss(3, HEAD.moments(np.zeros((3, 1))).sum(axis=0)) == 0


def test_the_first_gain_is_the_fall_of_the_loss_by_a_small_step() -> None:
    constant, step = np.array([LABELS.mean()]), 1e-6
    moved = constant + step * (column(ANSWERS) - constant)
    before = HEAD.losses(np.broadcast_to(constant, moved.shape), column(LABELS))
    fallen = (before - HEAD.losses(moved, column(LABELS))) / step
    gains = HEAD.first_gains(column(ANSWERS), column(LABELS), constant)
    assert gains == pytest.approx(fallen, rel=1e-4, abs=1e-4)


def test_answers_that_are_too_far_from_the_mean_keep_the_share_that_suits() -> None:
    mean = LABELS.mean()
    overdone = np.maximum(mean + 2 * (LABELS - mean), 0.1)
    share = HEAD.best_share(column(overdone), column(LABELS), np.array([mean]))
    assert 0.4 < share < 0.7

    def loss(share: float) -> float:
        return float(mean_poisson_deviance(LABELS, mean + share * (overdone - mean)))

    assert loss(share) <= min(loss(share - 0.01), loss(share + 0.01))


def test_an_interval_is_of_counts_and_holds_none_below_the_range() -> None:
    labels = np.arange(30.0)
    answers = labels + np.resize([1.0, -1.0, 3.0], 30)
    fitted = HEAD.calibrate(
        column(answers), column(labels), coverage=0.8, lowest=0.0, scale=1.0
    ).description()
    assert fitted == {"interval": {"coverage": 0.8, "half_width": 3.0}}
    served = CountHead.served.model_validate(HEAD.model_dump() | fitted)
    assert served.described([1.5]) == {
        "value": 1.5,
        "unit": "posts",
        "interval": {"coverage": 0.8, "lower": 0.0, "upper": 4.5},
        "confidence": 0.8,
    }
    assert (served.columns, served.column_types) == (["posts_a_week"], ["float64"])


def test_scores_and_the_median_and_mean_beside_them() -> None:
    terms, histogram = sums_of(LABELS, ANSWERS)
    scores = {name: float(value) for name, value in HEAD.scores(terms, terms).items()}
    assert float(HEAD.labels_of(terms)) == 8
    assert scores["mae"] == pytest.approx(np.abs(LABELS - ANSWERS).mean())
    assert scores["deviance"] == pytest.approx(mean_poisson_deviance(LABELS, ANSWERS))
    assert scores["skill"] == pytest.approx(d2_tweedie_score(LABELS, ANSWERS, power=1))
    constants = HEAD.constants(terms, histogram)
    assert constants["mae"] == pytest.approx(np.abs(LABELS - np.median(LABELS)).mean())
    mean = np.full_like(LABELS, LABELS.mean())
    assert constants["deviance"] == pytest.approx(mean_poisson_deviance(LABELS, mean))
    keys = {metric.key for metric in CountHead.metrics}
    assert keys == constants.keys() == scores.keys() - {"skill"}


def test_the_constant_of_the_whole_is_held_in_a_part() -> None:
    whole, _ = sums_of(LABELS, ANSWERS)
    part, _ = sums_of(LABELS[:4], ANSWERS[:4])
    constant = mean_poisson_deviance(LABELS[:4], np.full(4, LABELS.mean()))
    skill = float(HEAD.scores(part, whole)["skill"])
    assert skill == pytest.approx(1 - mean_poisson_deviance(LABELS[:4], ANSWERS[:4]) / constant)


@pytest.mark.parametrize("label", [0, 1, 7])
def test_equal_labels_leave_skill_unknown(label: int) -> None:
    terms, histogram = sums_of([label] * 9, [label + 0.1] * 9)
    assert math.isnan(float(HEAD.scores(terms, terms)["skill"]))
    assert HEAD.constants(terms, histogram) == {"mae": 0.0, "deviance": pytest.approx(0.0)}


def test_no_labels_leave_all_scores_unknown() -> None:
    terms, histogram = sums_of([], [])
    found = HEAD.scores(terms, terms) | HEAD.constants(terms, histogram)
    assert all(math.isnan(float(value)) for value in found.values())

"""How scores become logits and answers, for every kind of head."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from components.heads.declared import parse_heads
from components.heads.links import Link, SoftmaxLink, fit_logistic
from components.heads.ordinal import steps_in_reach

HEADS = parse_heads(
    {
        "age": {"kind": "regression"},
        "income": {"kind": "classes", "classes": 3, "given_as": "group"},
        "gender": {"kind": "binary"},
        "books": {"kind": "count"},
    }
)
RANDOM = np.random.default_rng(3)
SIGNAL = RANDOM.normal(size=400)
TARGETS = {
    "age": (SIGNAL + RANDOM.normal(size=400))[:, None],
    "income": np.eye(3)[np.clip(np.round(SIGNAL + RANDOM.normal(size=400)), -1, 1).astype(int) + 1],
    "gender": (RANDOM.random((400, 1)) < 1 / (1 + np.exp(-2 * SIGNAL[:, None]))).astype(float),
    "books": RANDOM.poisson(np.exp(0.5 * SIGNAL + 1))[:, None].astype(float),
}
EACH = pytest.mark.parametrize("head", HEADS, ids=lambda head: head.name)


def scores_of(link: Link) -> np.ndarray:
    return (
        SIGNAL[:, None] * np.linspace(-1.0, 1.0, link.columns)
        if link.columns > 1
        else (SIGNAL[:, None])
    )


@EACH
def test_a_link_is_the_same_when_read_back(head) -> None:
    targets = TARGETS[head.name]
    link = head.link(targets)
    again = head.read_link(json.loads(json.dumps(link.to_json())))
    logits = RANDOM.normal(size=(5, link.logits))
    assert (again.columns, again.logits) == (link.columns, link.logits)
    np.testing.assert_array_equal(again.answers(logits), link.answers(logits))
    np.testing.assert_array_equal(
        again.losses(logits, targets[:5]), link.losses(logits, targets[:5])
    )
    assert link.answers(logits).shape == (5, head.width)


@EACH
def test_the_gradient_is_that_of_the_loss_and_the_start_its_zero(head) -> None:
    targets = TARGETS[head.name]
    link = head.link(targets)
    scores = RANDOM.normal(size=(400, link.columns))
    step = RANDOM.normal(size=scores.shape) * 1e-5
    rise = link.score_loss(scores + step, targets)[0] - link.score_loss(scores - step, targets)[0]
    gradient = link.score_loss(scores, targets)[1]
    np.testing.assert_allclose(rise, 2 * (gradient * step).sum(axis=1), rtol=1e-4, atol=1e-10)
    start = np.tile(link.start(targets), (400, 1))
    np.testing.assert_allclose(link.score_loss(start, targets)[1].sum(axis=0), 0, atol=1e-6)


@EACH
def test_no_other_slope_or_intercept_fits_better(head) -> None:
    targets = TARGETS[head.name]
    link = head.link(targets)
    scores = scores_of(link)
    mixing, bias = link.fit(scores, targets)
    best = link.losses(scores @ mixing + bias, targets).mean()
    assert best < link.losses(np.zeros_like(scores) @ mixing + bias, targets).mean()
    for factor, shift in ((1.1, 0), (0.9, 0), (1, 0.1), (1, -0.1)):
        moved = bias + shift * np.arange(1, link.logits + 1)
        other = link.losses(scores @ (factor * mixing) + moved, targets).mean()
        assert best < other + 1e-5


@EACH
def test_scores_that_say_the_opposite_are_not_turned_round(head) -> None:
    targets = TARGETS[head.name]
    link = head.link(targets)
    mixing, bias = link.fit(-scores_of(link), targets)
    assert np.abs(mixing).max() < 1e-6
    constant = link.answers(bias[None, :])
    np.testing.assert_allclose(constant[0], targets.mean(axis=0), atol=0.1)


@EACH
def test_without_labels_the_answer_is_a_constant(head) -> None:
    link = head.link(TARGETS[head.name])
    mixing, bias = link.fit(np.zeros((0, link.columns)), np.zeros((0, head.width)))
    assert not mixing.any() and np.isfinite(link.answers(bias[None, :])).all()


def test_a_slope_is_that_of_logistic_regression_and_finite_where_labels_are_parted() -> None:
    labels = TARGETS["gender"][:, 0]
    slope, intercept = fit_logistic(3 * SIGNAL + 5, labels)
    plain = LogisticRegression(C=1e9).fit(3 * SIGNAL[:, None] + 5, labels)
    assert (slope, intercept) == pytest.approx((plain.coef_[0, 0], plain.intercept_[0]), rel=0.02)
    slope, intercept = fit_logistic(np.array([-1.0, -1.0, 1.0, 1.0]), np.array([0.0, 0, 1, 1]))
    assert 0.5 < slope < 5 and intercept == pytest.approx(0, abs=1e-6)


def test_a_slope_of_groups_is_that_of_a_search() -> None:
    scores = RANDOM.normal(size=(400, 3)) + 2 * TARGETS["income"]
    mixing, _ = SoftmaxLink(3).fit(scores, TARGETS["income"])
    logits = LogisticRegression(C=1e9).fit(scores, TARGETS["income"].argmax(axis=1))
    own = np.diag(logits.coef_).mean() - (logits.coef_.sum() - np.trace(logits.coef_)) / 6
    assert mixing[0, 0] == pytest.approx(own, rel=0.1)
    assert not (mixing - mixing[0, 0] * np.eye(3)).any()


def test_every_label_of_a_number_is_within_reach() -> None:
    labels = np.sort(RANDOM.exponential(size=3000))
    link = HEADS[0].link(labels[:, None])
    lowest, highest = link.answers(np.array([[-50.0], [50.0]]) * np.ones(link.logits))[:, 0]
    assert (lowest, highest) == pytest.approx((labels[0], labels[-1]), rel=1e-9)
    assert [(labels > cut).sum() for cut in link.steps.thresholds[-3:]] == [60, 15, 5]
    # Without noise the outer tenths are answered as they are.
    mixing, bias = link.fit(labels[:, None], labels[:, None])
    answers = link.answers(labels[:, None] @ mixing + bias)[:, 0]
    for tenth in (slice(0, 300), slice(2700, 3000)):
        assert answers[tenth].mean() == pytest.approx(labels[tenth].mean(), abs=0.05)


def test_tails_of_few_labels_are_no_groups_of_their_own() -> None:
    assert len(steps_in_reach(np.arange(80.0)).thresholds) == 15
    assert len(steps_in_reach(np.arange(200.0)).thresholds) == 17
    assert len(steps_in_reach(np.arange(800.0)).thresholds) == 19
    assert len(steps_in_reach(np.arange(3000.0)).thresholds) == 21
    assert steps_in_reach(np.ones(4)) is None


def test_a_number_whose_labels_are_all_one_is_answered_it() -> None:
    link = HEADS[0].link(np.full((4, 1), 2.5))
    assert link.answers(np.array([[3.0], [-1.0]])).tolist() == [[2.5], [2.5]]

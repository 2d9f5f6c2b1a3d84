"""Author weights and the intervals drawn with them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from components.heads.binary import BinaryHead
from components.heads.classes import ClassesHead
from components.judging.bootstrap import (
    REPLICATES,
    author_weights,
    interval,
    ranked_scores,
    student_quantile,
)

GENDER = BinaryHead(name="gender")


def weights_of(authors: int) -> np.ndarray:
    """`[authors, 1 + REPLICATES]`."""
    return np.stack([author_weights(f"author-{number}".encode()) for number in range(authors)])


def replicated_means(values: np.ndarray) -> np.ndarray:
    """The mean of one value an author, in every replicate."""
    weights = weights_of(len(values))[:, 1:]
    return (values @ weights) / weights.sum(axis=0)


def test_an_authors_weights_follow_from_the_id_alone() -> None:
    assert author_weights(b"author-1")[:10].tolist() == FIRST_WEIGHTS
    assert author_weights(b"author-1").tolist() != author_weights(b"author-2").tolist()


FIRST_WEIGHTS = [1.0, 2.0, 1.0, 3.0, 0.0, 1.0, 1.0, 1.0, 2.0, 1.0]


def test_weights_are_poisson_of_mean_one() -> None:
    weights = weights_of(400)[:, 1:]
    assert weights.mean() == pytest.approx(1.0, abs=0.01)
    assert weights.var() == pytest.approx(1.0, abs=0.02)
    assert np.mean(weights == 0) == pytest.approx(math.exp(-1), abs=0.005)
    assert np.abs(np.corrcoef(weights[:40]) - np.eye(40)).max() < 0.15


def test_an_interval_holds_its_point_and_narrows_with_more_authors() -> None:
    values = np.random.default_rng(1).normal(5, 2, 800)
    widths = []
    for authors in (50, 200, 800):
        lower, upper = interval(replicated_means(values[:authors]), authors, 0.95)
        assert lower < values[:authors].mean() < upper
        widths.append(upper - lower)
    assert widths[0] == pytest.approx(2 * 1.96 * 2 / math.sqrt(50), rel=0.25)
    assert widths[0] / widths[1] == pytest.approx(2, rel=0.25)
    assert widths[1] / widths[2] == pytest.approx(2, rel=0.25)


def test_a_higher_level_gives_a_wider_interval() -> None:
    replicates = replicated_means(np.random.default_rng(2).normal(size=60))
    narrow, wide = interval(replicates, 60, 0.8), interval(replicates, 60, 0.99)
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


@pytest.mark.parametrize("authors", [12, 60])
def test_intervals_cover_the_truth_about_as_often_as_asked(authors: int) -> None:
    draw = np.random.default_rng(7)
    splits = 400
    covered = 0
    for _ in range(splits):
        lower, upper = interval(replicated_means(draw.exponential(1.0, authors)), authors, 0.9)
        covered += lower <= 1.0 <= upper
    assert covered / splits == pytest.approx(0.88, abs=0.05)


def test_fewer_than_ten_labels_have_no_interval() -> None:
    replicates = np.linspace(0, 1, REPLICATES)
    assert interval(replicates, 10, 0.95)[0] > 0
    assert all(math.isnan(end) for end in interval(replicates, 9, 0.95))


def test_replicates_that_are_mostly_undefined_have_no_interval() -> None:
    replicates = np.linspace(0, 1, REPLICATES)
    replicates[:100] = math.nan
    assert interval(replicates, 50, 0.95)[0] > 0
    replicates[100] = math.nan
    assert all(math.isnan(end) for end in interval(replicates, 50, 0.95))


@pytest.mark.parametrize(
    "confidence, degrees, quantile", [(0.95, 9, 2.262), (0.9, 9, 1.833), (0.95, 119, 1.980)]
)
def test_student_quantiles_equal_the_printed_table(
    confidence: float, degrees: int, quantile: float
) -> None:
    assert student_quantile(confidence, degrees) == pytest.approx(quantile, abs=5e-4)


def test_a_score_of_order_has_a_replicate_a_draw_about_its_own_value() -> None:
    draw = np.random.default_rng(5)
    histogram = np.zeros(GENDER.histogram_shape)
    for positive in draw.random(200) < 0.4:
        answer = np.clip(draw.normal(0.4 + 0.2 * positive, 0.2, 1), 0, 1)
        GENDER.deposit(histogram, np.array([float(positive)]), answer)
    replicates = ranked_scores(GENDER, histogram)["auc"]
    assert replicates.shape == (1 + REPLICATES,)
    assert replicates[0] == GENDER.ranked_scores(histogram)["auc"]
    assert replicates[1:].mean() == pytest.approx(replicates[0], abs=0.005)
    # The standard error of an AUC by Hanley and McNeil, 1982, for 0.76, 80 and 120 authors.
    assert replicates[1:].std() == pytest.approx(0.035, abs=0.006)


def test_a_head_without_a_score_of_order_has_no_replicates() -> None:
    assert ranked_scores(ClassesHead(name="income"), np.ones((0, 4000))) == {}

"""The numbers behind the figures, by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from components.report.drawing import mean_interval, share_interval
from components.report.figures_calibration import (
    abstention_figure,
    calibration_figure,
    expected_calibration_error,
    merge_bins,
    reliability_figure,
)
from components.report.figures_data import combination_name, lengths_figure, together_figure
from components.report.figures_quality import (
    MEAN_ERROR,
    confusion_figure,
    cross_figure,
    error_figure,
    roc_figure,
)
from components.report.figures_search import efficient_trials, parallel_figure, tradeoff_figure
from components.report.figures_training import loss_figure
from components.report.record import RunRecord


def trial(number: int, **skills: float) -> dict[str, Any]:
    return {"trial": number, "skills": skills, "hyperparameters": {}, "score": 0.5}


def test_a_share_has_wilsons_interval() -> None:
    assert share_interval(8, 10, 0.95) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert share_interval(0, 0, 0.95) == (0.0, 1.0)


def test_a_mean_has_its_interval_from_sums() -> None:
    # 100 values of mean 5 and variance 4, so of deviation 2.01 with n - 1: 1.96 * 0.201.
    assert mean_interval(100, 500.0, 2900.0, 0.95) == pytest.approx((5.0, 4.606, 5.394), abs=1e-3)


def test_calibration_error_is_weighted_by_authors() -> None:
    assert expected_calibration_error([[10, 8.0, 6.0], [30, 9.0, 9.0]]) == pytest.approx(0.05)
    assert expected_calibration_error([]) is None


def test_a_trial_that_another_beats_or_equals_in_each_head_is_not_efficient() -> None:
    trials = [trial(0, a=0.5, b=0.1), trial(1, a=0.4, b=0.3), trial(2, a=0.4, b=0.2)]
    assert efficient_trials(trials, ["a", "b"]) == {0, 1}
    assert efficient_trials([trial(0, a=0.5), trial(1, a=0.5)], ["a"]) == {0, 1}


def test_a_point_of_the_tradeoff_names_its_trial() -> None:
    trials = [trial(7, a=0.5, b=0.1), trial(8, a=0.4, b=0.3), trial(9, a=0.3, b=0.1)]
    beaten, efficient, best = tradeoff_figure(trials, ["a", "b"], "a", "b").data
    assert list(beaten.customdata) == [9]
    assert list(efficient.customdata) == [7, 8]
    assert (list(efficient.x), list(efficient.y)) == ([0.5, 0.4], [0.1, 0.3])
    assert list(best.customdata) == [7]


def test_parallel_coordinates_leave_out_what_never_varies(record: RunRecord) -> None:
    drawn = parallel_figure(record.trials, record.names)
    titles = [note.text for note in drawn.layout.annotations if note.text.startswith("<b>")]
    assert [title.replace("<br>", " ") for title in titles] == [
        "<b>weight of party</b>",
        "<b>weight of smoker</b>",
        "<b>skill of party</b>",
        "<b>skill of smoker</b>",
        "<b>mean skill</b>",
    ]
    assert list(drawn.data[-1].y) == [0.0, 1.0, 0.0, 1.0, 1.0]


def test_parallel_coordinates_place_names_at_even_steps() -> None:
    trials = [
        {**trial(number, a=0.5 - number / 10), "hyperparameters": {"network": kind}}
        for number, kind in enumerate(["wide", "reference"])
    ]
    drawn = parallel_figure(trials, [])
    ends = [(note.text, note.y) for note in drawn.layout.annotations][:2]
    assert ends == [("reference", -0.02), ("wide", 1.02)]
    assert [list(line.y) for line in drawn.data] == [[0.0, 0.5], [1.0, 0.5]]


def test_the_roc_curve_passes_the_points_of_the_scores() -> None:
    scores = np.zeros((2, 1000))
    scores[0, [100, 600]], scores[1, [300, 900]] = (3, 1), (1, 3)
    head = {"group_names": ["no", "yes"], "arrays": {"scores": scores.tolist()}}
    curve, half, _ = roc_figure(head).data
    points = set(zip(curve.x, curve.y, strict=True))
    assert points == {(0.0, 0.0), (0.0, 0.75), (0.25, 0.75), (0.25, 1.0), (1.0, 1.0)}
    assert (half.x[0], half.y[0]) == (0.25, 0.75)


def test_abstention_keeps_the_surest_authors() -> None:
    rows = np.zeros((100, 2))
    rows[90], rows[60] = (10, 1), (30, 15)
    head = {"kind": "binary", "name": "smoker", "arrays": {"confidence": rows.tolist()}}
    drawn = abstention_figure(head, 0.95)
    assert drawn is not None
    assert list(drawn.data[1].x) == [0.25, 1.0]
    assert list(drawn.data[1].y) == pytest.approx([0.9, 0.6])


def test_a_head_without_confidence_has_no_abstention_curve() -> None:
    head = {"kind": "regression", "name": "height", "unit": "cm", "arrays": {}}
    assert abstention_figure(head, 0.95) is None


def test_errors_by_band_are_read_off_the_counts(answers: dict[str, Any]) -> None:
    head = answers["heads"]["height"]
    drawn = error_figure(head, "height, cm", "cm")
    assert len(drawn.data) == len(head["bins"]["band_names"])
    for box in drawn.data:
        # Made with a deviation of 5: half lies within 3.37, 90 % within 8.22.
        assert box.median[0] == pytest.approx(0, abs=3.0)
        assert box.q3[0] - box.q1[0] == pytest.approx(6.7, abs=2.9)


def test_each_row_of_the_confusion_is_a_share_of_its_true_group(answers: dict[str, Any]) -> None:
    drawn = confusion_figure(answers["heads"]["party"], "")
    np.testing.assert_allclose(np.array(drawn.data[0].z).sum(axis=1), 1.0)


def test_the_curve_before_calibration_is_drawn_where_there_is_one(answers: dict[str, Any]) -> None:
    heads = answers["heads"]
    names = [trace.name for trace in reliability_figure(heads["smoker"], "yes", 0.95).data]
    assert names == ["before calibration", "as answered", "perfectly calibrated"]
    assert len(reliability_figure(heads["party"], "a group", 0.95).data) == 2
    assert (
        calibration_figure(heads["height"], "height, cm").data[0].name
        == "mean label (size: authors)"
    )


def test_bins_of_few_authors_are_drawn_together() -> None:
    rows = [[4, 8.0, 1.0], [0, 0.0, 0.0], [4, 16.0, 2.0], [1, 9.0, 1.0]]
    assert merge_bins(rows) == [[8.0, 24.0, 3.0]]


def test_errors_of_a_head_by_a_value_that_nobody_has_are_not_drawn(answers: dict[str, Any]) -> None:
    heads = answers["heads"]
    drawn = cross_figure(heads["height"], heads["smoker"], "smoker", MEAN_ERROR, 0.95)
    assert drawn is not None
    assert list(drawn.data[0].x) == ["no", "yes"]
    empty = {**heads["height"], "arrays": {"by/smoker": [[0, 0, 0, 0], [2, 1, 1, 1]]}}
    assert cross_figure(empty, heads["smoker"], "smoker", MEAN_ERROR, 0.95) is None


def test_heads_known_together_are_named_by_their_bits(record: RunRecord) -> None:
    assert combination_name(3, ["age", "income", "gender"]) == "age + income"
    assert combination_name(0, ["age"]) == "none"
    drawn = together_figure(record.data)
    assert drawn is not None
    assert drawn.data[0].y[0] == "height + party + smoker"
    assert drawn.data[0].x[0] == 120.0


def test_lengths_are_shares_of_each_split() -> None:
    drawn = lengths_figure({"train": [0, 30, 10, 0]}, [0, 1, 2, 4, 8], "posts an author")
    assert list(drawn.data[0].x) == ["1", "2-4"]
    assert list(drawn.data[0].y) == [0.75, 0.25]


@pytest.mark.parametrize(
    "key",
    [
        pytest.param("known.loss", id="plain"),
        pytest.param("height_known.loss", id="in steps"),
        pytest.param("known_loss", id="of an earlier release"),
        pytest.param("height_known_loss", id="in steps, of an earlier release"),
    ],
)
def test_one_head_alone_finds_its_loss_without_a_name(key: str) -> None:
    training = {"best_epoch": 1, "epochs": [{key: 0.5, f"val_{key}": 0.6}]}
    drawn = loss_figure("height", 1, training, "squared SD")
    assert drawn is not None
    assert [list(trace.y) for trace in drawn.data] == [[0.5], [0.6]]
    if not key.startswith("height"):
        assert loss_figure("height", 2, training, "squared SD") is None

"""What answers add up to, by hand, and in parts as in one piece."""

from __future__ import annotations

from typing import Any

import numpy as np

from components.heads.declared import parse_heads
from components.report.answer_sums import add_sums, count_answers, describe_answers
from components.report.answers import undo_temperature
from components.report.heads import REPORTS, group_name
from components.report.scales import Scale

HEADS = parse_heads(
    {
        "height": {"kind": "regression", "unit": "cm"},
        "party": {"kind": "classes", "classes": 3, "given_as": "group"},
        "smoker": {"kind": "binary", "positive": "yes", "negative": "no"},
    }
)
SCALE = Scale((0.0, 10.0, 20.0), (10.0,), (-10.0, 0.0, 10.0), False)
SERVED = {
    "height": {"interval": {"half_width": 2.5, "coverage": 0.8}},
    "party": {},
    "smoker": {"temperature": 10.0},
}
REPORT_OF = {head.name: REPORTS[head.kind](head, SCALE, SERVED[head.name]) for head in HEADS}

LABELS = {
    "height": np.array([[4.0], [16.0], [12.0], [0.0]]),
    "party": np.eye(3)[[0, 2, 2, 0]],
    "smoker": np.array([[1.0], [0.0], [1.0], [0.0]]),
}
KNOWN = {
    "height": np.array([True, True, True, False]),
    "party": np.array([True, True, False, False]),
    "smoker": np.array([True, True, True, True]),
}
PREDICTIONS = {
    "height": np.array([[6.0], [13.0], [25.0], [1.0]]),
    "party": np.array([[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0, 0, 1.0], [1.0, 0, 0]]),
    "smoker": np.array([[0.93], [0.22], [0.41], [0.08]]),
}


def cut(content: dict[str, Any], rows: slice) -> dict[str, Any]:
    mask = np.zeros(4, dtype=bool)
    mask[rows] = True
    return {name: value[mask] for name, value in content.items()}


def arrays(rows: slice = slice(None)) -> dict[str, Any]:
    return count_answers(REPORT_OF, cut(LABELS, rows), cut(KNOWN, rows), cut(PREDICTIONS, rows))


def test_a_number_is_counted_by_label_and_prediction_where_the_label_is_known() -> None:
    sums = arrays()
    # Beyond the scale, 25 counts in its last bin; the fourth author's label is unknown.
    assert sums["height/joint"].tolist() == [[1.0, 0.0], [0.0, 2.0]]
    assert sums["height/errors"].tolist() == [[0.0, 1.0], [1.0, 1.0]]
    assert sums["height/moments"].tolist() == [[1.0, 2.0, 2.0, 4.0], [2.0, 10.0, 16.0, 178.0]]
    assert sums["height/calibration"].tolist() == [[1.0, 6.0, 4.0], [2.0, 38.0, 28.0]]
    assert sums["height/coverage"].tolist() == [3.0, 1.0]


def test_groups_are_counted_by_label_and_most_probable_group() -> None:
    sums = arrays()
    assert sums["party/confusion"].tolist() == [[1.0, 0, 0], [0, 0, 0], [1.0, 0, 0]]
    stated = {place: row.tolist() for place, row in enumerate(sums["party/reliability"]) if row[0]}
    assert stated == {14: [1.0, 0.7, 1.0], 12: [1.0, 0.6, 0.0]}


def test_a_binary_head_is_counted_by_value_and_probability_before_and_after() -> None:
    sums = arrays()
    negatives, positives = sums["smoker/scores"]
    assert np.flatnonzero(negatives).tolist() == [80, 220]
    assert np.flatnonzero(positives).tolist() == [410, 930]
    assert sums["smoker/reliability"][18].tolist() == [1.0, 0.93, 1.0]
    # Divided by 10, the logits of three were ten times as far from 0: their odds, to the tenth.
    odds = [(share / (1 - share)) ** 10 for share in (0.22, 0.41, 0.08)]
    stated = sum(one / (1 + one) for one in odds)
    np.testing.assert_allclose(sums["smoker/reliability_before"][0], [3.0, stated, 1.0])


def test_errors_are_summed_by_confidence_and_by_the_other_heads_labels() -> None:
    sums = arrays()
    by_confidence = {k: row.tolist() for k, row in enumerate(sums["smoker/confidence"]) if row[0]}
    # The third is a smoker to 0.41, so the answer is no with a confidence of 0.59.
    assert by_confidence == {
        93: [1.0, 0.0],
        78: [1.0, 0.0],
        59: [1.0, 1.0],
        92: [1.0, 0.0],
    }
    assert "height/confidence" not in sums
    # Of smokers, heights are off by +2 and +13; of the others by -3.
    assert sums["height/by/smoker"].tolist() == [
        [1.0, 3.0, 9.0, -3.0],
        [2.0, 15.0, 173.0, 15.0],
    ]
    assert sums["smoker/by/party"].tolist() == [[1.0, 0, 0, 0], [0, 0, 0, 0], [1.0, 0, 0, 0]]
    assert sums["smoker/by/height"].tolist() == [[1.0, 0, 0, 0], [2.0, 1.0, 1.0, 0]]


def test_parts_add_up_to_the_whole() -> None:
    whole = arrays()
    parts = add_sums(add_sums({}, arrays(slice(0, 1))), arrays(slice(1, 4)))
    assert parts.keys() == whole.keys()
    for name, values in whole.items():
        np.testing.assert_allclose(parts[name], values, err_msg=name)


def test_the_description_holds_counts_and_no_author() -> None:
    content = describe_answers("test", REPORT_OF, arrays())
    assert content["authors"] == 4
    assert list(content["heads"]) == ["height", "party", "smoker"]
    assert content["heads"]["smoker"]["group_names"] == ["no", "yes"]
    assert content["heads"]["height"]["bins"]["band_names"] == ["below 10", "10 and above"]
    assert content["heads"]["height"]["arrays"]["coverage"] == [3.0, 1.0]


def test_a_split_without_authors_is_described_as_empty() -> None:
    assert describe_answers("test", REPORT_OF, {})["authors"] == 0


def test_what_a_classifier_said_before_its_calibration_follows_from_the_temperature() -> None:
    # Logits 0 and log 3: softmax 1/4, 3/4; divided by 2 they are log sqrt 3: 0.366, 0.634.
    calibrated = 3**0.5 / (1 + 3**0.5)
    np.testing.assert_allclose(undo_temperature(np.array([[calibrated]]), 2.0), [[0.75]])
    both = np.array([[1 - calibrated, calibrated]])
    np.testing.assert_allclose(undo_temperature(both, 2.0), [[0.25, 0.75]])
    assert "party/reliability" in arrays()
    assert "party/reliability_before" not in arrays()


def test_an_interval_is_as_wide_as_the_model_says() -> None:
    predictions = np.array([[30.0], [30.0], [40.0], [40.0]])
    labels = np.array([[27.5], [32.6], [37.4], [42.5]])
    assert REPORT_OF["height"].sums(labels, predictions)["coverage"].tolist() == [4.0, 2.0]
    without = REPORTS["regression"](HEADS[0], SCALE)
    assert without.sums(labels, predictions)["coverage"].tolist() == [0.0, 0.0]


def test_many_groups_are_counted_several_to_a_row() -> None:
    (head,) = parse_heads({"town": {"kind": "classes", "classes": 120, "given_as": "group"}})
    report = REPORTS["classes"](head)
    label = np.eye(120)[[0, 2, 3, 119]]
    sums = report.sums(label, label)
    assert sums["confusion"].shape == (40, 40)
    assert np.flatnonzero(sums["confusion"].diagonal()).tolist() == [0, 1, 39]
    assert sums["confusion"][0, 0] == 2.0
    assert len(report.group_names()) == 40


def test_groups_cut_from_an_amount_are_named_by_their_range() -> None:
    names = [group_name(number, 3, [20e3, 1.5e6]) for number in range(3)]
    assert names == ["below 20k", "20k-1.5M", "1.5M and above"]
    assert group_name(1, 3, []) == "1"


def test_group_names_that_round_to_the_same_stay_apart() -> None:
    (head,) = parse_heads({"pay": {"kind": "classes", "classes": 4}})
    served = {"boundaries": [10_001.0, 10_002.0, 10_003.0]}
    names = REPORTS["classes"](head, served=served).group_names()
    assert len(set(names)) == 4

"""What the server says of a head's numbers, by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.heads.binary import ServedBinary
from components.heads.classes import ServedClasses
from components.heads.served import Abstention, ServedNumber
from components.serving.server.answers import bound_faults, describe_head
from components.serving.server.explain import occlude, word_effects
from components.serving.server.settings import ServerSettings

AGE = {"name": "age", "kind": "regression", "unit": "years", "minimum": 0.0, "maximum": 120.0}
INCOME = {"name": "income", "kind": "classes", "classes": 3, "boundaries": [10.0, 20.0]}
GENDER = {"name": "gender", "kind": "binary", "positive": "female", "negative": "male"}


def settings(**bounds: dict[str, float]) -> Any:
    return ServerSettings(model=Path("model"), **bounds)


def test_a_number_has_its_unit_and_an_interval_only_where_one_was_fitted() -> None:
    assert ServedNumber(**AGE).described([31.2]) == {"value": 31.2, "unit": "years"}
    fitted = ServedNumber(**AGE, interval={"coverage": 0.8, "half_width": 5.5})
    assert fitted.described([31.2])["interval"] == {
        "coverage": 0.8,
        "lower": 25.7,
        "upper": 36.7,
    }


def test_an_interval_ends_where_the_heads_range_ends() -> None:
    fitted = ServedNumber(**AGE, interval={"coverage": 0.8, "half_width": 40.0})
    interval = fitted.described([12.0])["interval"]
    assert (interval["lower"], interval["upper"]) == (0.0, 52.0)
    assert fitted.described([100.0])["interval"]["upper"] == 120.0


def test_groups_have_probabilities_boundaries_and_the_likeliest() -> None:
    assert ServedClasses(**INCOME).described([0.2, 0.5, 0.3]) == {
        "group": 1,
        "probabilities": [0.2, 0.5, 0.3],
        "boundaries": [10.0, 20.0],
    }


@pytest.mark.parametrize(("bound", "abstains"), [(0.7, False), (0.75, False), (0.76, True)])
def test_below_its_bound_a_calibrated_head_abstains(bound: float, abstains: bool) -> None:
    answer = ServedBinary(**GENDER, temperature=1.2).described([0.25], Abstention(bound))
    assert answer["confidence"] == 0.75
    assert answer.get("abstain", False) is abstains
    assert answer["probabilities"] == {"female": 0.25, "male": 0.75}


def test_an_uncalibrated_head_claims_no_confidence() -> None:
    assert "confidence" not in ServedBinary(**GENDER).described([0.25], Abstention(0.9))


@pytest.mark.parametrize(
    ("bounds", "abstains"),
    [
        ({}, False),
        ({"abstain_below": {"age": 0.8}, "abstain_wider": {"age": 11.0}}, False),
        ({"abstain_below": {"age": 0.81}}, True),
        ({"abstain_wider": {"age": 10.9}}, True),
    ],
)
def test_a_number_is_as_sure_as_its_interval_and_abstains_where_that_is_too_wide(
    bounds: Any, abstains: bool
) -> None:
    fitted = ServedNumber(**AGE, interval={"coverage": 0.8, "half_width": 5.5})
    answer = fitted.described([31.0], settings(**bounds).abstention("age"))
    assert (answer["value"], answer["confidence"]) == (31.0, 0.8)
    assert answer.get("abstain", False) is abstains


def test_a_bound_the_model_cannot_keep_is_a_fault() -> None:
    heads = [ServedNumber(**AGE), ServedClasses(**INCOME, temperature=1.0), ServedBinary(**GENDER)]
    assert bound_faults(heads, settings(abstain_below={"income": 0.5})) == []
    given = settings(
        abstain_below={"gender": 0.5, "mood": 0.5}, abstain_wider={"income": 9.0, "age": 9.0}
    )
    faults = bound_faults(heads, given)
    assert [fault.split(";")[1].split(".")[0].strip() for fault in faults] == [
        "mood is none",
        "income is none",
        "the model has none for gender",
        "the model has none for age",
    ]


def test_the_metadata_tells_a_heads_quality_but_not_the_label_files_field() -> None:
    quality = {"metric": "MAE", "value": 5.96, "lower": 5.4, "upper": 6.52}
    told = describe_head(ServedNumber(**AGE, field="years_old", quality=quality))
    assert told["quality"] == quality
    assert "field" not in told


def test_a_word_goes_with_all_its_occurrences_whatever_its_case() -> None:
    tried = occlude("Straße! straße, don’t", 9, 10_000)
    assert tried.words == ["strasse", "don’t"]
    assert tried.counts == [2, 1]
    assert [text.decode() for text in tried.texts] == [
        "Straße! straße, don’t",
        "! , don’t",
        "Straße! straße, ",
    ]


@pytest.mark.parametrize(("words", "size", "expected"), [(2, 1000, 2), (9, 15, 2), (9, 5, 0)])
def test_words_and_bytes_bound_what_is_tried(words: int, size: int, expected: int) -> None:
    tried = occlude("a b c", words, size)
    assert (len(tried.words), len(tried.texts), tried.distinct) == (expected, expected + 1, 3)


def test_words_come_by_the_size_of_their_effect_on_the_answered_group() -> None:
    tried = occlude("a b", 9, 1000)
    answers = np.array([[0.2, 0.5, 0.3], [0.2, 0.4, 0.4], [0.1, 0.8, 0.1]], np.float32)
    assert word_effects(ServedClasses(**INCOME), answers, tried) == {
        "of": "probability of group 1",
        "words": [
            {"word": "b", "count": 1, "effect": pytest.approx(-0.3, abs=1e-6)},
            {"word": "a", "count": 1, "effect": pytest.approx(0.1, abs=1e-6)},
        ],
    }
    effects = word_effects(ServedNumber(**AGE), np.array([[30.0], [28.0], [31.0]]), tried)
    assert effects["words"][0]["effect"] == 2.0

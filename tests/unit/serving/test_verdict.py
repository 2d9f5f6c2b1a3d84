"""What makes a model unfit to serve, on answers written by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest

from components.heads.binary import ServedBinary
from components.heads.classes import ServedClasses
from components.heads.served import ServedNumber
from components.serving import verdict

HEADS = [
    ServedNumber(name="age", kind="regression"),
    ServedClasses(name="income", kind="classes", classes=3),
    ServedBinary(name="gender", kind="binary", positive="female", negative="male"),
]


def sound_answers() -> dict[str, Any]:
    """Answers to every probe, and of two authors; each test spoils its own copy."""
    sizes = dict.fromkeys((verdict.TOGETHER, verdict.ALONE, verdict.AS_EXAMPLES), 10)
    sizes |= {verdict.AUTHORS: 2, verdict.TRAINER: 2}
    return {
        question: {
            "age": [[50.0] for _ in range(size)],
            "income": [[0.2, 0.3, 0.5] for _ in range(size)],
            "gender": [[0.25] for _ in range(size)],
        }
        for question, size in sizes.items()
    }


def test_answers_that_agree_bring_no_fault() -> None:
    assert verdict.judge(HEADS, sound_answers(), 1e-4) == verdict.Verdict(
        [], {"age": 0.0, "income": 0.0, "gender": 0.0}
    )


def test_a_probability_a_thousandth_off_the_trainers_is_a_fault_that_names_head_and_author() -> (
    None
):
    answers = sound_answers()
    answers[verdict.AUTHORS]["gender"][1] = [0.251]
    faults, gaps = verdict.judge(HEADS, answers, 1e-4)
    assert len(faults) == 1
    assert faults[0].startswith("gender: authors by the exported model and authors by the Trainer")
    assert "differ by 0.001 for author 2 of 2, and in 1 of 2 answers" in faults[0]
    assert gaps["gender"] == pytest.approx(0.001)


@pytest.mark.parametrize(("age", "faults"), [(50.004, 0), (49.996, 0), (50.006, 1), (49.994, 1)])
def test_a_number_above_one_may_differ_in_proportion(age: float, faults: int) -> None:
    answers = sound_answers()
    answers[verdict.AUTHORS]["age"][0] = [age]
    assert len(verdict.judge(HEADS, answers, 1e-4).faults) == faults


def test_a_wider_tolerance_lets_a_wider_gap_pass() -> None:
    answers = sound_answers()
    answers[verdict.AUTHORS]["gender"][1] = [0.26]
    assert verdict.judge(HEADS, answers, 0.02).faults == []


@pytest.mark.parametrize("question", [verdict.ALONE, verdict.AS_EXAMPLES])
def test_a_probe_answered_otherwise_another_way_is_a_fault(question: str) -> None:
    answers = sound_answers()
    answers[question]["age"][0] = [51.0]
    faults = verdict.judge(HEADS, answers, 1e-4).faults
    assert len(faults) == 1
    assert f"age: {question} and posts in one batch" in faults[0]
    assert "for the empty post" in faults[0]


@pytest.mark.parametrize(
    ("head", "row", "words"),
    [
        ("age", [math.nan], "not finite"),
        ("age", [math.inf], "not finite"),
        ("gender", [1.01], "outside 0 to 1"),
        ("income", [-0.1, 0.6, 0.5], "outside 0 to 1"),
        ("income", [0.2, 0.3, 0.6], "sum is 1.1, not 1"),
    ],
)
def test_an_answer_out_of_its_range_is_a_fault_even_where_all_ways_agree(
    head: str, row: list[float], words: str
) -> None:
    answers = sound_answers()
    for question in (verdict.TOGETHER, verdict.ALONE, verdict.AS_EXAMPLES):
        answers[question][head][1] = row
    faults = verdict.judge(HEADS, answers, 1e-4).faults
    assert any(f"{head}: one word (posts in one batch)" in f and words in f for f in faults)


def test_a_trainers_answer_that_is_not_a_number_matches_nothing() -> None:
    answers = sound_answers()
    answers[verdict.TRAINER]["income"][0] = [0.2, math.nan, 0.5]
    faults, gaps = verdict.judge(HEADS, answers, 1e-4)
    assert any("author 1 of 2 (authors by the Trainer's model)" in fault for fault in faults)
    assert gaps["income"] == math.inf


def test_a_head_without_an_answer_or_of_another_width_is_a_fault() -> None:
    answers = sound_answers()
    del answers[verdict.ALONE]["age"]
    answers[verdict.AUTHORS]["income"] = [[0.5, 0.5], [0.5, 0.5]]
    answers[verdict.AS_EXAMPLES]["gender"].pop()
    assert verdict.judge(HEADS, answers, 1e-4).faults == [
        "age: no answer to posts one by one; there are ['gender', 'income']",
        "income: authors by the exported model must be answered by rows of 3; some are not",
        "gender: posts as Examples must be answered by 10 rows; it is by 9",
    ]

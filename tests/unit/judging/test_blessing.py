"""The rules by which a head is blessed, at and beside their bounds."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from components.judging.blessing import (
    Comparison,
    Estimate,
    HeadResult,
    HeadVerdict,
    LinearBaseline,
    Verdict,
    describe,
    judge_head,
)
from components.judging.settings import JudgingSettings


def age_result(value: float | None, lower: float | None, labels: int = 100) -> HeadResult:
    """An age head with a skill and the lower end of its interval."""
    upper = None if value is None else value + 0.08
    return HeadResult(
        name="age",
        kind="regression",
        unit="years",
        labels=labels,
        metrics={"mae": Estimate(value=4.1, lower=3.8, upper=4.5)},
        constant={"mae": 8.2},
        skill=Estimate(value=value, lower=lower, upper=upper),
    )


def judge(
    value: float | None,
    lower: float | None,
    difference: float | None = None,
    labels: int = 100,
    **settings: Any,
) -> HeadVerdict:
    """The verdict on such a head, beside a model in service where a difference is given."""
    comparison = Comparison()
    if difference is not None and value is not None:
        comparison = Comparison(
            baseline_skill=Estimate(value=value - difference),
            difference=Estimate(value=difference, lower=difference - 0.1, upper=difference + 0.1),
        )
    return judge_head(age_result(value, lower, labels), comparison, JudgingSettings(**settings))


def test_a_head_above_the_constant_with_its_whole_interval_is_blessed() -> None:
    verdict = judge(0.61, 0.52)
    assert verdict.blessed and not verdict.accepted
    assert verdict.reason == "its whole interval of skill is above 0"


@pytest.mark.parametrize(
    "lower, minimum, blessed",
    [(0.0, 0.0, False), (1e-6, 0.0, True), (0.1, 0.1, False), (0.11, 0.1, True)],
)
def test_the_lower_end_must_exceed_the_minimum(lower: float, minimum: float, blessed: bool) -> None:
    assert judge(0.3, lower, minimum_skill=minimum).blessed is blessed


def test_the_reason_says_by_how_much_a_head_falls_short_of_the_constant() -> None:
    verdict = judge(0.04, -0.03, minimum_skill=0.05)
    assert not verdict.blessed
    assert verdict.reason == (
        "falls short by 0.080: the lower end of its skill interval is -0.030 and must exceed 0.05"
    )


@pytest.mark.parametrize(
    "difference, blessed", [(-0.02, True), (0.58 - 0.60, True), (-0.0201, False), (0.3, True)]
)
def test_a_drop_is_tolerated_up_to_the_bound(difference: float, blessed: bool) -> None:
    assert judge(0.6, 0.5, difference).blessed is blessed


def test_the_reason_says_by_how_much_a_head_falls_short_of_the_model_in_service() -> None:
    assert judge(0.6, 0.5, -0.07).reason == (
        "falls short by 0.050: its skill is 0.070 below that of the deployed model, "
        "and 0.02 is tolerated"
    )


def test_both_shortfalls_are_told() -> None:
    reason = judge(-0.1, -0.2, -0.5).reason
    assert "lower end of its skill interval is -0.200" in reason
    assert "0.500 below that of the deployed model" in reason


def test_an_accepted_head_may_miss_the_constant_but_not_the_model_in_service() -> None:
    verdict = judge(0.01, -0.03, accept=["age"])
    assert verdict.blessed and verdict.accepted
    assert verdict.reason.startswith("accepted by the settings, though it falls short by 0.030")
    assert not judge(0.01, -0.03, -0.2, accept=["age"]).blessed
    assert not judge(0.01, -0.03, accept=["income"]).blessed


def test_a_head_that_needs_no_acceptance_is_not_called_accepted() -> None:
    assert not judge(0.6, 0.5, accept=["age"]).accepted


def test_too_few_labels_fall_short_whatever_the_skill() -> None:
    verdict = judge(0.9, None, labels=9)
    assert not verdict.blessed
    assert verdict.reason.startswith("has 9 known labels on the split, and an interval needs 10")


def test_a_head_without_any_skill_to_tell_falls_short() -> None:
    assert "too many of its known labels are the same" in judge(None, None).reason


def test_a_head_is_described_in_one_line() -> None:
    assert describe(judge(0.61, 0.52)) == (
        "age: MAE 4.10 years [3.80, 4.50], constant baseline 8.20, "
        "skill 0.610 [0.520, 0.690]: blessed"
    )
    assert describe(judge(0.02, -0.03)).endswith(
        "skill 0.020 [-0.030, 0.100]: not blessed, it falls short by 0.030: the lower end of its "
        "skill interval is -0.030 and must exceed 0"
    )


LINEAR = LinearBaseline(
    metrics={"mae": Estimate(value=4.3, lower=4.0, upper=4.6)},
    skill=Estimate(value=0.59, lower=0.5, upper=0.67),
    added=Estimate(value=0.02, lower=0.01, upper=0.03),
)


def test_the_linear_baseline_is_told_beside_the_constant_one() -> None:
    verdict = judge_head(age_result(0.61, 0.52), Comparison(), JudgingSettings(), LINEAR)
    assert verdict.linear_baseline == LINEAR
    assert describe(verdict) == (
        "age: MAE 4.10 years [3.80, 4.50], linear baseline 4.30, constant baseline 8.20, "
        "skill 0.610 [0.520, 0.690]: blessed"
    )


def test_a_linear_baseline_that_is_better_blocks_nothing() -> None:
    added = Estimate(value=-0.2, lower=-0.3, upper=-0.1)
    better = LINEAR.model_copy(update={"added": added})
    assert judge_head(age_result(0.61, 0.52), Comparison(), JudgingSettings(), better).blessed


def test_a_verdict_without_a_linear_baseline_is_read() -> None:
    before = judge(0.61, 0.52).model_dump(mode="json")
    del before["linear_baseline"]
    assert HeadVerdict.model_validate(before).linear_baseline is None


def test_a_kind_of_head_that_is_not_installed_is_named() -> None:
    result = age_result(0.6, 0.5).model_dump()
    with pytest.raises(ValidationError, match=r"one of regression, .*; it is 'tally'"):
        HeadResult(**{**result, "kind": "tally"})


def test_a_comparison_that_came_to_nothing_says_so() -> None:
    empty = Comparison(baseline_skill=Estimate(value=None), difference=Estimate(value=None))
    assert "the deployed model has no skill" in empty.with_note("").note
    assert Comparison().with_note("").note == ""


def test_a_verdict_is_read_back_as_it_was_written() -> None:
    verdict = Verdict(
        blessed=False,
        falling_short=["age"],
        split="test",
        authors=104,
        confidence=0.95,
        settings=JudgingSettings(),
        baseline=None,
        heads=[judge(0.02, -0.03)],
        slices=[],
    )
    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict

"""The TFMA metric: masks, pairing of two models, order of merging."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from components.heads.declared import heads_to_json, parse_heads
from components.judging.settings import JudgingSettings

AGE = parse_heads({"age": {"kind": "regression"}})
CANDIDATE, BASELINE, LINEAR = "candidate", "baseline", "linear_baseline"


@pytest.fixture(scope="module")
def combiner() -> Any:
    """The combiner of an age head in a candidate and a deployed model, as TFMA builds it."""
    return combiner_of(CANDIDATE, BASELINE)


def combiner_of(*models: str) -> Any:
    """The combiner of an age head in these models."""
    from components.judging.evaluation import make_eval_config
    from components.judging.metrics import AuthorScores

    masks = {"age": "age.known"} if BASELINE in models else {}
    linear = ["age"] if LINEAR in models else []
    metric = AuthorScores(head=heads_to_json(AGE), confidence=0.95)
    (computation,) = metric.computations(
        eval_config=make_eval_config(AGE, JudgingSettings(), masks, linear_heads=linear),
        model_names=list(models),
        output_names=["age"],
        example_weighted=True,
    )
    return computation.combiner


def author(
    number: int, label: float, candidate: float, baseline: float, known: float = 1.0
) -> dict[str, Any]:
    """One author as TFMA hands it to a combiner; the linear baseline answers as the deployed."""
    from tensorflow_model_analysis.metrics import metric_types

    def by_model(first: float, second: float) -> dict[str, Any]:
        return {
            CANDIDATE: {"age": np.array([first], np.float32)},
            BASELINE: {"age": np.array([second], np.float32)},
            LINEAR: {"age": np.array([second], np.float32)},
        }

    return metric_types.StandardMetricInputs(
        labels=by_model(label, label),
        predictions=by_model(candidate, baseline),
        example_weights=by_model(known, known),
        features={"author_id": np.array([f"author-{number}".encode()], dtype=object)},
    )


def combine(combiner: Any, authors: list[Any], parts: int = 1) -> dict[tuple[str, str, bool], Any]:
    """The combiner's output by (model, name, whether a difference), from several accumulators."""
    accumulators = []
    for part in range(parts):
        accumulator = combiner.create_accumulator()
        for one in authors[part::parts]:
            accumulator = combiner.add_input(accumulator, one)
        accumulators.append(accumulator)
    output = combiner.extract_output(combiner.merge_accumulators(accumulators))
    return {(key.model_name, key.name, key.is_diff): value for key, value in output.items()}


def crowd(authors: int = 80, gap: float = 3.0, seed: int = 2) -> list[Any]:
    """Authors whose candidate errs by 5 years, whose baseline errs alike and by `gap` more."""
    draw = np.random.default_rng(seed)
    ages, errors = draw.uniform(18, 70, authors), draw.normal(0, 5, authors)
    return [
        author(number, age, age + error, age + error + math.copysign(gap, error))
        for number, (age, error) in enumerate(zip(ages, errors, strict=True))
    ]


def test_authors_without_a_known_label_are_left_out(combiner: Any) -> None:
    known = [author(1, 20, 22, 20), author(2, 30, 30, 30), author(3, 40, 34, 40)]
    masked = [author(4, 0, 1000, 1000, known=0.0), author(5, 0, -500, 7, known=0.0)]
    found = combine(combiner, known + masked)
    assert found[CANDIDATE, "labels", False] == 3
    assert found[CANDIDATE, "mae", False].value.value == pytest.approx(8 / 3)
    assert found[CANDIDATE, "constant_mae", False] == pytest.approx(20 / 3)
    assert found[CANDIDATE, "skill", False].value.value == pytest.approx(1 - 40 / 200)
    assert math.isnan(found[CANDIDATE, "skill", False].lower_bound.value)


def test_parts_merged_in_any_number_give_the_same(combiner: Any) -> None:
    authors = crowd(40)
    whole, parted = combine(combiner, authors), combine(combiner, authors[::-1], parts=7)
    assert whole.keys() == parted.keys()
    for key in whole:
        one, other = whole[key], parted[key]
        if hasattr(one, "value"):
            one = [one.value.value, one.lower_bound.value, one.upper_bound.value]
            other = [other.value.value, other.lower_bound.value, other.upper_bound.value]
        assert one == pytest.approx(other)


def test_a_model_beside_itself_differs_by_nothing(combiner: Any) -> None:
    difference = combine(combiner, crowd(gap=0.0))[CANDIDATE, "skill", True]
    assert difference.value.value == 0
    assert (difference.lower_bound.value, difference.upper_bound.value) == (0, 0)


def test_the_difference_is_drawn_on_the_same_authors(combiner: Any) -> None:
    found = combine(combiner, crowd())
    skill, other = found[CANDIDATE, "skill", False], found[BASELINE, "skill", False]
    difference = found[CANDIDATE, "skill", True]
    assert difference.value.value == pytest.approx(skill.value.value - other.value.value)
    assert 0 < difference.lower_bound.value < difference.value.value
    apart = math.hypot(
        skill.upper_bound.value - skill.lower_bound.value,
        other.upper_bound.value - other.lower_bound.value,
    )
    assert difference.upper_bound.value - difference.lower_bound.value < 0.8 * apart


def test_the_same_authors_give_the_same_interval_again(combiner: Any) -> None:
    first, again = combine(combiner, crowd()), combine(combiner, crowd())
    assert first == again


def test_what_is_added_to_the_linear_baseline_is_drawn_on_the_same_authors(combiner: Any) -> None:
    beside_deployed = combine(combiner, crowd())
    for models in ((CANDIDATE, LINEAR), (CANDIDATE, BASELINE, LINEAR)):
        found = combine(combiner_of(*models), crowd())
        assert found[CANDIDATE, "added_skill", False] == beside_deployed[CANDIDATE, "skill", True]
        assert ((CANDIDATE, "skill", True) in found) is (BASELINE in models)
        assert found[LINEAR, "skill", False] == beside_deployed[BASELINE, "skill", False]
    assert (CANDIDATE, "added_skill", False) not in beside_deployed

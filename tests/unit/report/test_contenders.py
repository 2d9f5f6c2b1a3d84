"""What a network is shown beside, and the words of what it adds."""

from __future__ import annotations

import doctest

import pytest

from components.report import contenders as module
from components.report.contenders import contenders, describe_gain, describe_network, gains
from components.report.record import Json


def estimate(value: float | None, lower: float | None, upper: float | None) -> Json:
    return {"value": value, "lower": lower, "upper": upper}


def head(added: Json, name: str = "age") -> Json:
    """A head of a verdict."""
    linear = {"metrics": {"mae": estimate(4.4, 4.2, 4.6)}, "skill": estimate(0.5, 0.4, 0.6)}
    return {
        "name": name,
        "metrics": {"mae": estimate(4.1, 3.9, 4.3)},
        "constant": {"mae": 8.0},
        "skill": estimate(0.52, 0.42, 0.62),
        "comparison": {"baseline_skill": None, "difference": None, "note": ""},
        "linear_baseline": {**linear, "added": added},
    }


def test_the_examples_in_the_module_hold() -> None:
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize(
    ("added", "said"),
    [
        (
            estimate(0.025, 0.001, 0.04),
            "age: the shared network adds 0.025 [0.001, 0.040] of skill to the linear baseline",
        ),
        (
            estimate(0.025, 0.0, 0.05),
            "1,531 authors are too few for the shared network to add to age "
            "(0.025 [0.000, 0.050] of skill)",
        ),
        (
            estimate(-0.01, -0.02, -0.001),
            "age: the shared network takes 0.010 [0.001, 0.020] of skill away from the linear "
            "baseline",
        ),
        *(
            (
                estimate(sign * 1e-9, sign * 5e-10, sign * 1e-8),
                "1,531 authors are too few for the shared network to add to age",
            )
            for sign in (1, -1)
        ),
        (
            estimate(0.3, None, None),
            "age: too few labels to tell what the shared network adds",
        ),
        (
            estimate(None, None, None),
            "age: too few labels to tell what the shared network adds",
        ),
    ],
)
def test_what_is_added_is_said_by_its_whole_interval(added: Json, said: str) -> None:
    assert describe_gain(head(added), 1531) == said


def test_authors_are_counted_as_the_training_tells_them() -> None:
    verdict = {"heads": [head(estimate(0.0, 0.0, 0.0)), head(estimate(0.2, 0.1, 0.3), "height")]}
    assert gains(verdict, {"learned_from": 420}) == [
        "420 authors are too few for the shared network to add to age",
        "height: the shared network adds 0.200 [0.100, 0.300] of skill to the linear baseline",
    ]
    assert gains(verdict, {})[0] == "the authors are too few for the shared network to add to age"


def test_a_verdict_of_before_knows_no_linear_baseline() -> None:
    before = head(estimate(0.2, 0.1, 0.3))
    del before["linear_baseline"]
    without = {**before, "linear_baseline": None}
    for one in (before, without):
        assert gains({"heads": [one]}, {}) == []
        assert [found.title for found in contenders({"heads": [one]}, {})] == ["constant baseline"]


def test_each_contender_has_scores_by_head_and_metric() -> None:
    one = head(estimate(0.2, 0.1, 0.3))
    compared = {"baseline_skill": estimate(0.3, 0.2, 0.4), "baseline_metrics": {"mae": {}}}
    verdict = {"heads": [{**one, "comparison": compared}]}
    found = dict(contenders(verdict, {"age": {"skill": 0.9}}))
    assert list(found) == [
        "linear baseline",
        "constant baseline",
        "deployed model",
        "best reachable",
    ]
    assert found["linear baseline"]["age"]["mae"]["value"] == 4.4
    assert found["constant baseline"]["age"] == {"mae": {"value": 8.0}, "skill": {"value": 0.0}}
    assert found["deployed model"]["age"]["skill"]["value"] == 0.3
    assert found["best reachable"]["age"] == {"skill": {"value": 0.9}}


@pytest.mark.parametrize(
    ("training", "said"),
    [
        (
            {"network": {"kind": "reference"}, "parameters": 14_146_316},
            "multi-head Conv1D network (reference), 14,146,316 parameters",
        ),
        ({"network": {"kind": "words"}, "parameters": 7}, "network of kind words, 7 parameters"),
        ({"parameters": 1234}, "1,234 parameters"),
        ({}, ""),
    ],
)
def test_a_network_is_named_as_far_as_its_training_tells(training: Json, said: str) -> None:
    assert describe_network(training) == said

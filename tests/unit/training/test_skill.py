"""The objective, from hand-computed losses."""

from __future__ import annotations

import pytest

from components.training.skill import mean_skill, skill


def test_skill_is_zero_at_the_constant_one_when_perfect_negative_below():
    assert skill(2.0, 2.0) == 0
    assert skill(0.0, 2.0) == 1
    assert skill(3.0, 2.0) == pytest.approx(-0.5)


def test_mean_skill_is_unweighted():
    assert mean_skill({"a": 1.0, "b": 3.0}, {"a": 2.0, "b": 4.0}) == pytest.approx(0.375)


def test_a_head_without_differing_labels_is_named():
    with pytest.raises(ValueError, match="Received none for gender"):
        mean_skill({"age": 1.0, "gender": 0.1}, {"age": 2.0, "gender": 0.0})

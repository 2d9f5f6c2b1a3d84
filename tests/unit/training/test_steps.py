"""A number in steps: where it is cut, and what is answered."""

from __future__ import annotations

import numpy as np

from components.heads.ordinal import cut_at
from components.training.steps import MeanOfSteps

QUARTERS = [1 / 4, 2 / 4, 3 / 4]
LABELS = np.array([-1.0, -1.0, 0.0, 0.0, 0.0, 2.0, 3.0, 5.0])


def test_groups_are_of_like_size_and_equal_labels_stay_together():
    facts = cut_at(LABELS, QUARTERS)
    # The quartiles -1, 0, 2: cut half way to the next label.
    assert facts.thresholds == (-0.5, 1.0, 2.5)
    assert facts.levels == (-1.0, 0.0, 2.0, 4.0)
    assert facts.shares == (0.75, 0.375, 0.25)


def test_labels_that_are_mostly_one_are_still_cut():
    assert cut_at(np.array([0.0, 1.0, 1.0, 1.0, 1.0]), [1 / 2]).thresholds == (0.5,)
    assert cut_at(np.array([0.0, 0.0, 0.0, 0.0, 7.0]), [1 / 3, 2 / 3]).thresholds == (3.5,)


def test_labels_that_do_not_differ_have_no_steps():
    assert cut_at(np.ones(5), QUARTERS) is None
    assert cut_at(np.zeros(0), QUARTERS) is None


def test_the_answer_is_the_mean_of_the_predicted_distribution():
    layer = MeanOfSteps((0.5, 2.5), (-1.0, 1.0, 4.0))
    # Shares of the groups: 0.2, 0.5, 0.3; certainty of a group answers its level.
    answers = layer(np.array([[0.8, 0.3], [0.0, 0.0], [1.0, 0.0], [1.0, 1.0]], dtype="float32"))
    np.testing.assert_allclose(answers[:, 0], [1.5, -1.0, 1.0, 4.0], rtol=1e-6)

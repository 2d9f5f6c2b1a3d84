"""What of a training follows from the data."""

from __future__ import annotations

import pytest

from components.training.settings import TrainingSettings


@pytest.mark.parametrize(
    ("given", "steps", "epochs", "patience"),
    [
        ({}, 100, 10, 6),
        ({}, 12, 34, 20),
        ({}, 1, 400, 240),
        ({"epochs": 4}, 12, 4, 6),
        ({"epochs": 4, "patience": 2}, 12, 4, 2),
        ({"patience": 3}, 12, 34, 3),
    ],
)
def test_few_authors_are_passed_more_often_unless_it_is_given(given, steps, epochs, patience):
    found = TrainingSettings(**given).for_steps(steps)
    assert (found.epochs, found.patience) == (epochs, patience)

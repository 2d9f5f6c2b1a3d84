"""What of a training follows from the data."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from components.training.settings import (
    NETWORK,
    ConvSettings,
    ReferenceSettings,
    TrainingSettings,
)


@pytest.mark.parametrize(
    ("given", "steps", "epochs", "patience"),
    [
        ({}, 100, 7, 7),
        ({}, 32, 16, 16),
        ({}, 12, 7, 7),
        ({"epochs": 4}, 12, 4, 4),
        ({"epochs": 4, "patience": 2}, 12, 4, 2),
        ({"patience": 3}, 32, 16, 3),
    ],
)
def test_few_authors_are_passed_more_often_unless_it_is_given(given, steps, epochs, patience):
    found = TrainingSettings(**given).for_steps(steps)
    assert (found.epochs, found.patience) == (epochs, patience)


def test_a_network_s_settings_follow_from_its_kind():
    assert NETWORK.validate_python({"kind": "conv"}) == ConvSettings()
    assert NETWORK.validate_python({"kind": "reference", "filters": 7}).filters == 7
    for kind, key in (("conv", "token_dropout"), ("reference", "pull")):
        with pytest.raises(ValidationError, match=key):
            NETWORK.validate_python({"kind": kind, key: 0})


def test_the_reference_network_is_the_textbook_s_unless_it_is_told_otherwise():
    found = ReferenceSettings()
    assert (found.window_tokens, found.token_dropout, found.spatial_dropout) == (None, 0, 0)
    assert found.maximum_tokens == 1500


def test_a_network_reads_the_pool_or_a_convolution():
    assert ConvSettings(pool=False).filters > 0
    with pytest.raises(ValidationError, match="must read something"):
        ConvSettings(pool=False, filters=0)

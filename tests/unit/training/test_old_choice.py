"""Hyperparameters that a search of an earlier release chose."""

from __future__ import annotations

import itertools

import pytest

from components.features.settings import TextSettings
from components.heads.declared import DEFAULT_HEADS, parse_heads
from components.judging.settings import JudgingSettings
from components.training.hooks import HookSettings
from components.training.settings import (
    ConvSettings,
    ReferenceSettings,
    TrainingSettings,
    TunerSettings,
)
from components.training.tuner import apply_hyperparameters

FOUND = {"learning_rate": 0.001, "dropout": 0.3, "loss_weight/gender": 4.0}


def settings(network):
    return HookSettings(
        parse_heads(DEFAULT_HEADS),
        TextSettings(),
        network,
        TrainingSettings(),
        TunerSettings(),
        JudgingSettings(),
    )


@pytest.mark.parametrize(
    ("network", "old"),
    [
        *itertools.product(
            [ConvSettings(), ReferenceSettings()], [{"network": "words"}, {"ridge/age": 0.1}]
        ),
        (ConvSettings(), {"network": "reference"}),
    ],
)
def test_a_choice_for_another_kind_is_not_used(network, old):
    configured = settings(network)
    assert apply_hyperparameters(configured, {**FOUND, **old}) == configured


@pytest.mark.parametrize("old", [{}, {"network": "reference"}])
def test_a_choice_for_this_kind_is_used_whatever_release_made_it(old):
    chosen = apply_hyperparameters(settings(ReferenceSettings()), {**FOUND, **old}).training
    assert (chosen.learning_rate, chosen.dropout) == (0.001, 0.3)
    assert chosen.loss_weights == {"age": 1.0, "gender": 4.0}

"""What a search may choose, and that its choice is what gets trained."""

from __future__ import annotations

from types import SimpleNamespace

import keras_tuner
import numpy as np
import pytest

from components.features.settings import TextSettings
from components.heads import DEFAULT_HEADS, parse_heads
from components.judging.settings import JudgingSettings
from components.training.hooks import HookSettings
from components.training.settings import (
    FloatRange,
    NetworkSettings,
    SearchSpace,
    TrainingSettings,
    TunerSettings,
)
from components.training.tuner import apply_hyperparameters, build_candidate, declare_space
from components.training.words import WordFacts

HEADS = parse_heads(DEFAULT_HEADS)
SETTINGS = HookSettings(
    heads=HEADS,
    text=TextSettings(vocabulary_size=80),
    network=NetworkSettings(embedding_width=6, first_filters=5, filters=7, dense_width=4),
    training=TrainingSettings(dropout=0.1),
    tuner=TunerSettings(),
    judging=JudgingSettings(),
)
USED_IDS = 50


def declared(space, training=SETTINGS.training):
    hp = keras_tuner.HyperParameters()
    declare_space(hp, HEADS, space, training)
    return hp


def test_every_weight_but_the_first_is_searched_and_the_configured_ones_are_tried_first():
    hp = declared(SearchSpace(), TrainingSettings(loss_weights={"gender": 3.0}))
    assert hp.values == {
        "loss_weight/income": 1.0,
        "loss_weight/gender": 3.0,
        "learning_rate": 1e-3,
        "dropout": 0.2,
        "network": "reference",
    }


def test_an_empty_list_or_a_range_of_one_value_is_not_searched():
    one = FloatRange(minimum=0.002, maximum=0.002)
    hp = declared(SearchSpace(dropout=[], network=[], learning_rate=one))
    assert set(hp.values) == {"loss_weight/income", "loss_weight/gender", "learning_rate"}
    assert hp.values["learning_rate"] == 0.002


def test_what_was_chosen_takes_the_place_of_what_was_configured():
    values = {
        "loss_weight/income": 2.0,
        "loss_weight/gender": 0.5,
        "learning_rate": 0.01,
        "network": "wide",
        "tuner/epochs": 2,
    }
    chosen = apply_hyperparameters(SETTINGS, values)
    assert chosen.training.loss_weights == {"age": 1.0, "income": 2.0, "gender": 0.5}
    assert chosen.training.learning_rate == 0.01
    assert chosen.training.dropout == 0.1
    assert chosen.network.kind == "wide"
    assert chosen.network.filters == 7
    assert apply_hyperparameters(SETTINGS, {}) == SETTINGS


@pytest.mark.parametrize(("kind", "rows"), [("reference", 80), ("wide", USED_IDS)])
def test_the_reference_has_a_row_for_each_configured_id_the_wide_network_for_each_used(kind, rows):
    train = SimpleNamespace(document_frequencies=np.full(USED_IDS, 3), steps=4)
    data = SimpleNamespace(train=train, words=WordFacts(10, train.document_frequencies))
    model = build_candidate(apply_hyperparameters(SETTINGS, {"network": kind}), data, epochs=2)
    assert model.get_layer("embedding").embeddings.shape == (rows, 6)
    assert ("age_words" in [layer.name for layer in model.layers]) == (kind == "wide")

"""What a search may choose, and that its choice is what gets trained."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import keras_tuner
import numpy as np
import pytest

from components.features.settings import TextSettings
from components.heads.declared import DEFAULT_HEADS, parse_heads
from components.judging.settings import JudgingSettings
from components.training.hooks import HookSettings
from components.training.settings import (
    ConvSettings,
    FloatRange,
    ReferenceSettings,
    SearchSpace,
    TrainingSettings,
    TunerSettings,
)
from components.training.tuner import (
    apply_hyperparameters,
    balanced_weights,
    build_candidate,
    declare_space,
)
from tests.unit.training.small_network import SMALL, VOCABULARY, draw_table, links_of

HEADS = parse_heads(DEFAULT_HEADS)
SETTINGS = HookSettings(
    heads=HEADS,
    text=TextSettings(vocabulary_size=80),
    network=SMALL,
    training=TrainingSettings(dropout=0.1),
    tuner=TunerSettings(),
    judging=JudgingSettings(),
)


def declared(space, training=SETTINGS.training):
    hp = keras_tuner.HyperParameters()
    declare_space(hp, HEADS, space, training)
    return hp


def test_every_weight_but_the_first_is_searched_and_what_a_head_has_is_not():
    hp = declared(SearchSpace(), TrainingSettings(loss_weights={"gender": 3.0}))
    assert hp.values == {"loss_weight/income": 1.0, "learning_rate": 2e-3, "dropout": 0.4}


def test_a_configured_choice_is_the_default_where_the_space_has_it():
    space = SearchSpace(dropout=[0.2, 0.4])
    assert declared(space, TrainingSettings(dropout=0.4)).values["dropout"] == 0.4
    assert declared(space, TrainingSettings(dropout=0.3)).values["dropout"] == 0.2


def test_the_rest_of_the_recipe_is_searched_where_the_space_names_it():
    space = SearchSpace(weight_decay=[0, 0.05], label_smoothing=[0, 0.05])
    recipe = {"weight_decay": 0.05, "label_smoothing": 0.0}
    assert recipe.items() <= declared(space).values.items()
    chosen = apply_hyperparameters(SETTINGS, {**recipe, "weight_decay": 0.01}).training
    assert (chosen.weight_decay, chosen.label_smoothing) == (0.01, 0)


def test_an_empty_list_or_a_range_of_one_value_is_not_searched():
    one = FloatRange(minimum=0.002, maximum=0.002)
    hp = declared(SearchSpace(dropout=[], learning_rate=one))
    assert set(hp.values) == {"loss_weight/income", "loss_weight/gender", "learning_rate"}
    assert hp.values["learning_rate"] == 0.002


def test_what_was_chosen_takes_the_place_of_what_was_configured():
    values = {
        "loss_weight/income": 2.0,
        "loss_weight/gender": 0.5,
        "learning_rate": 0.01,
        "tuner/epochs": 2,
    }
    chosen = apply_hyperparameters(SETTINGS, values)
    assert chosen.training.loss_weights == {"age": 1.0, "income": 2.0, "gender": 0.5}
    assert chosen.training.learning_rate == 0.01
    assert chosen.training.dropout == 0.1
    assert chosen.network == SMALL
    assert apply_hyperparameters(SETTINGS, {}) == SETTINGS


def test_what_is_set_stays_whatever_an_earlier_search_chose():
    configured = replace(
        SETTINGS,
        network=ReferenceSettings(),
        training=TrainingSettings(learning_rate=0.004, loss_weights={"gender": 3.0}),
        by_hand=("learning_rate", "loss_weight/gender"),
    )
    chosen = {"learning_rate": 0.01, "dropout": 0.4}
    chosen |= {"loss_weight/gender": 0.5, "loss_weight/income": 2.0}
    read = HookSettings.from_custom_config(configured.to_custom_config())
    assert read == configured
    used = apply_hyperparameters(read, chosen)
    assert (used.network.kind, used.training.learning_rate) == ("reference", 0.004)
    assert used.training.loss_weights == {"age": 1.0, "gender": 3.0, "income": 2.0}
    assert used.training.dropout == 0.4


def data_of(constant_losses=None):
    losses = constant_losses or {"age": 1.0, "income": 2.3, "gender": 0.69}
    train = SimpleNamespace(steps=4, constant_losses=losses)
    given = {"links": links_of(HEADS), "table": draw_table(), "vocabulary_size": VOCABULARY}
    return SimpleNamespace(heads=HEADS, train=train, **given)


@pytest.mark.parametrize(
    ("network", "layer", "rows"),
    [(SMALL, "table", draw_table().terms), (ReferenceSettings(filters=7), "embedding", 80)],
)
def test_a_kind_that_is_set_is_built_and_the_reference_has_a_row_for_each_configured_id(
    network, layer, rows
):
    model = build_candidate(replace(SETTINGS, network=network), data_of(), epochs=2)
    assert model.get_layer(layer).weights[0].shape[0] == rows
    assert ("convolution" in {one.name for one in model.layers}) == (network is SMALL)


def test_a_candidate_is_built_with_its_whole_recipe():
    recipe = {"dropout": 0.4, "weight_decay": 0.01, "label_smoothing": 0.05}
    settings = replace(
        apply_hyperparameters(SETTINGS, recipe), network=ConvSettings(term_dropout=0.2, pull=7.0)
    )
    model = build_candidate(settings, data_of(), epochs=2)
    assert {model.get_layer(n).rate for n in ("paths_dropout", "shared_dropout")} == {0.4}
    assert model.get_layer("table").dropout == 0.2
    assert model.optimizer.weight_decay == 0.01
    assert [model.loss[head.name].label_smoothing for head in HEADS[1:]] == [0.05, 0.05]
    ((_, strength),) = model.optimizer._pulled.values()
    assert strength == 7.0


@pytest.mark.parametrize("scale", [1.0, 40.0])
def test_losses_are_divided_by_the_constants_and_weights_have_a_mean_of_one(scale):
    losses = {"age": 1.0, "income": 2.0, "gender": 0.5}
    weights = {"age": 1.0 * scale, "income": 3.0 * scale, "gender": 2.0 * scale}
    training = TrainingSettings(loss_weights=weights)
    reference = replace(SETTINGS, network=ReferenceSettings(filters=7), training=training)
    data = data_of(losses)
    found = balanced_weights(reference, data, build_candidate(reference, data, epochs=1))
    # The weights over their mean of 2, over the constants' losses.
    assert found == pytest.approx({"age": 0.5, "income": 0.75, "gender": 2.0})
    conv = replace(SETTINGS, training=training)
    found = balanced_weights(conv, data, build_candidate(conv, data, epochs=1))
    # A number that is trained by its thresholds has the loss of their constant shares.
    shares = np.array(data.links["age"].steps.shares)
    entropy = -(shares * np.log(shares) + (1 - shares) * np.log(1 - shares)).mean()
    assert found == pytest.approx({"age": 0.5 / entropy, "income": 0.75, "gender": 2.0})


def test_a_constant_that_is_perfect_divides_by_nothing():
    data = data_of({"age": 1.0, "income": 0.0, "gender": 0.5})
    found = balanced_weights(SETTINGS, data, build_candidate(SETTINGS, data, epochs=1))
    assert found["income"] == 1.0

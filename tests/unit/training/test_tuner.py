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
    FloatRange,
    NetworkSettings,
    SearchSpace,
    TrainingSettings,
    TunerSettings,
)
from components.training.tuner import (
    apply_hyperparameters,
    build_candidate,
    declare_space,
    facts_of_labels,
)
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


def declared(space, training=SETTINGS.training, network=SETTINGS.network):
    hp = keras_tuner.HyperParameters()
    declare_space(hp, HEADS, space, training, network)
    return hp


def test_every_weight_but_the_first_is_searched_and_what_a_head_has_is_not():
    hp = declared(
        SearchSpace(),
        TrainingSettings(loss_weights={"gender": 3.0}),
        NetworkSettings(ridge=0.2, ridges={"age": 0.03}),
    )
    assert hp.values == {
        "loss_weight/income": 1.0,
        "learning_rate": 1e-3,
        "dropout": 0.3,
        "network": "words",
        "ridge/income": 0.2,
        "ridge/gender": 0.2,
    }


def test_a_configured_choice_is_the_default_where_the_space_has_it():
    space = SearchSpace(dropout=[0.2, 0.4], network=["words", "wide"])
    network = NetworkSettings(kind="wide")
    assert declared(space, TrainingSettings(dropout=0.4), network).values["dropout"] == 0.4
    assert declared(space, TrainingSettings(dropout=0.3), network).values["network"] == "wide"


def test_the_rest_of_the_recipe_is_searched_where_the_space_names_it():
    space = SearchSpace(
        spatial_dropout=[0.1, 0.2], weight_decay=[0, 0.01], label_smoothing=[0, 0.05]
    )
    hp = declared(space, TrainingSettings(spatial_dropout=0.2))
    recipe = {"spatial_dropout": 0.2, "weight_decay": 0.0, "label_smoothing": 0.0}
    assert recipe.items() <= hp.values.items()
    chosen = apply_hyperparameters(SETTINGS, {**recipe, "weight_decay": 0.01}).training
    assert (chosen.spatial_dropout, chosen.weight_decay, chosen.label_smoothing) == (0.2, 0.01, 0)


def test_an_empty_list_or_a_range_of_one_value_is_not_searched():
    one = FloatRange(minimum=0.002, maximum=0.002)
    hp = declared(SearchSpace(dropout=[], network=[], ridge=None, learning_rate=one))
    assert set(hp.values) == {"loss_weight/income", "loss_weight/gender", "learning_rate"}
    assert hp.values["learning_rate"] == 0.002


def test_a_penalty_is_searched_only_where_a_kind_that_has_one_is_tried():
    reference = NetworkSettings(kind="reference")
    for kinds, is_searched in (([], False), (["reference"], False), (["reference", "wide"], True)):
        hp = declared(SearchSpace(network=kinds), network=reference)
        assert ("ridge/age" in hp.values) == is_searched


def test_what_was_chosen_takes_the_place_of_what_was_configured():
    values = {
        "loss_weight/income": 2.0,
        "loss_weight/gender": 0.5,
        "learning_rate": 0.01,
        "network": "wide",
        "ridge/age": 0.02,
        "tuner/epochs": 2,
    }
    chosen = apply_hyperparameters(SETTINGS, values)
    assert chosen.training.loss_weights == {"age": 1.0, "income": 2.0, "gender": 0.5}
    assert chosen.training.learning_rate == 0.01
    assert chosen.training.dropout == 0.1
    assert chosen.network.kind == "wide"
    assert chosen.network.filters == 7
    assert chosen.network.ridges == {"age": 0.02}
    assert apply_hyperparameters(SETTINGS, {}) == SETTINGS


def test_what_is_set_stays_whatever_an_earlier_search_chose():
    configured = replace(
        SETTINGS,
        network=NetworkSettings(kind="reference", ridges={"age": 0.5}),
        training=TrainingSettings(learning_rate=0.004, loss_weights={"gender": 3.0}),
        by_hand=("learning_rate", "loss_weight/gender", "network", "ridge/age"),
    )
    chosen = {"learning_rate": 0.01, "network": "wide", "dropout": 0.4, "ridge/income": 0.7}
    chosen |= {"ridge/age": 0.02, "loss_weight/gender": 0.5, "loss_weight/income": 2.0}
    read = HookSettings.from_custom_config(configured.to_custom_config())
    assert read == configured
    used = apply_hyperparameters(read, chosen)
    assert (used.network.kind, used.training.learning_rate) == ("reference", 0.004)
    assert used.training.loss_weights == {"age": 1.0, "gender": 3.0, "income": 2.0}
    assert used.network.ridges == {"age": 0.5, "income": 0.7}
    assert used.training.dropout == 0.4


def data_of(longest):
    counts = np.full(USED_IDS, 3)
    train = SimpleNamespace(
        document_frequencies=counts, steps=4, constants={}, numbers={}, longest=longest
    )
    return SimpleNamespace(train=train, words=WordFacts(10, counts), vocabulary_size=USED_IDS)


@pytest.mark.parametrize(
    ("configured", "longest", "expected"),
    [(None, 12, 269), (None, 290, 290), (None, 1500, 300), (400, 290, 400)],
)
def test_a_window_is_as_long_as_its_authors_need_where_it_is_not_configured(
    configured, longest, expected
):
    network = SETTINGS.network.model_copy(update={"kind": "wide", "window_tokens": configured})
    model = build_candidate(replace(SETTINGS, network=network), data_of(longest), epochs=2)
    assert model.get_layer("windows").window_tokens == expected
    # Nor is a batch padded further than its windows need: a longer window is as long as the batch.
    assert model.get_layer("padded").minimum == min(expected, 300)


@pytest.mark.parametrize(
    ("kind", "rows", "has_words"),
    [("reference", 80, False), ("wide", USED_IDS, True), ("words", None, True)],
)
def test_each_kind_has_its_parts_and_the_reference_a_row_for_each_configured_id(
    kind, rows, has_words
):
    data = data_of(longest=290)
    model = build_candidate(apply_hyperparameters(SETTINGS, {"network": kind}), data, epochs=2)
    layers = {layer.name: layer for layer in model.layers}
    assert ("age.words" in layers) == has_words
    assert ("embedding" in layers) == (rows is not None)
    if rows:
        assert layers["embedding"].embeddings.shape == (rows, 6)


def test_a_candidate_is_built_with_its_whole_recipe():
    data = data_of(longest=290)
    recipe = {"spatial_dropout": 0.2, "weight_decay": 0.01, "label_smoothing": 0.05}
    chosen = apply_hyperparameters(SETTINGS, {"network": "wide", **recipe})
    model = build_candidate(chosen, data, epochs=2)
    assert model.get_layer("spatial_dropout").rate == 0.2
    assert model.optimizer.weight_decay == 0.01
    assert [model.loss[head.name].label_smoothing for head in HEADS[1:]] == [0.05, 0.05]


def test_a_linear_model_learns_numbers_in_steps_where_their_labels_differ():
    train = SimpleNamespace(numbers={"age": np.array([0.0, 1.0, 1.0, 2.0]), "same": np.ones(4)})
    train.constants = {"age": [1.0]}
    facts = facts_of_labels(SimpleNamespace(train=train), 2)
    assert set(facts.steps) == {"age"}
    assert facts.steps["age"].thresholds == (1.5,)
    assert facts_of_labels(SimpleNamespace(train=train), 0).steps == {}

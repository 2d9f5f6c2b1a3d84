"""Ways to weigh the heads: which networks a comparison trains, by what loss, judged how."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from components.comparison.judging import score_over_runs
from components.comparison.networks import comparison_rows, with_learned_weights
from components.comparison.weighting import UncertaintyWeighted
from components.features.settings import TextSettings
from components.heads.declared import DEFAULT_HEADS, parse_heads
from components.judging.settings import JudgingSettings
from components.training.conv import logits_of
from components.training.hooks import HookSettings
from components.training.settings import ReferenceSettings, TrainingSettings, TunerSettings
from tests.unit.training.small_network import SMALL, VOCABULARY, draw_table, links_of

HEADS = parse_heads(DEFAULT_HEADS)
AGE, INCOME, GENDER = HEADS


def settings_of(*heads):
    chosen = {head.name: 3.0 for head in heads}
    return HookSettings(
        heads,
        TextSettings(),
        SMALL,
        TrainingSettings(loss_weights=chosen),
        TunerSettings(),
        JudgingSettings(),
    )


def weights(row):
    return [dict(group.training.loss_weights) for group in row.groups]


def test_each_row_weighs_the_heads_in_its_own_way():
    rows = {row.name: row for row in comparison_rows(settings_of(*HEADS))}
    assert weights(rows["chosen weights"]) == [{"age": 3.0, "income": 3.0, "gender": 3.0}]
    assert weights(rows["equal weights"]) == [{}]
    hand_set = rows["hand-set 0.25 / 1 / 10"]
    assert weights(hand_set) == [{"age": 0.25, "income": 1.0, "gender": 10.0}]
    alone = rows["one network a head"]
    assert [group.heads for group in alone.groups] == [(AGE,), (INCOME,), (GENDER,)]
    assert weights(alone) == [{}, {}, {}]
    assert [row.name for row in rows.values() if row.is_learned] == ["uncertainty weighting"]


def test_hand_set_weights_are_for_the_heads_they_were_set_for():
    (other,) = parse_heads({"followers": {"kind": "regression"}})
    names = [row.name for row in comparison_rows(settings_of(AGE, other))]
    assert "hand-set 0.25 / 1 / 10" not in names
    assert [row.name for row in comparison_rows(settings_of(AGE))] == ["chosen weights"]


def test_a_learned_weight_multiplies_a_loss_and_pays_for_its_smallness():
    tokens = keras.Input((1,))
    outputs = {"age": keras.layers.Identity()(tokens), "gender": keras.ops.sigmoid(0 * tokens)}
    losses = {"age": keras.losses.MeanSquaredError(), "gender": keras.losses.BinaryCrossentropy()}
    model = UncertaintyWeighted(tokens, outputs, (AGE, GENDER), losses, "toy")
    model.log_variances.assign([np.log(4.0), np.log(0.5)])
    truth = {"age": np.array([[3.0]]), "gender": np.array([[1.0]])}
    given = {"age": np.array([[1.0]]), "gender": np.array([[0.5]])}
    ones = {"age": np.ones(1), "gender": np.ones(1)}
    total = float(model.compute_loss(None, truth, given, ones))
    # age: 0.5 * (1/4) * 4 + ln(4)/2; gender: (1/0.5) * ln 2 + ln(0.5)/2
    expected = 0.5 + np.log(4) / 2 + 2 * np.log(2) - np.log(2) / 2
    assert total == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("network", [SMALL, ReferenceSettings(filters=7)], ids=lambda n: n.kind)
def test_learned_weights_are_learned_by_the_whole_recipe(network):
    train = SimpleNamespace(steps=4, constant_losses={"age": 1.0, "gender": 0.69})
    data = SimpleNamespace(
        heads=(AGE, GENDER),
        train=train,
        vocabulary_size=VOCABULARY,
        links=links_of((AGE, GENDER)),
        table=draw_table(),
    )
    recipe = TrainingSettings(weight_decay=0.01, label_smoothing=0.05)
    settings = replace(settings_of(AGE, GENDER), training=recipe, network=network)
    model = with_learned_weights(settings, data, 1)
    assert model.head_losses["gender"].label_smoothing == 0.05
    assert model.optimizer.weight_decay == 0.01
    # A table is pulled, and what learns the weights still answers and can be served.
    assert len(model.optimizer._pulled) == (network is SMALL)
    assert set(logits_of(model, (AGE, GENDER))) == (
        {"age", "gender"} if network is SMALL else set()
    )


def test_a_score_is_of_the_terms_meaned_over_runs():

    def run(errors):
        labels = {f"a{place}": 20.0 + place for place in range(len(errors))}
        return {
            author: AGE.terms(np.array([label]), np.array([label - error])).tolist()
            for (author, label), error in zip(labels.items(), errors, strict=True)
        }

    runs = [run([1.0] * 12), run([3.0] * 12)]
    mae = score_over_runs(AGE, runs, 0.95)["mae"]
    assert mae[0] == pytest.approx(2.0)
    assert mae[1] == pytest.approx(2.0)
    # Squared errors 1 and 9 against the labels' variance, (12 ** 2 - 1) / 12.
    skill = score_over_runs(AGE, runs, 0.95)["skill"]
    assert skill[0] == pytest.approx(1 - 5 / (143 / 12))
    assert skill[1] < skill[0] < skill[2]
    assert score_over_runs(AGE, [{}, {}], 0.95) == {}

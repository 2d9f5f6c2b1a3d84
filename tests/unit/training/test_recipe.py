"""Label smoothing, spatial dropout and weight decay: what each does, and to what alone."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.heads.declared import DEFAULT_HEADS, parse_heads
from components.training.model import build_model, compile_model, for_model
from components.training.settings import ReferenceSettings
from tests.unit.training.small_network import HEADS, build_small, draw_table, links_of, make_rows

WIDTHS = {"embedding_width": 6, "first_filters": 5, "filters": 7, "dense_width": 4}
# At its start the network answers its offsets.
INCOME = [0.55, 0.4, 0.05]


def evaluate(label_smoothing):
    """Losses and metrics of one author: youngest, first income group, positive gender."""
    model = build_small()
    compile_model(model, HEADS, {}, 1e-3, label_smoothing=label_smoothing)
    thresholds = links_of()["age"].logits
    offsets = {
        "age": np.full((1, thresholds), math.log(0.2 / 0.8)),
        "income": np.log([INCOME]),
        "gender": [[math.log(0.25 / 0.75)]],
    }
    targets = {
        "age": np.float32([[-9]]),
        "income": np.eye(3, dtype="float32")[:1],
        "gender": np.float32([[1]]),
    }
    rows = make_rows([[2, 3]], targets, offsets)
    return model.evaluate(for_model(rows.batch(1), model), verbose=0, return_dict=True)


def test_labels_are_smoothed_in_the_loss_that_is_trained_by():
    logs = evaluate(0.3)
    # The group itself is asked for at 0.7 + 0.3 / 3, each other at 0.3 / 3.
    income = -(0.8 * math.log(0.55) + 0.1 * math.log(0.4) + 0.1 * math.log(0.05))
    assert logs["income_loss"] == pytest.approx(income, rel=1e-5)
    gender = -(0.85 * math.log(0.25) + 0.15 * math.log(0.75))
    assert logs["gender_loss"] == pytest.approx(gender, rel=1e-5)
    # Numbers and what is chosen by are never smoothed.
    assert logs["age.steps_loss"] == pytest.approx(-math.log(0.8), rel=1e-5)
    assert logs["income_known.loss"] == pytest.approx(-math.log(0.55), rel=1e-5)
    assert logs["gender_known.loss"] == pytest.approx(-math.log(0.25), rel=1e-5)


def test_without_it_the_loss_is_what_is_chosen_by():
    logs = evaluate(0.0)
    assert logs["gender_loss"] == pytest.approx(-math.log(0.25), rel=1e-5)
    assert logs["income_loss"] == pytest.approx(logs["income_known.loss"], rel=1e-5)


def test_whole_channels_of_a_window_are_dropped_in_training_and_the_others_scaled():
    network = ReferenceSettings(window_tokens=300, spatial_dropout=0.5, **WIDTHS)
    model = build_model(parse_heads(DEFAULT_HEADS), 50, network, links={}, seed=3)
    before, after = (model.get_layer(name).output for name in ("pool_1", "spatial_dropout"))
    both = keras.Model(model.input, [before, after])
    ids = {"tokens": np.random.default_rng(1).integers(1, 50, (20, 700)).astype("int32")}
    read, left = (np.array(part) for part in both(ids, training=True))
    assert read.shape == (40, 59, 5), "two windows of each author, 59 positions, five channels"
    kept = left.any(axis=1)
    np.testing.assert_allclose(left, read * 2 * kept[:, None, :], rtol=1e-6)
    lived = read.any(axis=1)
    assert 0.3 < kept[lived].mean() < 0.7
    assert len(np.unique(kept, axis=0)) > 5, "each window loses channels of its own"
    read, left = both(ids, training=False)
    np.testing.assert_array_equal(read, left)


CORRECTIONS = {f"{head.name}.correction/kernel" for head in HEADS}


@pytest.mark.parametrize(
    ("kind", "decaying"),
    [
        ("conv", {"convolution/kernel", "shared/kernel"} | CORRECTIONS),
        (
            "reference",
            {"embedding/embeddings", "shared/kernel"}
            | {f"conv_{number}/kernel" for number in range(1, 6)}
            | {f"{head.name}.answer/kernel" for head in HEADS},
        ),
    ],
)
def test_a_step_without_a_gradient_takes_its_share_off_embedding_and_kernels_alone(kind, decaying):
    model = build_small()
    if kind == "reference":
        model = build_model(HEADS, 50, ReferenceSettings(**WIDTHS), links={}, seed=3)
    compile_model(model, HEADS, {}, 0.5, weight_decay=0.1)
    for weight in model.trainable_variables:
        weight.assign(tf.fill(weight.shape, 2.0))
    still = [tf.zeros(weight.shape) for weight in model.trainable_variables]
    model.optimizer.apply_gradients(zip(still, model.trainable_variables, strict=True))
    decayed = set()
    for weight in model.trainable_variables:
        # 2 * (1 - 0.5 * 0.1), or as it was.
        left = 1.9 if weight.numpy().flat[0] < 1.95 else 2.0
        np.testing.assert_allclose(weight, np.full(weight.shape, left), rtol=1e-6)
        if left == 1.9:
            decayed.add(weight.path)
    assert decayed == decaying


def test_without_them_nothing_is_added():
    model = build_model(
        HEADS, 50, ReferenceSettings(**WIDTHS), links=links_of(), table=draw_table()
    )
    compile_model(model, HEADS, {}, 1e-3)
    assert "spatial_dropout" not in {layer.name for layer in model.layers}
    assert model.optimizer.weight_decay is None

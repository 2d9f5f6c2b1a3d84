"""Label smoothing, spatial dropout and weight decay: what each does, and to what alone."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.heads.declared import DEFAULT_HEADS, parse_heads
from components.heads.ordinal import StepFacts
from components.training.linear import LabelFacts
from components.training.model import build_model, compile_model, for_outputs
from components.training.settings import NetworkSettings
from components.training.words import WordFacts

HEADS = parse_heads(DEFAULT_HEADS)
WIDTHS = {"embedding_width": 6, "first_filters": 5, "filters": 7, "dense_width": 4}
STEPS = {"age": StepFacts((0.0,), (-1.0, 1.0), (0.2,))}
# At its start a model of words answers every author the constants: shares of the training split.
INCOME = [0.55, *[0.05] * 9]
CONSTANTS = {"age": [0.5], "income": INCOME, "gender": [0.25]}


def build(kind="wide", steps=STEPS, **recipe):
    words = WordFacts(10, np.full(50, 3))
    network = NetworkSettings(kind=kind, **WIDTHS)
    facts = LabelFacts(CONSTANTS, steps)
    return build_model(HEADS, 50, network, words=words, labels=facts, seed=3, **recipe)


def evaluate(label_smoothing, steps=STEPS):
    """Losses and metrics of one author: older than 0, first income group, positive gender."""
    model = build("words", steps)
    compile_model(model, HEADS, {}, 1e-3, label_smoothing=label_smoothing)
    author = (
        np.array([[2, 3]], dtype="int32"),
        {"age": np.float32([[2]]), "income": np.eye(10)[:1], "gender": np.float32([[1]])},
        {head.name: np.ones(1, "float32") for head in HEADS},
    )
    batches = for_outputs(tf.data.Dataset.from_tensors(author), model)
    return model.evaluate(batches, verbose=0, return_dict=True)


def test_labels_are_smoothed_in_the_loss_that_is_trained_by():
    logs = evaluate(0.2)
    # The group itself is asked for at 0.8 + 0.2 / 10, each other at 0.2 / 10.
    income = -(0.82 * math.log(0.55) + 9 * 0.02 * math.log(0.05))
    assert logs["income_loss"] == pytest.approx(income, rel=1e-5)
    gender = -(0.9 * math.log(0.25) + 0.1 * math.log(0.75))
    assert logs["gender_loss"] == pytest.approx(gender, rel=1e-5)


def test_numbers_and_what_is_chosen_by_are_never_smoothed():
    logs = evaluate(0.2)
    assert logs["age.steps_loss"] == pytest.approx(-math.log(0.2), rel=1e-5)
    assert logs["income_known.loss"] == pytest.approx(-math.log(0.55), rel=1e-5)
    assert logs["gender_known.loss"] == pytest.approx(-math.log(0.25), rel=1e-5)
    # Answered as one number: its squared error, 2 - 0.5.
    assert evaluate(0.2, steps={})["age_loss"] == pytest.approx(1.5**2, rel=1e-5)


def test_whole_channels_of_a_window_are_dropped_in_training_and_the_others_scaled():
    model = build(spatial_dropout=0.5)
    before, after = (model.get_layer(name).output for name in ("pool_1", "spatial_dropout"))
    both = keras.Model(model.input, [before, after])
    ids = np.random.default_rng(1).integers(1, 50, (20, 700)).astype("int32")
    read, left = (np.array(part) for part in both(ids, training=True))
    assert read.shape == (40, 59, 5), "two windows of each author, 59 positions, five channels"
    kept = left.any(axis=1)
    np.testing.assert_allclose(left, read * 2 * kept[:, None, :], rtol=1e-6)
    lived = read.any(axis=1)
    assert 0.3 < kept[lived].mean() < 0.7
    assert len(np.unique(kept, axis=0)) > 5, "each window loses channels of its own"
    read, left = both(ids, training=False)
    np.testing.assert_array_equal(read, left)


def test_a_step_without_a_gradient_takes_its_share_off_embedding_and_kernels_alone():
    model = build()
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
    convolutions = {f"conv_{number}/kernel" for number in range(1, 6)}
    of_heads = {f"{head.name}.trunk/kernel" for head in HEADS}
    assert decayed == {"embedding/embeddings", "shared/kernel"} | convolutions | of_heads


def test_without_them_nothing_is_added():
    model = build()
    compile_model(model, HEADS, {}, 1e-3)
    assert "spatial_dropout" not in {layer.name for layer in model.layers}
    assert model.optimizer.weight_decay is None
    assert evaluate(0.0)["gender_loss"] == pytest.approx(-math.log(0.25), rel=1e-5)

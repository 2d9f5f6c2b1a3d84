"""Answers are drawn towards the constant exactly as far as `eval` does not support them."""

from __future__ import annotations

from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.heads.binary import BinaryHead
from components.heads.declared import parse_heads
from components.heads.regression import RegressionHead
from components.training.shrinkage import find_shares, fit_share, shrink_answers

RANDOM = np.random.default_rng(0)
NUMBER, BINARY = RegressionHead(), BinaryHead()


def share_of(answers, labels, constant, head=NUMBER):
    columns = (np.asarray(values, float).reshape(-1, 1) for values in (answers, labels))
    return fit_share(head, *columns, np.array([constant]))


def test_answers_that_tell_nothing_become_the_constant():
    labels = RANDOM.normal(0, 1, 400)
    # By chance, 400 labels may agree with noise by more than 1.4 errors.
    assert share_of(RANDOM.normal(0, 1, 400), labels, 0.0) < 0.05
    assert share_of(-labels, labels, 0.0) == 0
    assert share_of(1 - (labels > 0) * 0.8, labels > 0, 0.5, BINARY) == 0


def test_good_answers_stay():
    labels = RANDOM.normal(0, 1, 4000)
    assert share_of(labels + RANDOM.normal(0, 0.1, 4000), labels, 0.0) > 0.97
    assert share_of(0.1 + 0.8 * (labels > 0), labels > 0, 0.5, BINARY) > 0.99


def test_answers_too_far_out_are_drawn_back_to_their_best_share():
    labels = RANDOM.normal(0, 1, 4000)
    assert share_of(4 * labels, labels, 0.0) == pytest.approx(0.25, rel=0.01)
    # Answered 0.99 where 0.75 is true: 0.5 + share * 0.49 = 0.75.
    side = RANDOM.integers(0, 2, 4000)
    label = np.where(RANDOM.random(4000) < 0.75, side, 1 - side)
    found = share_of(np.where(side, 0.99, 0.01), label, 0.5, BINARY)
    assert found == pytest.approx(0.25 / 0.49, rel=0.05)


def test_the_same_evidence_of_fewer_authors_is_trusted_less():
    answers, labels = np.array([1.0, -1, 1, -1] * 250), np.array([1.0, -1, -0.6, 0.9] * 250)
    # Gains 2, 2, -1.2, -1.8: mean 0.25, deviation 1.77; 1.4 errors from some 100 authors on.
    shares = [share_of(answers[:n], labels[:n], 0.0) for n in (24, 80, 120, 300, 1000)]
    assert shares[:2] == [0, 0]
    assert 0 < shares[2] < shares[3] < shares[4] < 0.125


def test_the_share_by_hand():
    # Gains 2 * 1 * (1.5, 1.5, 0.5, 0.5): mean 2, deviation 2 / sqrt(3), error 1 / sqrt(3).
    assert share_of([1, 1, 1, 1], [1.5, 1.5, 0.5, 0.5], 0.0) == pytest.approx(1 - 2 / 12)


def test_fewer_than_two_labels_support_nothing():
    assert share_of([], [], 0.0) == 0
    assert share_of([1.0], [1.0], 0.0) == 0


def test_the_network_that_leaves_answers_shrunk_and_has_no_further_weights():
    heads = parse_heads({"age": {"kind": "regression"}, "gender": {"kind": "binary"}})
    tokens = keras.Input((None,), dtype="int32")
    number = keras.layers.Reshape((1,))(keras.ops.cast(tokens[:, 0], "float32"))
    age = keras.layers.Dense(1, name="age")(number)
    gender = keras.layers.Dense(1, "sigmoid", name="gender")(number)
    model = keras.Model(tokens, {"age": age, "gender": gender, "age.steps": age})
    model.get_layer("age").set_weights([np.array([[2.0]]), np.zeros(1)])
    ids = RANDOM.integers(0, 3, (300, 2)).astype("int32")
    labels = ids[:, :1].astype("float32")
    known = np.ones(300, dtype="float32")
    rows = tf.data.Dataset.from_tensor_slices(
        (
            ids,
            {"age": labels, "gender": RANDOM.integers(0, 2, (300, 1)).astype("float32")},
            {"age": known, "gender": known},
        )
    )
    train = SimpleNamespace(constants={"age": [1.0], "gender": [0.5]})
    data = SimpleNamespace(
        heads=heads, train=train, eval=SimpleNamespace(longest=2), eval_rows=rows, batch_size=50
    )
    shares = find_shares(model, data)
    shrunk = shrink_answers(model, train.constants, shares)
    assert 0.2 < shares["age"] < 0.8 and shares["gender"] < 0.5
    answers, before = shrunk(ids), model(ids)
    assert set(answers) == {"age", "gender"}
    np.testing.assert_allclose(
        answers["age"], 1 + shares["age"] * (np.array(before["age"]) - 1), rtol=1e-5
    )
    assert shrunk.count_params() == model.count_params()

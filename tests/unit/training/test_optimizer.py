"""Adam in one pass against Keras's own."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.training import optimizer as module
from components.training.optimizer import OnePassAdam

GRADIENTS = [[[0.5, -1.0]], [[-0.25, 3.0]], [[0.0, 0.125]]]


def run_steps(optimizer: keras.optimizers.Adam, sparse: bool) -> list[np.ndarray]:
    """The weight after three steps, of which only row 1 has a gradient, and Adam's own state."""
    weight = keras.Variable([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], name="table")
    bias = keras.Variable([0.5, -0.5], name="bias")
    optimizer.build([weight, bias])
    dense = np.zeros((3, 2), "float32")

    @tf.function
    def step(row: tf.Tensor) -> None:
        slices = tf.IndexedSlices(row, tf.constant([1]), tf.constant([3, 2]))
        gradient = slices if sparse else tf.tensor_scatter_nd_update(dense, [[1]], row)
        optimizer.apply_gradients([(gradient, weight), (row[0], bias)])

    for row in GRADIENTS:
        step(tf.constant(row))
    return [variable.numpy() for variable in (weight, bias, *optimizer.variables)]


@pytest.mark.parametrize("large", [1, module.LARGE])
@pytest.mark.parametrize("sparse", [False, True])
def test_steps_and_state_equal_those_of_keras(sparse, large, monkeypatch):
    monkeypatch.setattr(module, "LARGE", large)
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 10)
    expected = run_steps(keras.optimizers.Adam(schedule), sparse)
    received = run_steps(OnePassAdam(schedule), sparse)
    assert len(received) == len(expected)
    for ours, theirs in zip(received, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_with_weight_decay_it_is_adamw(monkeypatch):
    monkeypatch.setattr(module, "LARGE", 1)
    expected = run_steps(keras.optimizers.AdamW(0.1, weight_decay=0.2), sparse=True)
    received = run_steps(OnePassAdam(0.1, weight_decay=0.2), sparse=True)
    for ours, theirs in zip(received, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_the_first_step_moves_a_touched_row_by_the_step_size_and_no_other(monkeypatch):
    monkeypatch.setattr(module, "LARGE", 1)
    weight = keras.Variable([[1.0], [2.0]])
    optimizer = OnePassAdam(0.25)
    optimizer.build([weight])
    slices = tf.IndexedSlices(tf.constant([[-7.0]]), tf.constant([1]), tf.constant([2, 1]))
    optimizer.apply_gradients([(slices, weight)])
    np.testing.assert_allclose(weight.numpy(), [[1.0], [2.25]], rtol=1e-6)

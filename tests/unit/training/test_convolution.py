"""The trunk's convolution against Keras's own, gradients included."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.training.convolution import TrunkConv1D

CHANNELS, FILTERS = 8, 12


def outputs_and_gradients(layer, inputs, training=True):
    """Output, gradients of a fixed function of it by inputs, kernel and bias, as float32."""
    inputs = tf.constant(inputs)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        out = tf.cast(layer(inputs, training=training), tf.float32)
        loss = tf.reduce_sum(out * tf.random.stateless_uniform(tf.shape(out), seed=(1, 2)))
    found = tape.gradient(loss, [inputs, layer.kernel.value, layer.bias.value])
    return [values.numpy().astype("float32") for values in (out, *found)]


def make_layer(kind, policy):
    layer = kind(FILTERS, 5, activation="relu", dtype=policy)
    layer.build((None, None, CHANNELS))
    random = np.random.default_rng(0)
    layer.set_weights([random.normal(0, 0.4, weight.shape) for weight in layer.get_weights()])
    return layer


def draw_inputs(batch, tokens):
    return np.random.default_rng(1).normal(size=(batch, tokens, CHANNELS)).astype("float32")


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(1, 5), (7, 60)])
def test_float32_equals_keras_with_gradients(shape, training):
    inputs = draw_inputs(*shape)
    ours, theirs = (
        outputs_and_gradients(make_layer(kind, "float32"), inputs, training)
        for kind in (TrunkConv1D, keras.layers.Conv1D)
    )
    for received, expected in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(received, expected, rtol=1e-5, atol=1e-5)
    assert np.abs(theirs[3]).max() > 0.1


def test_in_bfloat16_a_bias_learns_from_sums_that_were_kept_in_float32():
    inputs = draw_inputs(32, 300)
    exact = outputs_and_gradients(make_layer(keras.layers.Conv1D, "float32"), inputs)[3]
    ours = outputs_and_gradients(make_layer(TrunkConv1D, "mixed_bfloat16"), inputs)[3]
    # Upstream is positive, so all there is to lose is lost by adding up: some 2,500 numbers.
    np.testing.assert_allclose(ours, exact, rtol=0.01)


def test_weights_have_the_names_and_shapes_of_keras():
    ours, theirs = (
        [(weight.name, tuple(weight.shape)) for weight in make_layer(kind, "float32").weights]
        for kind in (TrunkConv1D, keras.layers.Conv1D)
    )
    assert ours == theirs

"""The first convolution over distinct tokens against Embedding and Conv1D, gradients included."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.training.first_convolution import DistinctConv1D, DistinctEmbedding

VOCABULARY, WIDTH, FILTERS = 40, 16, 12


def make_pair(policy: str) -> tuple[keras.Model, keras.Model]:
    """The plain layers and those over distinct tokens, with the same weights."""
    ids = keras.Input((None,), dtype="int32")
    table = keras.layers.Embedding(VOCABULARY, WIDTH, dtype=policy, name="embedding")
    convolution = keras.layers.Conv1D(FILTERS, 5, activation="relu", dtype=policy, name="conv_1")
    plain = keras.Model(ids, convolution(table(ids)))
    rows, places = DistinctEmbedding(VOCABULARY, WIDTH, dtype=policy, name="embedding")(ids)
    layer = DistinctConv1D(FILTERS, 5, activation="relu", dtype=policy, name="conv_1")
    distinct = keras.Model(ids, layer(rows, places))
    random = np.random.default_rng(0)
    plain.set_weights([random.normal(0, 0.4, weight.shape) for weight in plain.get_weights()])
    distinct.set_weights(plain.get_weights())
    return plain, distinct


def draw_ids(rows: int, tokens: int) -> np.ndarray:
    """Few common tokens, many rare ones, padding at the end of the first row."""
    random = np.random.default_rng(1)
    ids = np.minimum(random.geometric(0.15, (rows, tokens)), VOCABULARY - 1).astype("int32")
    ids[0, tokens - 3 :] = 0
    return ids


def outputs_and_gradients(model: keras.Model, ids: np.ndarray) -> list[np.ndarray]:
    """The output, then the gradient of a fixed random function of it by each weight."""
    with tf.GradientTape() as tape:
        out = tf.cast(model(ids, training=True), tf.float32)
        slopes = tf.random.stateless_normal(tf.shape(out), seed=(1, 2))
        loss = tf.reduce_sum(out * slopes) / float(ids.size)
    gradients = tape.gradient(loss, model.trainable_variables)
    return [tf.convert_to_tensor(values).numpy() for values in (out, *gradients)]


@pytest.mark.parametrize("shape", [(1, 5), (1, 60), (7, 60)])
def test_float32_equals_embedding_and_convolution_with_gradients(shape):
    plain, distinct = make_pair("float32")
    ids = draw_ids(*shape)
    expected, received = (outputs_and_gradients(model, ids) for model in (plain, distinct))
    for ours, theirs in zip(received, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert np.abs(received[1]).max() > 1e-3


def test_bfloat16_is_no_further_from_float32_than_the_plain_layers_are():
    ids = draw_ids(64, 300)
    exact = outputs_and_gradients(make_pair("float32")[0], ids)
    plain, distinct = (outputs_and_gradients(m, ids) for m in make_pair("mixed_bfloat16"))
    for theirs, ours, truth in zip(plain, distinct, exact, strict=True):
        scale = np.abs(truth).max()
        assert np.abs(ours - truth).max() <= max(1.5 * np.abs(theirs - truth).max(), 0.01 * scale)


def test_weights_have_the_names_and_shapes_of_the_plain_layers():
    plain, distinct = make_pair("float32")
    named = [{w.path: tuple(w.shape) for w in model.weights} for model in (plain, distinct)]
    assert named[0] == named[1]
    assert distinct.count_params() == VOCABULARY * WIDTH + 5 * WIDTH * FILTERS + FILTERS


def test_distinct_tokens_are_kept_once_in_order_of_appearance():
    layer = DistinctEmbedding(10, 3)
    rows, places = layer(np.array([[7, 7, 3], [3, 0, 0]], "int32"))
    np.testing.assert_array_equal(rows, layer.embeddings.numpy()[[7, 3, 0]])
    np.testing.assert_array_equal(places, [[0, 0, 1], [1, 2, 2]])


def test_a_saved_model_of_the_layers_answers_alike(tmp_path):
    _, distinct = make_pair("float32")
    distinct.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    ids = draw_ids(3, 50)
    np.testing.assert_array_equal(again(ids), distinct(ids))

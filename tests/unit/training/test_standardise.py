"""Features over the authors of a batch: held against Keras's BatchNormalization and by hand."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from components.training.standardise import FEWEST, WINDOW, Standardise

RANDOM = np.random.default_rng(1)
FEATURES = RANDOM.normal(2, 3, (50, 4)).astype("float32")
KERNEL, WHOLE = 2, 4
IDS = np.ones((50, 5), "int32")
"""Five tokens are four positions of a kernel of two, a whole crop."""


def layer_of() -> Standardise:
    return Standardise(KERNEL, WHOLE)


def test_a_batch_is_standardised_as_keras_does():
    keras_layer = keras.layers.BatchNormalization(center=False, scale=False, epsilon=1e-3)
    expected = keras_layer(FEATURES, training=True)
    np.testing.assert_allclose(layer_of()(FEATURES, IDS, training=True), expected, atol=2e-5)


def test_the_first_batch_says_at_once_what_answers_are_standardised_by():
    layer = layer_of()
    in_training = layer(FEATURES, IDS, training=True)
    np.testing.assert_allclose(layer(FEATURES, IDS), in_training, atol=1e-5)
    np.testing.assert_allclose(layer.total, FEATURES.mean(axis=0), atol=1e-5)


def test_before_any_batch_features_stay_as_they_are():
    np.testing.assert_allclose(layer_of()(FEATURES, IDS), FEATURES, rtol=1e-3)


def test_an_author_without_a_token_does_not_count():
    ids, features = IDS.copy(), FEATURES.copy()
    ids[30:], features[30:] = 0, 100
    layer, alone = layer_of(), layer_of()
    found = layer(features, ids, training=True)
    expected = alone(FEATURES[:30], IDS[:30], training=True)
    np.testing.assert_allclose(found[:30], expected, atol=1e-5)
    np.testing.assert_allclose(layer.squares, alone.squares, rtol=1e-6)


def test_a_batch_without_a_token_changes_no_statistic():
    layer = layer_of()
    layer(FEATURES, IDS, training=True)
    before = [weight.numpy() for weight in layer.weights]
    assert np.isfinite(layer(FEATURES, 0 * IDS, training=True)).all()
    for weight, value in zip(layer.weights, before, strict=True):
        np.testing.assert_array_equal(weight, value)


def test_the_features_of_few_positions_are_no_louder_than_those_of_many():
    """The mean of n positions varies as 1 / sqrt(n); that of none is everybody's mean."""
    positions = RANDOM.normal(0, 1, (4000, WHOLE, 1))
    layer = layer_of()
    whole = np.ones((4000, 5), "int32")
    layer(positions.mean(axis=1), whole, training=True)
    for tokens, spread in ((5, 1.0), (3, 1.0), (2, 1.0), (1, 0.0), (0, 0.0)):
        ids = whole * (np.arange(5) < tokens)
        means = positions[:, : max(tokens - 1, 0)].sum(axis=1) / max(tokens - 1, 1)
        found = np.asarray(layer(means.astype("float32"), ids))
        assert found.std() == pytest.approx(spread, abs=0.05)


def test_a_short_author_counts_for_as_much_as_it_has_positions():
    layer = layer_of()
    ids = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 0, 0, 0, 0]], "int32")
    layer(np.array([[1.0], [6.0], [99.0]], "float32"), ids, training=True)
    # One position of four beside four of four: (1 + 6 / 4) / (1 + 1 / 4); the third has none.
    assert layer.total.numpy() / layer.share.numpy() == pytest.approx(2.0)
    assert (layer.authors.numpy(), layer.share.numpy()) == (2, pytest.approx(0.625))


def test_where_all_authors_are_short_their_features_are_as_loud_as_long_ones():
    short = IDS * (np.arange(5) < 3)
    expected = layer_of()(FEATURES, IDS, training=True)
    np.testing.assert_allclose(layer_of()(FEATURES, short, training=True), expected, atol=1e-4)


@pytest.mark.parametrize("authors", [1, 2, FEWEST - 1])
def test_a_batch_of_few_is_standardised_by_those_before_it(authors):
    layer = layer_of()
    layer(FEATURES, IDS, training=True)
    found = layer(FEATURES[:authors] + 9, IDS[:authors], training=True)
    # In its own mean and variance a single author would be 0.
    assert (np.asarray(found).mean(axis=0) > 0.5).all()
    np.testing.assert_allclose(found, layer(FEATURES[:authors] + 9, IDS[:authors]), atol=1e-5)


@pytest.mark.parametrize("sizes", [(50,), (49, 1), (20, 1, 1, 28)])
def test_batches_count_by_their_authors(sizes):
    """Within the window the statistics are those of all authors, however they were batched."""
    layer = layer_of()
    for part in np.split(FEATURES, np.cumsum(sizes)[:-1]):
        layer(part, IDS[: len(part)], training=True)
    np.testing.assert_allclose(layer.total, FEATURES.mean(axis=0), atol=1e-4)
    np.testing.assert_allclose(layer.squares, (FEATURES**2).mean(axis=0), rtol=1e-4)


def test_beyond_the_window_earlier_authors_fade():
    layer = layer_of()
    for value in (0.0, 1.0):
        for _ in range(3 * WINDOW // 50):
            layer(np.full((50, 1), value, "float32"), IDS, training=True)
    assert layer.total.numpy() == pytest.approx(1, abs=0.06)


def test_the_gradient_is_that_of_keras():
    import tensorflow as tf

    weights = RANDOM.normal(size=FEATURES.shape).astype("float32")
    found = []
    for layer, further in (
        (layer_of(), (IDS,)),
        (keras.layers.BatchNormalization(center=False, scale=False), ()),
    ):
        features = tf.Variable(FEATURES)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(weights * layer(features, *further, training=True) ** 2)
        found.append(tape.gradient(loss, features))
    np.testing.assert_allclose(*found, atol=1e-4)

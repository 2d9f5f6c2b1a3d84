"""The layers of the table and of the convolution over it, by hand."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from components.training.offsets import CorrectOffset, KeepShare
from components.training.table import Crop, OwnMean, PadToKernel, TermTable


def ids_of(*lengths, width=None):
    """Rows of ascending ids from 1, so that a token says where it stood."""
    width = width or max(lengths)
    rows = [[*range(1, length + 1), *[0] * (width - length)] for length in lengths]
    return np.array(rows, dtype="int32")


@pytest.fixture
def table():
    layer = TermTable(6, 2, name="table")
    layer.build()
    layer.table.assign([[0, 0], [9, 9], [1, 0], [0, 2], [3, 4], [5, 5]])
    return layer


def test_an_author_s_rows_are_summed_by_weight_and_those_of_the_crop_are_of_unit_size(table):
    ids = np.array([[2, 3, 3], [4, 0, 0]], "int32")
    weights = np.array([[0.6, 0.8, 0.0], [1.0, 0.0, 0.0]], "float32")
    crop = np.array([[3, 2], [4, 0]], "int32")
    pooled, rows, places = table(ids, weights, crop)
    np.testing.assert_allclose(pooled, [[0.6, 1.6], [3, 4]], rtol=1e-6)
    read = np.asarray(rows)[np.asarray(places)]
    root = 2**0.5
    # (3, 4) has a mean square of 12.5.
    expected = [[[0, root], [root, 0]], [[3 / 12.5**0.5, 4 / 12.5**0.5], [0, 0]]]
    np.testing.assert_allclose(read, expected, atol=1e-5)
    assert len(np.asarray(rows)) == 4, "each distinct row once: 2, 3, 4, 0"


def test_in_training_a_share_of_the_terms_is_left_out_and_the_others_count_more():
    layer = TermTable(400, 1, dropout=0.4, seed=1)
    layer.build()
    layer.table.assign(np.eye(400, 1) * 0 + 1)
    ids = np.arange(400, dtype="int32")[None]
    weights = np.ones((1, 400), "float32")
    crop = np.zeros((1, 2), "int32")
    draws = [float(layer(ids, weights, crop, training=True)[0][0, 0]) for _ in range(5)]
    assert len(set(draws)) > 1
    # 240 of 400 count 1 / 0.6 each; the deviation of that sum is 16.
    assert all(abs(draw - 400) < 65 for draw in draws)
    np.testing.assert_allclose(layer(ids, weights, crop)[0], [[400.0]], rtol=1e-6)


def test_the_gradient_of_a_row_is_from_the_pool_and_from_the_crop(table):
    ids, weights = np.array([[2, 3]], "int32"), np.array([[0.5, 0.25]], "float32")
    with tf.GradientTape(persistent=True) as tape:
        pooled, rows, places = table(ids, weights, np.array([[4, 2]], "int32"))
        of_pool = tf.reduce_sum(pooled)
        of_crop = tf.reduce_sum(tf.gather(rows, places)[..., 0])
    found = tf.convert_to_tensor(tape.gradient(of_pool, table.table.value)).numpy()
    np.testing.assert_allclose(found[:, 0], [0, 0, 0.5, 0.25, 0, 0], rtol=1e-6)
    found = tf.convert_to_tensor(tape.gradient(of_crop, table.table.value)).numpy()
    assert found[4].any() and not found[3].any()


def test_a_crop_is_drawn_anew_from_the_author_s_own_tokens():
    layer = Crop(40, seed=1)
    ids = ids_of(1000, 60, 40, 12, 0)
    draws = [np.array(layer(ids, training=True)) for _ in range(20)]
    assert {draw.shape for draw in draws} == {(5, 40)}
    starts = np.array([draw[:2, 0] - 1 for draw in draws])
    assert len(set(starts[:, 0])) > 15 and starts[:, 0].max() > 700 and starts[:, 0].min() < 300
    assert starts[:, 1].min() >= 0 and starts[:, 1].max() <= 20
    for draw in draws:
        assert (np.diff(draw[:2], axis=1) == 1).all(), "neighbours, none of them padding"
        np.testing.assert_array_equal(draw[2:], ids[2:, :40])
    np.testing.assert_array_equal(layer(ids, training=False), ids)


def test_a_batch_shorter_than_a_crop_is_read_whole():
    np.testing.assert_array_equal(Crop(40)(ids_of(12, 5), training=True), ids_of(12, 5))


def test_the_mean_is_over_positions_of_the_author_s_own_tokens_alone():
    ids = np.asarray(PadToKernel(3)(ids_of(5, 3, 2, 0)))
    assert ids.shape == (4, 7)
    features = np.arange(20, dtype="float32").reshape(4, 5, 1)
    # Five tokens have three positions, three have one.
    np.testing.assert_allclose(OwnMean(3)(features, ids)[:, 0], [1, 5, 0, 0])


def test_a_correction_is_added_to_the_offset_and_a_share_of_it_kept():
    layer = CorrectOffset()
    offset, correction = np.float32([[1, -2]]), np.float32([[0.5, 4]])
    np.testing.assert_allclose(layer(offset, correction), [[1.5, 2]])
    layer.scale.assign(2.0)
    logits = layer(offset, correction)
    np.testing.assert_allclose(logits, [[2.5, 0]])
    # The scale is of the network too: of all that moves the offset, a share is kept.
    np.testing.assert_allclose(KeepShare(0.25)(offset, logits), [[1.375, -1.5]])
    np.testing.assert_array_equal(KeepShare(0.0)(offset, logits), offset)

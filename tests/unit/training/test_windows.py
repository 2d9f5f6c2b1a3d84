"""Windows: which an author has, how they are averaged, and that the batch changes nothing."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.heads.declared import DEFAULT_HEADS, parse_heads
from components.training.dataset import bucket_bounds
from components.training.model import build_model
from components.training.settings import ReferenceSettings
from components.training.windows import CutWindows, MeanOfWindows

HEADS = parse_heads(DEFAULT_HEADS)
WIDTHS = {"embedding_width": 6, "first_filters": 5, "filters": 7, "dense_width": 4}


def build(window_tokens):
    network = ReferenceSettings(window_tokens=window_tokens, maximum_tokens=2500, **WIDTHS)
    return build_model(HEADS, 50, network, links={}, seed=3)


@pytest.fixture(scope="module")
def windowed() -> keras.Model:
    random = np.random.default_rng(0)
    model = build(300)
    for variable in model.trainable_variables:
        variable.assign(random.normal(0, 0.4, variable.shape))
    return model


def ids_of(*lengths, width=None):
    """Rows of ascending ids from 1, so that a token says where it stood."""
    width = width or max(lengths)
    return np.array(
        [[*range(1, length + 1), *[0] * (width - length)] for length in lengths], dtype="int32"
    )


def starts_of(windows):
    """First token of each window, minus 1: where it was cut."""
    return (np.array(windows)[:, :, 0] - 1).tolist()


def test_answering_windows_are_spread_evenly_and_follow_from_the_authors_own_length():
    layer = CutWindows(300, windows=2)
    windows = layer(ids_of(700, 301, 300, 20), training=False)
    assert windows.shape == (4, 3, 300)
    # A window that an author does not have starts with padding.
    assert starts_of(windows) == [[0, 200, 400], [0, 1, -1], [0, -1, -1], [0, -1, -1]]
    np.testing.assert_array_equal(windows[0, 2], np.arange(401, 701))
    np.testing.assert_array_equal(windows[3, 0], [*range(1, 21), *[0] * 280])


def test_every_token_of_an_author_is_in_a_window():
    for length in (1, 299, 300, 301, 599, 600, 601, 1500):
        width = max(length, 300)
        windows = CutWindows(300, windows=1)(ids_of(length, width=width), training=False)
        assert set(np.unique(windows)) - {0} == set(range(1, length + 1)), length


def test_training_windows_are_drawn_anew_whole_and_at_most_so_many():
    layer = CutWindows(300, windows=2, seed=1)
    ids = ids_of(1000, 400, 300)
    draws = [np.array(layer(ids, training=True)) for _ in range(20)]
    assert {draw.shape for draw in draws} == {(3, 2, 300)}
    starts = {tuple(starts_of(draw)[0]) for draw in draws}
    assert len(starts) > 15
    assert min(map(min, starts)) < 150 and max(map(max, starts)) > 550
    for draw in draws:
        assert (draw[:2] > 0).all(), "no window of a long author holds padding"
        np.testing.assert_array_equal(np.diff(draw[0], axis=1), 1)
        assert starts_of(draw)[2] == [0, -1]


def test_training_windows_begin_anywhere():
    layer = CutWindows(300, windows=4, seed=2)
    starts = [starts_of(layer(ids_of(2000), training=True))[0] for _ in range(5)]
    assert len(np.unique(starts)) > 15


def test_the_mean_is_over_an_authors_own_windows():
    windows = CutWindows(300, windows=2)(ids_of(700, 300, 0, width=700), training=False)
    features = np.arange(9, dtype="float32")[:, None]
    means = MeanOfWindows()(features, windows)
    # Rows 0 to 2 are the first author's; of the others only the first window counts.
    np.testing.assert_array_equal(means, [[1.0], [3.0], [6.0]])


def test_an_authors_answer_is_that_of_the_mean_over_single_windows(windowed):
    ids = np.random.default_rng(1).integers(1, 50, (1, 700)).astype("int32")
    pooled = keras.Model(windowed.input, windowed.get_layer("mean_of_windows").output)
    alone = [pooled({"tokens": ids[:, start : start + 300]}) for start in (0, 200, 400)]
    np.testing.assert_allclose(pooled({"tokens": ids}), np.mean(alone, axis=0), atol=1e-5)


def test_an_author_of_several_windows_is_answered_alike_in_every_batch(windowed):
    random = np.random.default_rng(1)
    for tokens in (0, 1, 269, 300, 301, 650, 1500):
        ids = random.integers(1, 50, tokens)
        alone = windowed({"tokens": ids[None].astype("int32")}, training=False)
        for bound in [bound for bound in bucket_bounds(2500) if bound >= tokens]:
            batch = random.integers(1, 50, (3, bound)).astype("int32")
            batch[1] = np.pad(ids, (0, bound - tokens))
            together = windowed({"tokens": batch}, training=False)
            for name in alone:
                np.testing.assert_allclose(together[name][1], alone[name][0], atol=1e-5)


def test_windows_are_no_longer_than_the_batch_where_no_author_fills_one():
    layer = CutWindows(1500, windows=2, shortest=300)
    assert layer(ids_of(700, 310), training=False).shape == (2, 1, 700)
    assert layer(ids_of(700, 310), training=True).shape == (2, 1, 700)
    assert layer(ids_of(1700, 310), training=False).shape == (2, 2, 1500)
    fixed = CutWindows(1500, windows=2)
    assert fixed(ids_of(700, 310, width=1500), training=False).shape == (2, 1, 1500)


def answers_and_gradients(model, ids):
    with tf.GradientTape() as tape:
        answers = model({"tokens": ids}, training=True)
        loss = sum(tf.reduce_sum(values**2) for values in answers.values())
    return answers, tape.gradient(loss, model.trainable_variables)


@pytest.mark.parametrize("lengths", [(20,), (310, 269), (700, 40, 299), (1500, 800)])
def test_short_windows_are_the_function_of_whole_ones_gradients_included(lengths):
    model = build(1500)
    random = np.random.default_rng(1)
    ids = np.where(ids_of(*lengths) > 0, random.integers(1, 50, (len(lengths), max(lengths))), 0)
    whole = np.pad(ids, [(0, 0), (0, 1500 - ids.shape[1])])
    found, expected = (answers_and_gradients(model, one) for one in (ids, whole))
    for head in HEADS:
        np.testing.assert_allclose(found[0][head.name], expected[0][head.name], atol=1e-5)
    for one, other in zip(found[1], expected[1], strict=True):
        one, other = (keras.ops.convert_to_numpy(gradient) for gradient in (one, other))
        np.testing.assert_allclose(one, other, atol=1e-5 * max(1, np.abs(other).max()))

"""Answers in portions: as of each author alone, and never of more tokens than fit."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from components.heads.declared import parse_heads
from components.serving.portions import answer_in_portions
from components.training.conv import shrunk_model
from components.training.model import build_model
from components.training.settings import ReferenceSettings
from tests.unit.training.small_network import (
    build_small,
    draw_linear,
    draw_table,
    draw_weights,
    links_of,
)

HEADS = parse_heads({"age": {"kind": "regression"}})


def lengths_and_shapes(ids):
    rows, width = tf.shape(ids)[0], tf.shape(ids)[1]
    own = tf.reduce_sum(tf.cast(ids > 0, tf.float32), axis=1)
    shape = tf.cast(tf.stack([rows, width]), tf.float32)
    return {"seen": tf.concat([own[:, None], tf.tile(shape[None], [rows, 1])], axis=1)}


@pytest.mark.parametrize("traced", [False, True])
def test_portions_are_bounded_and_answers_keep_the_order(traced):
    tokens = tf.ragged.constant([[5] * n for n in (3, 9, 2, 4, 0, 12)], dtype=tf.int64)

    def ask(ids):
        return answer_in_portions(lengths_and_shapes, ids, {"seen": 3}, most_tokens=10)

    found = (tf.function(ask) if traced else ask)(tokens)["seen"].numpy().tolist()
    # The author's own length; the authors and the width of the portion.
    assert found == [[3, 2, 4], [9, 1, 9], [2, 2, 2], [4, 2, 4], [0, 2, 2], [12, 1, 12]]


def test_no_author_is_no_answer():
    tokens = tf.RaggedTensor.from_row_lengths(tf.zeros([0], tf.int64), tf.zeros([0], tf.int64))
    found = answer_in_portions(lengths_and_shapes, tokens, {"seen": 3})
    assert found["seen"].shape == (0, 3)


def conv():
    links, table = links_of(HEADS), draw_table()
    model = draw_weights(build_small(HEADS))
    return shrunk_model(model, HEADS, links, {}, draw_linear(table, links))


def reference():
    widths = {"embedding_width": 4, "first_filters": 4, "filters": 4, "dense_width": 4}
    model = draw_weights(build_model(HEADS, 50, ReferenceSettings(**widths), links={}, seed=1))
    return lambda ids, training=False: model({"tokens": ids}, training=training)


@pytest.mark.parametrize("build", [conv, reference])
def test_an_answer_is_the_same_alone_and_beside_a_much_longer_author(build):
    random, model = np.random.default_rng(0), build()
    authors = [random.integers(2, 50, n).tolist() for n in (30, 30_000, 31)]

    def ask(some):
        return answer_in_portions(
            lambda ids: model(ids, training=False),
            tf.ragged.constant(some, dtype=tf.int64),
            {"age": 1},
            most_tokens=200,
        )["age"].numpy()

    together = ask(authors)
    for number, author in enumerate(authors):
        np.testing.assert_allclose(ask([author])[0], together[number], rtol=1e-4)
    padded = np.zeros((1, 70), "int32")
    padded[0, :30] = authors[0]
    np.testing.assert_allclose(model(padded)["age"][0], together[0], rtol=1e-4)

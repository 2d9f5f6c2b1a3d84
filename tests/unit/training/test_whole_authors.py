"""What stands far behind in an author's posts is read and learned."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import tensorflow as tf

from components.features.settings import TextSettings
from components.features.tokens import tokenize_posts
from components.heads.declared import DEFAULT_HEADS, parse_heads
from components.table.artifact import Table
from components.training.fitting import fit, make_data
from components.training.model import build_model, compile_model
from components.training.settings import ConvSettings

HEADS = parse_heads({"gender": DEFAULT_HEADS["gender"]})
NOISE, VOCABULARY = 1600, 31
IDS = {"<post>": 2, "she": 3, "he": 4, **{f"w{chr(97 + n)}": n + 5 for n in range(26)}}
RANDOM = np.random.default_rng(4)


def rows_of(genders):
    """Authors whose first posts have 1,600 words of noise; their last one tells the gender."""
    authors = []
    for gender in genders:
        words = [f"w{chr(97 + number)}" for number in RANDOM.integers(0, 26, NOISE)]
        posts = [" ".join(words[start : start + 100]) for start in range(0, NOISE, 100)]
        authors.append([*posts, ("she", "he")[gender]])
    tokens = tokenize_posts(tf.ragged.constant(authors), TextSettings().maximum_bytes)
    ids = tf.ragged.constant(
        [[IDS[word.decode()] for word in author] for author in tokens.to_list()], dtype=tf.int32
    )
    labels = genders.astype("float32")
    inputs = {"tokens": ids, "gender.offset": np.zeros((len(labels), 1), "float32")}
    rows = (inputs, {"gender": labels[:, None]}, {"gender": np.ones_like(labels)})
    # A row of ragged tokens becomes a tensor.
    return tf.data.Dataset.from_tensor_slices(rows).map(lambda *row: row)


def table():
    """As the one of this corpus: of two words and the noise, the two are rare."""
    idf = np.ones(VOCABULARY, "float32")
    idf[:2], idf[3:5] = 0, 1.7
    start = np.random.default_rng(1).normal(0, 1, (VOCABULARY, 16)).astype("float32")
    return Table(idf, np.zeros(0, "int64"), start, np.ones(16, "float32"), authors=64)


@pytest.fixture(scope="module")
def data():
    rows = rows_of(np.arange(128) % 2), rows_of(np.arange(32) % 2)
    links = {"gender": HEADS[0].link(np.array([[0.0], [1.0]]))}
    return make_data(HEADS, *rows, 8, VOCABULARY, links=links, table=table())


def test_the_default_network_learns_what_stands_behind_token_1500(data, tmp_path):
    assert data.train.longest == NOISE + 16 + 1
    model = build_model(
        HEADS,
        VOCABULARY,
        ConvSettings(term_dropout=0.0),
        links=data.links,
        table=data.table,
        seed=1,
    )
    compile_model(model, HEADS, {}, 3e-3, data.train.steps * 15)
    state = fit(
        model,
        data,
        epochs=15,
        patience=15,
        seed=1,
        folder=tmp_path,
        logger=logging.getLogger("authorprofile.test"),
    )
    assert state.best_skill > 0.3

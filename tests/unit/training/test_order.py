"""A label that lies in the order of three words: what the convolution is for, and measured to add.

Words and pairs of neighbours are as frequent whatever the label is, so a linear model of them is at
chance; its offsets here are 0.
"""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from benchmarks.quality.made_up import order
from components.features.settings import TextSettings
from components.features.tokens import tokenize_posts
from components.heads.declared import parse_heads
from components.judging.settings import JudgingSettings
from components.table.artifact import Table
from components.training.fitting import make_data
from components.training.hooks import HookSettings
from components.training.learning import Learned, learn
from components.training.settings import ConvSettings, TrainingSettings, TunerSettings
from components.training.tuner import build_candidate
from tests.unit.training.small_network import make_rows

HEADS = parse_heads({"turn": {"kind": "binary", "positive": "left", "negative": "right"}})
LEARNED, HELD_OUT = 900, 300
TRAINING = TrainingSettings(epochs=8, batch_size=16, refit=False, seed=1)
NETWORK = ConvSettings(table_width=32, filters=32, shared_width=32)


MADE = order(np.random.default_rng(5), LEARNED + HELD_OUT)


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Learned:
    posts = tf.ragged.constant(MADE.posts)
    words = tokenize_posts(posts, TextSettings().maximum_bytes).to_list()
    ids = {word: place + 2 for place, word in enumerate(sorted({w for row in words for w in row}))}
    tokens = [[ids[word] for word in row] for row in words]
    labels = (MADE.labels["turn"] == "left").astype("float32")[:, None]
    link = HEADS[0].link(labels.astype("float64"))

    def rows(some: slice):
        targets = {"turn": labels[some]}
        return make_rows(tokens[some], targets, {"turn": np.zeros((len(labels[some]), 1))})

    size = len(ids) + 2
    idf = np.ones(size, "float32")
    idf[:2] = 0
    start = np.random.default_rng(1).normal(0, 1, (size, 32)).astype("float32")
    table = Table(idf, np.zeros(0, "int64"), start, np.ones(32, "float32"), authors=LEARNED)
    data = make_data(
        HEADS,
        rows(slice(LEARNED)),
        rows(slice(LEARNED, None)),
        TRAINING.batch_size,
        size,
        links={"turn": link},
        table=table,
    )
    settings = HookSettings(
        HEADS, TextSettings(), NETWORK, TRAINING, TunerSettings(), JudgingSettings()
    )
    folder: Path = tmp_path_factory.mktemp("order")
    return learn(
        partial(build_candidate, settings), data, TRAINING, folder, logger=logging.getLogger("test")
    )


def test_the_convolution_adds_by_a_whole_interval(learned: Learned) -> None:
    gains = learned.path_gains()["turn"]
    assert gains["convolution"]["lower"] > 0.2
    assert gains["pool"]["upper"] < 0.05


def test_the_network_keeps_what_it_adds(learned: Learned) -> None:
    labels, answers = learned.held_out_answers("turn")
    constant = np.broadcast_to(labels.mean(axis=0), labels.shape)
    gains = HEADS[0].losses(constant, labels) - HEADS[0].losses(answers, labels)
    assert gains.mean() > 3 * gains.std() / len(gains) ** 0.5
    assert learned.shares["turn"].network > 0.8


def test_words_and_pairs_are_at_chance() -> None:
    texts = TfidfVectorizer(ngram_range=(1, 2)).fit_transform(map(" ".join, MADE.posts))
    labels = MADE.labels["turn"] == "left"
    model = LogisticRegression(C=10).fit(texts[:LEARNED], labels[:LEARNED])
    right = model.score(texts[LEARNED:], labels[LEARNED:])
    assert right == pytest.approx(0.5, abs=3 * 0.5 / HELD_OUT**0.5)

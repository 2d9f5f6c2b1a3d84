"""The TensorFlow part of a kind of head that another package adds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from count_head.head import CountHead
from count_head.network import CountNetwork, PoissonDeviance
from numpy.typing import NDArray
from sklearn.linear_model import PoissonRegressor
from sklearn.metrics import mean_poisson_deviance

from components.training.heads import network_of
from components.training.linear import LabelFacts
from components.training.model import build_model, compile_model
from components.training.settings import NetworkSettings
from components.training.words import WordFacts

HEAD = CountHead(name="n")
NETWORK = CountNetwork(HEAD)
LABELS = np.float32([[0], [1], [4], [9]])
ANSWERS = np.float32([[0.2], [1], [2.5], [12]])


def test_the_kind_is_found() -> None:
    assert isinstance(network_of(HEAD), CountNetwork)


def test_targets_are_the_counts_and_unknown_ones_are_masked() -> None:
    labels = tf.sparse.from_dense(np.int64([[3], [0], [7]]))
    features = NETWORK.features(labels)
    assert features["n"].dtype == features["n.known"].dtype == tf.float32
    assert features["n"].numpy().tolist() == [[3], [0], [7]]
    assert features["n.known"].numpy().tolist() == [[1], [0], [1]]


def test_the_loss_is_that_of_the_head() -> None:
    losses = PoissonDeviance().call(tf.constant(LABELS), tf.constant(ANSWERS)).numpy()
    assert losses == pytest.approx(HEAD.losses(np.float64(ANSWERS), np.float64(LABELS)), rel=1e-5)
    metric = NETWORK.known_loss()
    metric.update_state(LABELS, ANSWERS, np.float32([1, 1, 0, 1]))
    known = [0, 1, 3]
    expected = mean_poisson_deviance(LABELS[known, 0], ANSWERS[known, 0])
    assert float(metric.result()) == pytest.approx(expected, rel=1e-5)


def untrained(kind: str, constants: Any) -> Any:
    network = NetworkSettings(
        kind=kind, embedding_width=4, first_filters=4, filters=4, dense_width=4, ridge=1e-4
    )
    words = WordFacts(4, np.int64([0, 0, 2, 2, 2]))
    return build_model((HEAD,), 5, network, words=words, labels=LabelFacts(constants))


def test_a_model_of_words_answers_the_mean_before_it_has_learned() -> None:
    answers = untrained("words", {"n": [2.5]})(np.int32([[2, 3, 0], [4, 0, 0]]))
    assert answers["n"].numpy() == pytest.approx(np.full((2, 1), 2.5))


@pytest.mark.parametrize("kind", ["reference", "wide"])
def test_a_trunk_answers_counts_above_0(kind: str) -> None:
    answers = untrained(kind, {"n": [2.5]})(np.int32([[2, 3, 0], [4, 0, 0]]))
    assert (answers["n"].numpy() > 0).all()


def test_the_penalty_follows_the_second_derivative_of_the_loss() -> None:
    for constant in (0.5, 4.0):
        output = tf.Variable([[np.log(constant)]], dtype=tf.float64)
        with tf.GradientTape() as outer, tf.GradientTape() as inner:
            loss = PoissonDeviance().call(tf.constant([[3.0]], tf.float64), tf.exp(output))
            slope = inner.gradient(loss, output)
        curve = outer.gradient(slope, output)
        assert NETWORK.penalty_scale([constant]) == pytest.approx(float(curve[0, 0]))


def test_the_linear_model_learns_what_poisson_regression_does() -> None:
    draws = np.random.default_rng(5)
    tokens: NDArray[np.int32] = draws.integers(2, 5, (200, 1), dtype=np.int32)
    labels = draws.poisson(np.array([0.5, 2.0, 8.0])[tokens[:, 0] - 2])[:, None].astype("float32")
    model = untrained("words", {"n": [float(labels.mean())]})
    compile_model(model, (HEAD,), {}, 0.002, 150)
    again = (150, 1)
    model.fit(np.tile(tokens, again), {"n": np.tile(labels, again)}, 200, shuffle=False, verbose=0)
    one_hot = np.eye(3)[tokens[:, 0] - 2]
    reference = PoissonRegressor(alpha=0).fit(one_hot, labels[:, 0]).predict(np.eye(3))
    answers = model(np.int32([[2], [3], [4]]))["n"].numpy()[:, 0]
    assert answers == pytest.approx(reference, rel=0.01)

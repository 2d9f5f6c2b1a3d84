"""The TensorFlow part of a kind of head that another package adds."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from count_head.head import CountHead
from count_head.network import CountNetwork, PoissonDeviance
from scipy.optimize import minimize
from sklearn.linear_model import PoissonRegressor
from sklearn.metrics import mean_poisson_deviance

from components.training.heads import network_of
from components.training.model import build_model
from components.training.settings import ConvSettings, ReferenceSettings
from tests.unit.training.small_network import VOCABULARY, draw_table

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


def test_the_network_starts_at_the_linear_baseline_and_answers_counts_above_0() -> None:
    links = {"n": HEAD.link(np.float64(LABELS))}
    small = ConvSettings(table_width=6, filters=4, shared_width=4)
    model = build_model((HEAD,), VOCABULARY, small, links=links, table=draw_table())
    tokens = np.int32([[2, 3, 0], [4, 0, 0]])
    answers = model({"tokens": tokens, "n.offset": np.float32([[0.0], [1.5]])})
    assert answers["n"].numpy()[:, 0] == pytest.approx(np.exp([0.0, 1.5]), rel=1e-5)


def test_the_reference_network_answers_counts_above_0() -> None:
    network = ReferenceSettings(embedding_width=4, first_filters=4, filters=4, dense_width=4)
    model = build_model((HEAD,), VOCABULARY, network, links={})
    assert (model({"tokens": np.int32([[2, 3, 0], [4, 0, 0]])})["n"].numpy() > 0).all()


def test_the_linear_model_learns_what_poisson_regression_does() -> None:
    draws = np.random.default_rng(5)
    rows = np.eye(3)[draws.integers(0, 3, 400)]
    labels = draws.poisson(rows @ np.array([0.5, 2.0, 8.0]))[:, None].astype("float64")
    link = HEAD.link(labels)
    fitted = minimize(
        lambda at: link.score_loss((rows @ at)[:, None], labels)[0].sum(), np.zeros(3)
    ).x
    reference = PoissonRegressor(alpha=0, tol=1e-8).fit(rows, labels[:, 0]).predict(np.eye(3))
    assert np.exp(fitted) == pytest.approx(reference, rel=0.01)

"""The TensorFlow part of each kind of head against what the head itself computes in NumPy."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from components.heads.declared import parse_heads
from components.training.heads import band_names, network_of

HEADS = parse_heads(
    {
        "age": {"kind": "regression"},
        "income": {"kind": "classes", "classes": 3},
        "gender": {"kind": "binary"},
        "links": {"kind": "count"},
    }
)
CONSTANTS = {"age": [0.5], "income": [0.5, 0.3, 0.2], "gender": [0.4], "links": [2.5]}
TARGETS = {
    "age": [[-1.0], [2.0]],
    "income": [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]],
    "gender": [[1.0], [0.0]],
    "links": [[0.0], [4.0]],
}
each_head = pytest.mark.parametrize("head", HEADS, ids=lambda head: head.kind)


@each_head
def test_what_leaves_the_network_is_the_link_s_answer(head):
    targets = np.array(TARGETS[head.name])
    link = head.link(targets)
    logits = keras.Input((link.logits,))
    network = network_of(head)
    outputs = network.outputs(link, logits) | network.outputs(link, logits, "linear")
    values = np.random.default_rng(0).normal(0, 2, (5, link.logits))
    answers = keras.Model(logits, outputs)(values.astype("float32"))
    np.testing.assert_allclose(answers[head.name], link.answers(values), rtol=1e-5)
    assert set(answers) == {head.name, "age.steps"} if head.name == "age" else {head.name}


def test_a_number_s_steps_are_compared_with_their_constant_shares():
    head = HEADS[0]
    link = head.link(np.array([[0.0], [1.0], [1.0], [1.0]]))
    assert link.steps.shares == (0.75,)
    expected = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert network_of(head).steps_loss(link) == pytest.approx(expected)
    with pytest.raises(NotImplementedError, match="binary is not answered by thresholds"):
        network_of(HEADS[2]).steps_loss(link)


@each_head
def test_the_loss_that_skill_is_made_of_is_the_head_s_own_over_known_labels(head):
    answers = np.array([CONSTANTS[head.name]] * 2)
    targets = np.array(TARGETS[head.name])
    metric = network_of(head).known_loss()
    metric.update_state(targets, answers, sample_weight=[1.0, 0.0])
    expected = head.losses(answers, targets)
    assert float(metric.result()) == pytest.approx(expected[0], rel=1e-5)
    np.testing.assert_allclose(network_of(head).loss().call(targets, answers), expected, rtol=1e-5)


def test_bands_are_named_by_their_bounds():
    assert band_names([]) == ["all"]
    assert band_names([25.0, 35.5]) == ["below 25", "25-35.5", "35.5 and above"]

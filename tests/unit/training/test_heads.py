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


def answered(head, outputs):
    """What the last layer makes of its linear part."""
    return np.asarray(keras.activations.get(network_of(head).activation)(np.array(outputs)))


@each_head
def test_the_network_starts_at_the_constant(head):
    start = network_of(head).start(CONSTANTS[head.name])
    np.testing.assert_allclose(answered(head, [start])[0], CONSTANTS[head.name], rtol=1e-5)


@each_head
def test_the_loss_that_skill_is_made_of_is_the_head_s_own_over_known_labels(head):
    answers = np.array([CONSTANTS[head.name]] * 2)
    targets = np.array(TARGETS[head.name])
    metric = network_of(head).known_loss()
    metric.update_state(targets, answers, sample_weight=[1.0, 0.0])
    expected = head.losses(answers, targets)
    assert float(metric.result()) == pytest.approx(expected[0], rel=1e-5)
    np.testing.assert_allclose(network_of(head).loss().call(targets, answers), expected, rtol=1e-5)


@each_head
def test_the_penalty_is_in_proportion_to_how_the_loss_bends(head):
    constant = {"gender": [0.5], "income": [1 / 3] * 3}.get(head.name, CONSTANTS[head.name])
    start = np.array(network_of(head).start(constant))
    # Away from the mean of all outputs, which changes no probability.
    step = np.array([1e-3, -1e-3, 0.0]) / np.sqrt(2) if head.width == 3 else np.array([1e-3])
    targets = np.array([constant] * 3)
    answers = answered(head, [start - step, start, start + step])
    below, middle, above = head.losses(answers, targets)
    bend = (above - 2 * middle + below) / 1e-6
    times = head.width - 1 if head.width == 3 else 1
    assert network_of(head).penalty_scale(constant) == pytest.approx(times * bend, rel=1e-3)


def test_bands_are_named_by_their_bounds():
    assert band_names([]) == ["all"]
    assert band_names([25.0, 35.5]) == ["below 25", "25-35.5", "35.5 and above"]

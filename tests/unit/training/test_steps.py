"""A number in steps: where it is cut, what is answered, and what it is trained by."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import tensorflow as tf

from components.heads.declared import parse_heads
from components.heads.ordinal import find_steps
from components.training.linear import LabelFacts, steps_start
from components.training.model import build_model, compile_model, for_outputs
from components.training.settings import NetworkSettings
from components.training.steps import MeanOfSteps
from components.training.words import STEP_SCALE, WordFacts

HEADS = parse_heads({"age": {"kind": "regression"}, "gender": {"kind": "binary"}})
LABELS = np.array([-1.0, -1.0, 0.0, 0.0, 0.0, 2.0, 3.0, 5.0])
LOGGER = logging.getLogger("authorprofile.test")


def test_groups_are_of_like_size_and_equal_labels_stay_together():
    facts = find_steps(LABELS, 4)
    # The quartiles -1, 0, 2: cut half way to the next label.
    assert facts.thresholds == (-0.5, 1.0, 2.5)
    assert facts.levels == (-1.0, 0.0, 2.0, 4.0)
    assert facts.shares == (0.75, 0.375, 0.25)


def test_labels_that_are_mostly_one_are_still_cut():
    assert find_steps(np.array([0.0, 1.0, 1.0, 1.0, 1.0]), 2).thresholds == (0.5,)
    assert find_steps(np.array([0.0, 0.0, 0.0, 0.0, 7.0]), 3).thresholds == (3.5,)


def test_labels_that_do_not_differ_have_no_steps():
    assert find_steps(np.ones(5), 4) is None
    assert find_steps(np.zeros(0), 4) is None
    assert find_steps(LABELS, 1) is None


def test_the_answer_is_the_mean_of_the_predicted_distribution():
    layer = MeanOfSteps((0.5, 2.5), (-1.0, 1.0, 4.0))
    # Shares of the groups: 0.2, 0.5, 0.3; certainty of a group answers its level.
    answers = layer(np.array([[0.8, 0.3], [0.0, 0.0], [1.0, 0.0], [1.0, 1.0]], dtype="float32"))
    np.testing.assert_allclose(answers[:, 0], [1.5, -1.0, 1.0, 4.0], rtol=1e-6)


@pytest.fixture
def model():
    facts = LabelFacts({"age": [1.0], "gender": [0.25]}, {"age": find_steps(LABELS, 4)})
    words = WordFacts(8, np.array([0, 8, 4, 2, 1, 0]))
    return build_model(HEADS, 6, NetworkSettings(kind="words"), words=words, labels=facts)


def test_a_network_of_words_starts_at_the_constants(model):
    answers = model(np.array([[2, 3, 4]], dtype="int32"))
    assert float(answers["age"][0, 0]) == pytest.approx(LABELS.mean(), abs=1e-5)
    assert float(answers["gender"][0, 0]) == pytest.approx(0.25, abs=1e-5)


def test_the_network_of_words_agrees_with_numpy(model):
    random = np.random.default_rng(1)
    tables = {name: random.normal(0, 1, (6, n)) for name, n in (("age", 3), ("gender", 1))}
    for name, table in tables.items():
        model.get_layer(f"{name}.words").table.assign(table / STEP_SCALE)
    answers = model(np.array([[2, 3, 3, 5, 1]], dtype="int32"))
    rarity = 1 + np.log(9 / (1 + np.array([4, 2, 0])))
    weights = np.array([1, 1 + np.log(2), 1]) * rarity
    weights /= np.linalg.norm(weights)
    start = np.array(steps_start(find_steps(LABELS, 4)))
    above = 1 / (1 + np.exp(-(weights @ tables["age"][[2, 3, 5]] + start)))
    np.testing.assert_allclose(answers["age.steps"][0], above, rtol=1e-5)
    np.testing.assert_allclose(answers["age"][0, 0], -1 + above @ [1, 2, 2], rtol=1e-5)
    logit = weights @ tables["gender"][[2, 3, 5]] + np.log(0.25 / 0.75)
    np.testing.assert_allclose(answers["gender"][0], 1 / (1 + np.exp(-logit)), rtol=1e-5)


def test_a_number_in_steps_is_trained_above_each_threshold_and_judged_by_its_answer(model):
    rows = (
        np.array([[2, 3], [4, 2], [3, 3]], dtype="int32"),
        {"age": np.float32([[-0.6], [1.2], [0.0]]), "gender": np.float32([[1], [0], [0]])},
        {"age": np.float32([1, 1, 0]), "gender": np.float32([1, 1, 1])},
    )
    batches = for_outputs(tf.data.Dataset.from_tensors(rows), model)
    _, targets, weights = next(iter(batches))
    assert targets["age.steps"].numpy().tolist() == [[0, 0, 0], [1, 1, 0], [1, 0, 0]]
    assert weights["age.steps"].numpy().tolist() == [1, 1, 0]
    compile_model(model, HEADS, {"age": 2.0}, 1e-3)
    logs = model.evaluate(batches, verbose=0, return_dict=True)
    error = LABELS.mean() - np.array([-0.6, 1.2])
    assert logs["age_known.loss"] == pytest.approx((error**2).mean(), rel=1e-4)
    shares = np.array([0.75, 0.375, 0.25])
    right = [1 - shares, [0.75, 0.375, 0.75]]
    # The author without an age counts in the divisor, as for every head.
    assert logs["age.steps_loss"] == pytest.approx(-np.log(right).mean() * 2 / 3, rel=1e-4)

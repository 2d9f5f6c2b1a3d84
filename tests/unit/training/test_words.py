"""The linear model of words against hand-made figures and an independent NumPy computation."""

from __future__ import annotations

import collections
import math

import keras
import numpy as np
import pytest

from components.heads.declared import DEFAULT_HEADS, parse_heads
from components.training.model import build_model
from components.training.settings import NetworkSettings
from components.training.words import STEP_SCALE, LinearWords, WordFacts, WordWeights

HEADS = parse_heads(DEFAULT_HEADS)
SMALL = NetworkSettings(
    kind="wide", embedding_width=6, first_filters=5, filters=7, dense_width=4, ridge=0.5
)


def weights_by_id(layer, ids):
    """{id: weight} of one author, from the layer's two outputs."""
    found, weights = (np.array(part)[0] for part in layer(np.array([ids], dtype="int32")))
    return {int(i): float(w) for i, w in zip(found, weights, strict=True) if w}


def layer_of(authors, frequencies):
    layer = WordWeights(len(frequencies))
    layer.build(None)
    facts = WordFacts(authors, np.array(frequencies))
    layer.rarities.assign(facts.inverse_document_frequencies())
    return layer


def test_a_word_weighs_by_how_often_it_is_used_and_how_few_use_it():
    # 9 authors; id 2 is everyone's, id 3 is one author's.
    layer = layer_of(9, [0, 9, 9, 1])
    common, rare = 1 + math.log(3), 1 + math.log(10 / 2)
    norm = math.hypot(common, rare)
    found = weights_by_id(layer, [2, 3, 2, 1, 2, 0, 0])
    assert found == pytest.approx({2: common / norm, 3: rare / norm}, rel=1e-5)


def test_weights_are_those_of_an_independent_computation():
    random = np.random.default_rng(0)
    frequencies = random.integers(0, 31, 60)
    layer = layer_of(30, frequencies)
    for length in (1, 7, 400):
        ids = random.integers(0, 60, length).tolist()
        expected = {
            i: (1 + math.log(count)) * (1 + math.log(31 / (1 + frequencies[i])))
            for i, count in collections.Counter(ids).items()
            if i > 1
        }
        norm = math.sqrt(sum(weight**2 for weight in expected.values())) or 1.0
        expected = {i: weight / norm for i, weight in expected.items()}
        assert weights_by_id(layer, ids) == pytest.approx(expected, rel=1e-4)


def test_an_author_without_a_known_word_weighs_nothing():
    layer = layer_of(9, [0, 9, 9, 1])
    for ids in ([0, 0], [1, 1, 0]):
        assert weights_by_id(layer, ids) == {}


def test_padding_changes_no_weight():
    layer = layer_of(9, [0, 9, 5, 1])
    assert weights_by_id(layer, [3, 2, 2]) == weights_by_id(layer, [3, 2, 2] + [0] * 50)


def test_the_sum_is_over_distinct_words():
    linear = LinearWords(4, 2, penalty=0.0)
    linear.build(None)
    linear.table.assign(np.array([[9, 9], [9, 9], [1, 2], [3, 4]]) / STEP_SCALE)
    ids = np.array([[0, 2, 2, 3]], dtype="int32")
    weights = np.array([[0.0, 0.6, 0.0, 0.8]], dtype="float32")
    np.testing.assert_allclose(linear(ids, weights), [[3.0, 4.4]], rtol=1e-5)


def penalties(loss_weights=None, authors=10):
    """The penalty on each head's words where every weight is 1."""
    words = WordFacts(authors, np.full(50, 3))
    model = build_model(HEADS, 50, SMALL, words=words, loss_weights=loss_weights)
    found = {}
    for head in HEADS:
        layer = model.get_layer(f"{head.name}.words")
        layer.table.assign(np.ones(layer.table.shape) / STEP_SCALE)
        (loss,) = layer.losses
        found[head.name] = float(loss) / (50 * head.width)
    return found


def test_the_penalty_is_ridge_of_strength_one_and_the_logistic_that_corresponds():
    # Mean loss + penalty: 1/N for a number (alpha = 1), 1/(8 N) for two classes (C = 4). Of ten
    # groups, each of a tenth of the authors, it is nine times what the curvature 1/10 asks for.
    assert penalties() == pytest.approx({"age": 0.1, "income": 0.045, "gender": 0.0125}, rel=1e-5)


def test_the_penalty_falls_with_authors_and_follows_the_loss_weights():
    assert penalties(authors=1000)["age"] == pytest.approx(0.001, rel=1e-5)
    assert penalties({"age": 5.0}) == pytest.approx(
        {"age": 0.5, "income": 0.045, "gender": 0.0125}, rel=1e-5
    )


def test_the_wide_network_starts_as_its_trunk_and_adds_what_words_say():
    words = WordFacts(10, np.full(50, 3))
    wide = build_model(HEADS, 50, SMALL, words=words, seed=3)
    ids = np.random.default_rng(0).integers(2, 50, (2, 320)).astype("int32")
    before = {name: np.array(value) for name, value in wide(ids).items()}
    wide.get_layer("age.words").table.assign(np.full((50, 1), 0.1 / STEP_SCALE))
    after = wide(ids)
    weights = np.array(wide.get_layer("word_weights")(ids)[1]).sum(axis=1)
    np.testing.assert_allclose(after["age"][:, 0] - before["age"][:, 0], 0.1 * weights, atol=1e-5)
    np.testing.assert_array_equal(after["gender"], before["gender"])


def test_a_wide_network_without_document_frequencies_is_refused():
    with pytest.raises(ValueError, match="document frequency"):
        build_model(HEADS, 50, SMALL)
    with pytest.raises(ValueError, match="49 for a vocabulary of 50"):
        build_model(HEADS, 50, SMALL, words=WordFacts(10, np.ones(49)))


def test_the_network_that_is_saved_keeps_what_it_knows_of_words(tmp_path):
    words = WordFacts(10, np.arange(50) % 11)
    wide = build_model(HEADS, 50, SMALL, words=words, seed=3)
    wide.save_weights(tmp_path / "a.weights.h5")
    other = build_model(HEADS, 50, SMALL, words=WordFacts(10, np.ones(50)), seed=4)
    other.load_weights(tmp_path / "a.weights.h5")
    ids = np.random.default_rng(0).integers(0, 50, (2, 320)).astype("int32")
    for name, value in wide(ids).items():
        np.testing.assert_allclose(other(ids)[name], value, atol=1e-6, err_msg=name)
    assert isinstance(other, keras.Model)

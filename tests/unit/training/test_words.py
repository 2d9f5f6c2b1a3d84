"""The weights of terms against hand-made figures and an independent NumPy computation."""

from __future__ import annotations

import collections
import math

import numpy as np
import pytest

from components.linear.terms import inverse_document_frequencies
from components.training.words import WordWeights


def weights_by_id(layer, ids):
    """{id: weight} of one author, from the layer's two outputs."""
    found, weights = (np.array(part)[0] for part in layer(np.array([ids], dtype="int32")))
    return {int(i): float(w) for i, w in zip(found, weights, strict=True) if w}


def layer_of(authors, frequencies):
    layer = WordWeights(len(frequencies))
    layer.build(None)
    layer.rarities.assign(inverse_document_frequencies(authors, np.array(frequencies)))
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


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_a_batch_without_a_token_has_no_term(rows):
    ids, weights = layer_of(9, [0, 9, 5, 1])(np.zeros((rows, 0), "int32"))
    assert ids.shape == weights.shape == (rows, 0)

"""Pairs of neighbouring words: the layer, the list and the count agree with each other."""

from __future__ import annotations

import numpy as np
import pytest

from components.training.pairs import FIRST_PLACE, NeighbourPairs, pair_keys

IDS = {"a": 2, "b": 3, "c": 4}
KEYS = pair_keys(["b a", "a b", "c c", "a unknown", "not-a-pair"], IDS)


@pytest.fixture
def layer():
    layer = NeighbourPairs(10, len(KEYS))
    layer.build(None)
    layer.keys.assign(KEYS)
    return layer


def test_a_key_orders_by_the_first_word_and_tells_the_order_of_two():
    assert KEYS.tolist() == [2 * FIRST_PLACE + 3, 3 * FIRST_PLACE + 2, 4 * FIRST_PLACE + 4]


def test_words_keep_their_ids_and_known_pairs_follow_the_vocabulary(layer):
    # a b a c c, padding; pairs: ab is the first, ba the second, ac unknown, cc the third.
    numbers = np.array(layer(np.array([[2, 3, 2, 4, 4, 0]], dtype="int32")))[0].tolist()
    assert numbers == [2, 3, 2, 4, 4, 0, 10, 11, 0, 12, 0]


def test_ids_of_the_largest_vocabulary_do_not_overflow():
    keys = np.array([2**31 - 2, 2**31 - 1]) * FIRST_PLACE + 2**31 - 1
    layer = NeighbourPairs(5, 2)
    layer.build(None)
    layer.keys.assign(keys)
    ids = np.array([[2**31 - 2, 2**31 - 1, 2**31 - 1]], dtype="int32")
    assert np.array(layer(ids))[0, 3:].tolist() == [5, 6]


def test_an_empty_list_knows_no_pair():
    assert pair_keys([], IDS).tolist() == []

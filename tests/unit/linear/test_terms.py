"""TF-IDF rows: their weights, their blocks, and that the network's graph computes the same."""

from __future__ import annotations

import numpy as np
import pytest

from components.linear import terms
from components.linear.terms import (
    TermMatrix,
    count_terms,
    inverse_document_frequencies,
    weigh_terms,
)
from components.training.pairs import FIRST_PLACE, NeighbourPairs
from components.training.words import WordWeights

RANDOM = np.random.default_rng(0)
AUTHORS = [
    np.array([2, 3, 2, 3, 4, 1, 0]),
    np.array([], "int64"),
    np.array([3]),
    np.array([1, 1]),
    RANDOM.integers(0, 9, 50),
]
KEYS = np.array([2 * FIRST_PLACE + 3, 3 * FIRST_PLACE + 2, 4 * FIRST_PLACE + 8])
STARTS = np.concatenate([[0], np.cumsum([len(tokens) for tokens in AUTHORS])])


def counted(keys=KEYS):
    return count_terms(np.concatenate(AUTHORS), STARTS, 9, keys)


def test_a_term_weighs_one_and_the_logarithm_of_its_count():
    rows = counted().toarray()
    twice = 1 + np.log(2)
    # Ids 2, 3, 4, then the pairs (2, 3) twice and (3, 2) once; none with the author after.
    assert rows[0].tolist() == pytest.approx([0, 0, twice, twice, 1, 0, 0, 0, 0, twice, 1, 0])
    assert rows[2].nonzero()[0].tolist() == [3]
    assert not rows[[1, 3]].any()


def test_a_pair_does_not_reach_from_one_author_into_the_next():
    rows = count_terms(np.array([2, 3]), np.array([0, 1, 2]), 9, KEYS).toarray()
    assert not rows[:, 9:].any()


def test_words_alone_need_no_pairs():
    rows = counted(np.zeros(0, "int64"))
    assert rows.shape == (5, 9)
    np.testing.assert_array_equal(rows.toarray(), counted().toarray()[:, :9])


def test_rows_are_those_of_the_graph():
    users = np.bincount(counted().indices, minlength=12)
    idf = inverse_document_frequencies(len(AUTHORS), users)
    padded = np.zeros((len(AUTHORS), 50), "int32")
    for row, tokens in zip(padded, AUTHORS, strict=True):
        row[: len(tokens)] = tokens
    find, weigh = NeighbourPairs(9, 3), WordWeights(12)
    found = find(padded)
    find.keys.assign(KEYS)
    found = find(padded)
    weigh(found)
    weigh.rarities.assign(idf)
    ids, weights = (np.asarray(part) for part in weigh(found))
    graph = np.zeros((len(AUTHORS), 12), "float32")
    for row in range(len(AUTHORS)):
        np.add.at(graph[row], ids[row], weights[row])
    plain = weigh_terms(counted(), idf).toarray()
    np.testing.assert_allclose(plain, graph, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(plain, axis=1), [1, 0, 1, 0, 1], atol=1e-6)


def test_rows_come_back_from_the_disk_in_their_order(tmp_path, monkeypatch):
    monkeypatch.setattr(terms, "BLOCK_TERMS", 5)
    matrix = TermMatrix(tmp_path, 12)
    for row in range(5):
        matrix.add(counted()[row])
    matrix.finish()
    blocks = list(matrix.blocks())
    assert matrix.rows == 5 and len(blocks) > 1
    assert all(block.data.dtype == "float32" for block in blocks)
    np.testing.assert_array_equal(np.vstack([b.toarray() for b in blocks]), counted().toarray())
    idf = inverse_document_frequencies(5, np.arange(12))
    matrix.weigh(idf)
    weighed = np.vstack([block.toarray() for block in matrix.blocks()])
    np.testing.assert_array_equal(weighed, weigh_terms(counted(), idf).toarray())

"""TF-IDF rows of authors, in blocks on the local disk.

Terms are the vocabulary's ids, then the pairs of neighbouring ids. A term of an author weighs
(1 + ln count) * idf, an author's row has a Euclidean norm of 1; padding and what is out of
vocabulary weigh nothing. The network's graph computes the same (`components.training.words`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy import sparse

BLOCK_TERMS = 8_000_000
"""Terms of a block, at 8 bytes each: what is held in memory at once."""
_FIRST_KNOWN_ID = 2
_FIRST_PLACE = 2**31
_LEAST_SQUARE = 1e-12


def count_terms(
    tokens: np.ndarray, starts: np.ndarray, vocabulary_size: int, pair_keys: np.ndarray
) -> sparse.csr_matrix:
    """1 + ln count of each term, float32 `[authors, vocabulary_size + pairs]`.

    Args:
        tokens: ids of all authors, one after the other, int `[tokens]`.
        starts: int `[authors + 1]`; those of author i are `tokens[starts[i]:starts[i + 1]]`.
        vocabulary_size: ids in all.
        pair_keys: of `components.training.pairs.pair_keys`.
    """
    authors = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    is_known = tokens >= _FIRST_KNOWN_ID
    words = _counts(authors[is_known], tokens[is_known], len(starts) - 1, vocabulary_size)
    if not len(pair_keys):
        return words
    wanted = tokens[:-1].astype("int64") * _FIRST_PLACE + tokens[1:]
    places = np.minimum(np.searchsorted(pair_keys, wanted), len(pair_keys) - 1)
    is_pair = (pair_keys[places] == wanted) & (authors[:-1] == authors[1:])
    pairs = _counts(authors[:-1][is_pair], places[is_pair], len(starts) - 1, len(pair_keys))
    return sparse.hstack([words, pairs], format="csr", dtype="float32")


def _counts(rows: np.ndarray, columns: np.ndarray, height: int, width: int) -> sparse.csr_matrix:
    """Of ascending rows."""
    pointers = np.searchsorted(rows, np.arange(height + 1)).astype("int32")
    found = sparse.csr_matrix(
        (np.ones(len(rows), "float32"), columns.astype("int32"), pointers), shape=(height, width)
    )
    found.sum_duplicates()
    found.data = 1 + np.log(found.data)
    return found


def inverse_document_frequencies(authors: int, users: np.ndarray) -> np.ndarray:
    """1 + ln((1 + authors) / (1 + users)), float32 `[terms]`; 0 for the two ids that are no words.

    Args:
        authors: of `train`.
        users: authors who use each term.
    """
    rarity = 1 + np.log((1 + authors) / (1 + users))
    rarity[:_FIRST_KNOWN_ID] = 0
    return np.asarray(rarity, "float32")


def weigh_terms(counted: sparse.csr_matrix, idf: np.ndarray) -> sparse.csr_matrix:
    """TF-IDF rows of what `count_terms` gives, of norm 1; an author of no known term stays 0."""
    weights = counted.data * idf[counted.indices]
    authors = np.repeat(np.arange(counted.shape[0]), np.diff(counted.indptr))
    squares = np.bincount(authors, weights.astype("float64") ** 2, counted.shape[0])
    norms = np.sqrt(np.maximum(squares, _LEAST_SQUARE))
    weights = (weights / norms[authors]).astype("float32")
    return sparse.csr_matrix((weights, counted.indices, counted.indptr), shape=counted.shape)


class TermMatrix:
    """Rows in blocks on the disk, in the order in which they are added.

    Args:
        folder: empty, on the local disk.
        terms: columns.
    """

    def __init__(self, folder: Path, terms: int) -> None:
        self.terms = terms
        self.rows = 0
        self._folder = folder
        self._written: list[sparse.csr_matrix] = []
        self._waiting: list[sparse.csr_matrix] = []

    def add(self, rows: sparse.csr_matrix) -> None:
        """Appends rows."""
        self._waiting.append(rows)
        self.rows += rows.shape[0]
        if sum(part.nnz for part in self._waiting) >= BLOCK_TERMS:
            self.finish()

    def finish(self) -> None:
        """Writes what waits; to be called after the last `add`."""
        if not self._waiting:
            return
        block = sparse.vstack(self._waiting, format="csr", dtype="float32")
        self._waiting = []
        number = len(self._written)
        parts = (
            self._mapped(number, "data", block.data.astype("float32", copy=False)),
            self._mapped(number, "indices", block.indices.astype("int32", copy=False)),
            self._mapped(number, "pointers", block.indptr.astype("int32", copy=False)),
        )
        self._written.append(sparse.csr_matrix(parts, shape=block.shape, copy=False))

    def blocks(self) -> Iterator[sparse.csr_matrix]:
        """The rows, block by block, as they lie on the disk."""
        yield from self._written

    def weigh(self, idf: np.ndarray) -> None:
        """Puts `weigh_terms` of each block in its place."""
        for block in self._written:
            block.data[:] = weigh_terms(block, idf).data

    def _mapped(self, number: int, part: str, array: np.ndarray) -> np.ndarray:
        path = self._folder / f"{number:06}.{part}.npy"
        np.save(path, array)
        return np.asanyarray(np.load(path, mmap_mode="r+"))

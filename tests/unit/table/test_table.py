"""The table of a split: its frequencies, its width, and what is read back."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from components.linear.terms import count_terms, inverse_document_frequencies, weigh_terms
from components.table import component
from components.table.artifact import read_table, write_table
from components.table.component import make_table, read_terms
from components.training.pairs import FIRST_PLACE

KEYS = np.array([2 * FIRST_PLACE + 3, 5 * FIRST_PLACE + 5])
SIZE = 20


def write_examples(folder, authors, shards=2) -> str:
    folder.mkdir()
    options = tf.io.TFRecordOptions(compression_type="GZIP")
    for shard in range(shards):
        with tf.io.TFRecordWriter(f"{folder}/part-{shard}", options) as writer:
            for number, tokens in enumerate(authors[shard::shards]):
                example = tf.train.Example()
                features = example.features.feature
                features["author_id"].bytes_list.value.append(f"{shard}-{number}".encode())
                features["tokens"].int64_list.value.extend(tokens)
                writer.write(example.SerializeToString())
    return str(folder)


def make_authors(count):
    random = np.random.default_rng(0)
    return [random.integers(1, SIZE, 30) for _ in range(count)]


def rows_of(authors, table):
    starts = np.concatenate([[0], np.cumsum([len(tokens) for tokens in authors])])
    counted = count_terms(np.concatenate(authors), starts, SIZE, KEYS)
    return weigh_terms(counted, table.idf), np.bincount(counted.indices, minlength=SIZE + 2)


def test_the_table_is_that_of_the_whole_decomposition(tmp_path):
    authors = make_authors(80)
    table = make_table(write_examples(tmp_path / "train", authors), SIZE, KEYS, 6, seed=1)
    rows, users = rows_of(authors, table)
    np.testing.assert_array_equal(table.idf, inverse_document_frequencies(80, users))
    assert (table.authors, table.terms, table.vocabulary_size) == (80, SIZE + 2, SIZE)
    plain = np.linalg.svd(rows.toarray())[1]
    np.testing.assert_allclose(table.singular, plain[:6], rtol=0.02)
    assert (table.table**2).mean() == pytest.approx(1, rel=1e-3)


def test_a_table_comes_back_as_it_was_written(tmp_path):
    table = make_table(write_examples(tmp_path / "train", make_authors(20)), SIZE, KEYS, 6, 1)
    write_table(table, str(tmp_path / "artifact"))
    again = read_table(str(tmp_path / "artifact"))
    assert again.authors == 20
    for name in ("idf", "pair_keys", "table", "singular"):
        own = getattr(again, name)
        np.testing.assert_array_equal(own, getattr(table, name))
        assert own.dtype == ("int64" if name == "pair_keys" else "float32")


@pytest.mark.parametrize(("authors", "width"), [(4, 2), (12, 3), (40, 6)])
def test_few_authors_have_fewer_dimensions(tmp_path, authors, width):
    folder = write_examples(tmp_path / "train", make_authors(authors))
    assert make_table(folder, SIZE, KEYS, 6, seed=1).table.shape == (SIZE + 2, width)


def test_authors_without_a_word_still_have_a_table(tmp_path):
    table = make_table(write_examples(tmp_path / "train", [[1], [], [1, 1]]), SIZE, KEYS, 6, 1)
    assert not table.table.any() and table.table.shape == (SIZE + 2, 1)


def test_authors_beyond_the_bound_count_for_frequencies_alone(tmp_path, monkeypatch):
    authors = make_authors(300)
    folder = write_examples(tmp_path / "train", authors)
    whole = make_table(folder, SIZE, KEYS, 6, seed=1)
    monkeypatch.setattr(component, "DECOMPOSED_AUTHORS", 100)
    some = make_table(folder, SIZE, KEYS, 6, seed=1)
    np.testing.assert_array_equal(some.idf, whole.idf)
    assert some.authors == 300
    # A third of the squares, about.
    assert 0.4 < (some.singular[0] / whole.singular[0]) < 0.75
    rows, _ = rows_of(authors, some)
    assert ((rows @ some.table) ** 2).mean() == pytest.approx(1, rel=0.2)


class Transform:
    """A transform graph's vocabularies."""

    def __init__(self, pairs) -> None:
        self.pairs = pairs

    def vocabulary_file_by_name(self, name):
        return None if self.pairs is None else name

    def vocabulary_by_name(self, name):
        return [b"the", b"of"] if name == "tokens" else self.pairs


def test_terms_are_those_of_the_transform_graph():
    size, keys = read_terms(Transform([b"of the", b"the of", b"of rare"]))
    assert (size, keys.tolist()) == (4, [2 * FIRST_PLACE + 3, 3 * FIRST_PLACE + 2])
    assert read_terms(Transform(None))[1].shape == (0,)

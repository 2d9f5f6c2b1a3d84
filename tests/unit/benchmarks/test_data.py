"""The benchmark of the data path: its records, its bound, and stock TFX on half a MB."""

from __future__ import annotations

import json

import pytest
import tensorflow as tf

from benchmarks.data.__main__ import main
from benchmarks.data.corpus import join_block, write_corpus
from benchmarks.data.paths import BARE, STOCK, count_words, make_own


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("bench"), 0.5)


def posts_of(serialized):
    feature = tf.train.Example.FromString(serialized).features.feature
    return [text.decode() for text in feature["posts"].bytes_list.value]


def test_a_block_is_joined_as_ingest_joins_it():
    posts = [
        '{"author_id": "b", "text": "two", "timestamp": "2024-01-02T00:00:00Z"}',
        '{"author_id": "a", "text": 7}',
        '{"author_id": "b", "text": "one", "timestamp": "2024-01-01T00:00:00Z"}',
        '{"author_id": "c", "text": "of nobody known"}',
    ]
    (example,) = join_block(posts, ["b,41,,female", "a,30,,"])
    assert posts_of(example) == ["one", "two"]


def test_stock_tfx_reads_the_authors_whose_posts_the_corpus_holds(corpus):
    files = tf.io.gfile.glob(f"{corpus}/examples/*")
    examples = list(tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator())
    texts = {json.loads(line)["text"] for line in sound_lines(corpus)}
    assert examples
    assert {text for example in examples for text in posts_of(example)} <= texts


def sound_lines(corpus):
    lines = (corpus / "posts.jsonl").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if '"text": "' in line and line.endswith("}")]


def test_the_bare_count_adds_up_lower_case_words(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.data.paths.BLOCK_BYTES", 20)
    path = tmp_path / "posts.jsonl"
    path.write_text('{"text": "A b a"}\n{"text": 7}\n{"text": "cut\n{"text": "b  É"}\n', "utf-8")
    assert count_words(path) == {"a": 2, "b": 2, "é": 1}


def test_the_own_path_is_the_pipeline_of_a_run(corpus, tmp_path):
    names = [node.id for node in make_own(corpus, tmp_path).components]
    assert names.index("PostsExampleGen") < names.index("Transform") < names.index("Trainer")


def test_a_comparison_leaves_speeds_and_memory_of_each_contender(corpus):
    out = str(corpus.parent)
    arguments = ["--sizes", "0.5", "--rounds", "1", "--contenders", f"{STOCK},{BARE}"]
    assert main([*arguments, "--out", out]) == 0
    results = json.loads((corpus.parent / "data.json").read_text())
    speed, processor, memory = results["comparisons"]
    assert (speed["unit"], processor["unit"], memory["unit"]) == (
        "MB a second",
        "MB a processor second",
        "MB",
    )
    assert all(figure > 0 for row in results["comparisons"] for figure in row["figures"][STOCK])
    assert any("ImportExampleGen" in note and "Transform" in note for note in results["notes"])

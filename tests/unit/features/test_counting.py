"""The commonest tokens and pairs, against `tft.vocabulary` over the same data."""

from __future__ import annotations

from collections import Counter

import pytest
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from apache_beam import Pipeline
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms import Create
from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils

from components.features import counting
from components.features.counting import count_pairs, count_tokens, make_vocabulary

OPTIONS = ["--runner=components.local_runner.LocalRunner", "--direct_running_mode=in_memory"]
WORDS = ["the", "cat", "кот", "你", "好", "👍🏽", "<post>", "é", "e\u0301", "'", "x" * 300]
# Row n has n % 7 words; many pairs are tied, some stand once.
ROWS = [[WORDS[(n * n + 3 * k) % len(WORDS)] for k in range(n % 7)] for n in range(120)]
ROWS += [["once", "only"], []]
MOST = 9


def test_pairs_are_added_up_as_if_each_were_spelled_out():
    tokens = tf.ragged.constant([["a", "b", "a", "b"], [], ["b"], ["a", "b"]])
    pairs, counts = (values.numpy().tolist() for values in count_pairs(tokens))
    assert dict(zip(pairs, counts, strict=True)) == {b"a b": 3, b"b a": 1}


def neighbours(tokens):
    """Each pair of neighbouring tokens as a text: ragged strings `[batch, (tokens - 1)]`."""
    first, second = tokens[:, :-1], tokens[:, 1:]
    pairs = tf.strings.join([first.flat_values, second.flat_values], " ")
    return first.with_flat_values(pairs)


def test_pairs_of_many_words_are_those_of_neighbours():
    tokens = tf.ragged.constant(ROWS, dtype=tf.string, ragged_rank=1)
    pairs, counts = (values.numpy().tolist() for values in count_pairs(tokens))
    spelled = Counter(neighbours(tokens).flat_values.numpy().tolist())
    assert dict(zip(pairs, counts, strict=True)) == spelled


def test_a_batch_without_a_token_counts_nothing():
    tokens = tf.ragged.constant([[], []], dtype=tf.string, ragged_rank=1)
    assert [values.numpy().tolist() for values in count_pairs(tokens)] == [[], []]
    assert [values.numpy().tolist() for values in count_tokens(tokens)] == [[], []]


def count_both_ways(inputs):
    tokens = tf.RaggedTensor.from_sparse(inputs["words"])
    pairs = neighbours(tokens)
    make_vocabulary(count_tokens(tokens), "own_tokens", MOST)
    make_vocabulary(count_pairs(tokens), "own_pairs", MOST, 2)
    tft.vocabulary(tokens.to_sparse(), top_k=MOST, vocab_filename="stock_tokens")
    tft.vocabulary(
        pairs.to_sparse(), top_k=MOST, frequency_threshold=2, vocab_filename="stock_pairs"
    )
    return {"words": inputs["words"]}


def vocabularies_of(rows, folder):
    spec = {"words": tf.io.VarLenFeature(tf.string)}
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(spec))
    with (
        tft_beam.Context(temp_dir=f"{folder}/temporary", desired_batch_size=5),
        Pipeline(options=PipelineOptions(OPTIONS)) as pipeline,
    ):
        data = (pipeline | Create([{"words": row} for row in rows]), metadata)
        graph = data | tft_beam.AnalyzeDataset(count_both_ways)
        _ = graph | tft_beam.WriteTransformFn(f"{folder}/graph")
    output = tft.TFTransformOutput(f"{folder}/graph")
    return lambda name: output.vocabulary_by_name(name)


@pytest.mark.parametrize("on_disk", [True, False])
@pytest.mark.parametrize("most_rows", [counting.MOST_ROWS, 8])
def test_the_commonest_are_those_of_tf_transform_in_its_order(
    tmp_path, monkeypatch, most_rows, on_disk
):
    # With eight rows a bundle hands on what it has many times, and totals are added up again.
    monkeypatch.setattr(counting, "MOST_ROWS", most_rows)
    monkeypatch.setattr(counting, "holds_shuffle", lambda _: on_disk)
    vocabulary = vocabularies_of(ROWS, str(tmp_path))
    assert vocabulary("own_tokens") == vocabulary("stock_tokens")
    assert vocabulary("own_pairs") == vocabulary("stock_pairs")
    assert len(vocabulary("own_pairs")) == MOST
    assert bool(list(tmp_path.rglob("own_pairs-parts"))) == on_disk


def test_nothing_to_count_leaves_the_line_of_tf_transform(tmp_path):
    vocabulary = vocabularies_of([[], []], str(tmp_path))
    assert vocabulary("own_pairs") == vocabulary("stock_pairs") == [counting.NOTHING_COUNTED]


def test_a_part_gives_its_commonest_and_no_token_below_the_fewest_uses(tmp_path):
    batches = [([b"a", b"b", b"c"], [2, 1, 2], [0, 0, 0]), ([b"b", b"d"], [5, 1], [0, 0])]
    commonest = counting.CommonestTokens("vocabulary", 2, 2)
    commonest.base_temp_dir = str(tmp_path)
    with Pipeline(options=PipelineOptions(OPTIONS)) as pipeline:
        path = pipeline | Create(batches) | commonest
        assert_that(path, equal_to([f"{tmp_path}/vocabulary"]))
    assert (tmp_path / "vocabulary").read_bytes() == b"b\nc\n"

"""Text and labels through the real tf.Transform graph, at training time and at serving time."""

from __future__ import annotations

import pytest
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from apache_beam import Create, Map, Pipeline
from apache_beam.options.pipeline_options import PipelineOptions
from hypothesis import given
from hypothesis import strategies as st
from tensorflow_transform.tf_metadata import dataset_metadata

from components.features.schema import build_schema
from components.features.settings import TextSettings, ValidationSettings
from components.features.tokens import (
    SEPARATOR,
    join_first_posts,
    join_posts,
    tokenize,
    tokenize_posts,
)
from components.features.transform import preprocessing_fn, token_ids
from components.heads.declared import DEFAULT_HEADS, heads_to_json, parse_heads

HEADS = parse_heads(DEFAULT_HEADS)
OPTIONS = ["--runner=components.local_runner.LocalRunner", "--direct_running_mode=in_memory"]
POSTS = ["Don't @bob! http://a.io", "你好 3.5 👍🏽 don’t"]
AUTHORS = [
    {
        "author_id": [f"a{number}"],
        "posts": POSTS if number == 3 else ["the cat", "the dog"],
        "age": [20.0 + number] if number % 2 else [],
        "income": [1000.0 * number] if number >= 10 else [],
        "gender": [("male", "female")[number % 2]] if number % 5 else [],
    }
    for number in range(110)
]


@pytest.fixture(scope="module")
def transformed(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("transform"))
    metadata = dataset_metadata.DatasetMetadata(build_schema(HEADS, ValidationSettings()))
    config = {
        "heads": heads_to_json(HEADS),
        "text": TextSettings(vocabulary_size=12).model_dump_json(),
    }
    rows = []
    # Batches of two: many hold no known label of some head at all.
    with (
        tft_beam.Context(temp_dir=f"{folder}/temporary", desired_batch_size=2),
        Pipeline(options=PipelineOptions(OPTIONS)) as pipeline,
    ):
        data = (pipeline | Create(AUTHORS), metadata)
        (out, out_metadata), graph = data | tft_beam.AnalyzeAndTransformDataset(
            lambda inputs: preprocessing_fn(inputs, config)
        )
        _ = graph | tft_beam.WriteTransformFn(f"{folder}/graph")
        _ = metadata | tft_beam.WriteMetadata(f"{folder}/graph/metadata", pipeline)
        coder = tft.coders.ExampleProtoCoder(out_metadata.schema)
        _ = out | Map(coder.encode) | "write" >> write_records(f"{folder}/rows")
    output = tft.TFTransformOutput(f"{folder}/graph")
    for record in tf.data.TFRecordDataset(tf.io.gfile.glob(f"{folder}/rows*")):
        row = tf.io.parse_single_example(record, output.transformed_feature_spec())
        rows.append({name: dense(value) for name, value in row.items()})
    return output, {row["author_id"][0].decode(): row for row in rows}


def write_records(path):
    from apache_beam.io import WriteToTFRecord

    return WriteToTFRecord(path)


def dense(value):
    return (tf.sparse.to_dense(value) if isinstance(value, tf.SparseTensor) else value).numpy()


def tokens_of(text):
    return [token.decode() for token in tokenize(tf.constant([text])).to_list()[0]]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Don't @bob! http://a.io", ["don't", "<handle>", "!", "<url>"]),
        ("O’Brien's naïve ЖИВОТ", ["o'brien's", "naïve", "живот"]),
        ("你好 ok ไท", ["你", "好", "ok", "ไ", "ท"]),
        ("3.5 1,000 x2", ["3.5", "1,000", "x", "2"]),
        ("👍🏽👨‍👩‍👧 🇩🇪🇫🇷", ["👍🏽", "👨‍👩‍👧", "🇩🇪", "🇫🇷"]),
        ("a@b.c", ["a", "@", "b", ".", "c"]),
        ("'quoted' don''t", ["'", "quoted", "'", "don", "'", "'", "t"]),
        ("a\u00a0b\u200bc\u3000d\x00e\ufefff", ["a", "b", "c", "d", "e", "f"]),
        ("one\x1etwo", ["one", "<post>", "two"]),
        ("", []),
        (b"\xff\xfeab", ["\ufffd", "\ufffd", "ab"]),
    ],
)
def test_a_text_has_these_tokens(text, tokens):
    assert tokens_of(text) == tokens


def test_a_separator_inside_a_post_does_not_make_two_posts():
    joined = join_posts(tf.ragged.constant([["a\x1eb", "c"], []], dtype=tf.string))
    assert joined.numpy().tolist() == [b"a b\x1ec", b""]


PIECES = [
    *(
        "don't",
        "ΣΑΣ",
        "ς",
        "http://a",
        "@bob",
        "www.x",
        "👍🏽",
        "\u200d",
        "🇩",
        "你好",
        "ไท",
        "'",
        "’",
    ),
    *("<post>", "<", "url>", "3.5", ",", "é", "\u0301", "\xad", "İ", "a@", " ", "  ", "\n", "\x00"),
    *(SEPARATOR, b"\xe4\xbd", b"\xff"),
]


@given(
    st.lists(st.lists(st.lists(st.sampled_from(PIECES), max_size=9), max_size=9), max_size=4),
    st.integers(1, 40),
)
def test_the_first_bytes_of_posts_are_read_up_to_a_whole_character(authors, most):
    rows = [[b"".join(map(tf.compat.as_bytes, post)) for post in posts] for posts in authors]
    posts = tf.ragged.constant(rows, dtype=tf.string, ragged_rank=1)
    found = join_first_posts(posts, most).numpy().tolist()
    for whole, part in zip(join_posts(posts).numpy().tolist(), found, strict=True):
        assert whole.startswith(part) and len(part) <= most
        assert len(part) >= min(len(whole), most) - 3
        if is_utf8(whole):
            assert is_utf8(part)


def is_utf8(text):
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


@pytest.mark.parametrize(
    ("most", "text"),
    [(1, "a"), (2, "a"), (3, "aé"), (4, "aé"), (5, "aé\x1eb"), (8, "aé\x1eb"), (9, "aé\x1eb👍")],
)
def test_posts_are_cut_between_posts_or_characters(most, text):
    posts = tf.ragged.constant([["aé", "b👍"], []], dtype=tf.string)
    assert join_first_posts(posts, most).numpy().tolist() == [text.encode(), b""]


def test_a_post_beyond_the_bound_is_not_read():
    posts = tf.ragged.constant([["one two", "three"], ["four"]])
    assert tokenize_posts(posts, 6).to_list() == [[b"one", b"tw"], [b"four"]]
    assert tokenize_posts(posts, 12).to_list() == [[b"one", b"two", b"<post>", b"thre"], [b"four"]]


def test_ids_follow_frequency_after_padding_and_unknown(transformed):
    output, rows = transformed
    # the 218, <post> 110, cat 109, dog 109; ties in reverse order of the alphabet (tf.Transform).
    assert output.vocabulary_by_name("tokens")[:4] == [b"the", b"<post>", b"dog", b"cat"]
    assert rows["a0"]["tokens"].tolist() == [2, 5, 3, 2, 4]


def test_pairs_of_neighbours_are_counted_across_posts(transformed):
    output, _ = transformed
    # 109 authors each; the third author's pairs occur once and are left out.
    pairs = output.vocabulary_by_name("pairs")
    assert sorted(pairs) == [b"<post> the", b"cat <post>", b"the cat", b"the dog"]


def test_a_vocabulary_without_pairs_is_not_counted(tmp_path):
    text = TextSettings(pairs=0)
    with tf.Graph().as_default() as graph:
        token_ids(tf.sparse.from_dense([["a b"]]), text)
    assert not [op for op in graph.get_operations() if "pairs" in op.name]


def test_the_vocabulary_holds_no_more_than_its_size(transformed):
    output, rows = transformed
    assert output.vocabulary_size_by_name("tokens") == 10
    assert max(row["tokens"].max() for row in rows.values()) == 11
    assert 1 in rows["a3"]["tokens"]


def test_an_age_is_standardised_over_known_ones_and_unknown_is_finite(transformed):
    _, rows = transformed
    # Odd numbers 21..129: mean 75, variance (55**2 - 1) / 12 * 4 = 1008.
    assert rows["a1"]["age"][0] == pytest.approx((21 - 75) / 1008**0.5, rel=1e-4)
    assert rows["a1"]["age.known"][0] == 1
    assert (rows["a0"]["age"][0], rows["a0"]["age.known"][0]) == (0, 0)


def test_an_amount_falls_into_its_decile(transformed):
    _, rows = transformed
    assert rows["a10"]["income"].tolist() == [1] + [0] * 9
    assert rows["a109"]["income"].tolist() == [0] * 9 + [1]
    assert rows["a9"]["income"].tolist() == [0] * 10
    known = [row["income"] for row in rows.values() if row["income.known"][0]]
    assert sum(known).tolist() == [10] * 10


def test_gender_is_one_for_the_positive_value(transformed):
    _, rows = transformed
    found = [(rows[a]["gender"][0], rows[a]["gender.known"][0]) for a in ("a1", "a2", "a5")]
    assert found == [(1, 1), (0, 1), (0, 0)]


def test_serving_gives_the_ids_that_training_saw(transformed):
    output, rows = transformed
    layer = output.transform_features_layer()
    for name, posts in (("a3", POSTS), ("a4", ["the cat", "the dog"])):
        joined = tf.strings.split(tf.constant([SEPARATOR.join(posts)]), SEPARATOR)
        served = layer({"posts": joined.to_sparse()})["tokens"]
        assert tf.sparse.to_dense(served).numpy()[0].tolist() == rows[name]["tokens"].tolist()

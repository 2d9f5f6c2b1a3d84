"""The exported model, loaded again, beside what training saw of the same authors."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from apache_beam import Create, Map, Pipeline
from apache_beam.io import WriteToTFRecord
from apache_beam.options.pipeline_options import PipelineOptions
from tensorflow_transform.tf_metadata import dataset_metadata

from components.features.schema import build_schema
from components.features.settings import TextSettings, ValidationSettings
from components.features.transform import preprocessing_fn
from components.heads.declared import heads_to_json, parse_heads
from components.ingest.audit_sources import LOCAL_BEAM_ARGUMENTS
from components.ingest.examples import encode_example
from components.serving.export import LINEAR_SIGNATURE, Answering, ServedModel, export
from components.table.artifact import Table
from components.training.conv import linear_model, shrunk_model
from components.training.model import build_model
from components.training.pairs import pair_keys
from components.training.settings import ConvSettings, ReferenceSettings
from tests.unit.training.plain_network import PlainNetwork
from tests.unit.training.small_network import draw_linear, draw_weights, links_of, weights_of

HEADS = parse_heads(
    {
        "age": {"kind": "regression"},
        "income": {"kind": "classes", "classes": 4},
        "gender": {"kind": "binary"},
    }
)
CONV = ConvSettings(filters=5, shared_width=7)
REFERENCE = ReferenceSettings(
    window_tokens=300, embedding_width=6, first_filters=5, filters=7, dense_width=4
)
LINKS = links_of(HEADS)
SHARES = {"age": 0.7, "income": 0.4, "gender": 1.0}
SEPARATOR = "\x1e"
POSTS = [
    ("Don't @bob! http://a.io", "你好 3.5 👍🏽👨‍👩‍👧 don’t"),
    ("ไทย ЖИВОТ naïve", "a\x00b\u200bc", "x"),
    ("one",),
    ("long " * 400, "the end"),
]
# The ages of those whose number is not divisible by 5 are known; mean 32.5, 8 of each.
AGES = [22.5, 27.5, 37.5, 42.5]


def author(number):
    """An author as ingest joins him: id, posts, values."""
    known = number % 5 != 0
    values = (
        AGES[number % 4] if known else None,
        1000.0 * number if known else None,
        ("male", "female")[number % 2] if number % 3 else None,
    )
    return (f"a{number}", POSTS[number % 4], values)


AUTHORS = [author(number) for number in range(40)]


def features(one):
    """The author as Transform reads him."""
    labels = {
        head.name: [] if value is None else [value]
        for head, value in zip(HEADS, one[2], strict=True)
    }
    return {"author_id": [one[0]], "posts": list(one[1]), **labels}


def dense(value):
    return (tf.sparse.to_dense(value) if isinstance(value, tf.SparseTensor) else value).numpy()


@pytest.fixture(scope="module")
def transformed(tmp_path_factory):
    """The transform graph and the rows that a network would be trained on."""
    folder = str(tmp_path_factory.mktemp("export"))
    metadata = dataset_metadata.DatasetMetadata(build_schema(HEADS, ValidationSettings()))
    config = {
        "heads": heads_to_json(HEADS),
        "text": TextSettings(maximum_bytes=1750, vocabulary_size=30).model_dump_json(),
    }
    with (
        tft_beam.Context(temp_dir=f"{folder}/temporary"),
        Pipeline(options=PipelineOptions(list(LOCAL_BEAM_ARGUMENTS))) as pipeline,
    ):
        data = (pipeline | Create([features(one) for one in AUTHORS]), metadata)
        (out, out_metadata), graph = data | tft_beam.AnalyzeAndTransformDataset(
            lambda inputs: preprocessing_fn(inputs, config)
        )
        _ = graph | tft_beam.WriteTransformFn(f"{folder}/graph")
        _ = metadata | tft_beam.WriteMetadata(f"{folder}/graph/metadata", pipeline)
        encode = tft.coders.ExampleProtoCoder(out_metadata.schema).encode
        _ = out | Map(encode) | WriteToTFRecord(f"{folder}/rows")
    output = tft.TFTransformOutput(f"{folder}/graph")
    spec, rows = output.transformed_feature_spec(), {}
    for record in tf.data.TFRecordDataset(tf.io.gfile.glob(f"{folder}/rows*")):
        row = tf.io.parse_single_example(record, spec)
        rows[row["author_id"].numpy()[0].decode()] = row
    return output, rows


@pytest.fixture(scope="module")
def table(transformed):
    """The graph's own words and pairs, their rarities and rows drawn."""
    output, _ = transformed
    tokens = [token.decode() for token in output.vocabulary_by_name("tokens")]
    keys = pair_keys(
        (pair.decode() for pair in output.vocabulary_by_name("pairs")),
        {token: place + 2 for place, token in enumerate(tokens)},
    )
    assert len(keys) > 10
    random = np.random.default_rng(0)
    idf = random.uniform(1, 4, len(tokens) + 2 + len(keys)).astype("float32")
    idf[:2] = 0
    rows = random.normal(0, 1, (len(idf), 6)).astype("float32")
    return Table(idf, keys, rows, np.ones(6, "float32"), authors=40)


@pytest.fixture(scope="module", params=["conv", "reference"])
def exported(request, transformed, table, tmp_path_factory):
    """The loaded model, the network in memory, and the rows that it would be trained on."""
    folder = str(tmp_path_factory.mktemp(request.param))
    output, rows = transformed
    trained = network_of(request.param, table)
    network, baseline = trained, None
    if request.param == "conv":
        linear = draw_linear(table, LINKS)
        network = shrunk_model(trained, HEADS, LINKS, SHARES, linear)
        baseline = Answering(linear_model(trained, HEADS, LINKS, linear))
    served = ServedModel(Answering(network), output, HEADS, [25.0, 35.0], baseline)
    export(served, f"{folder}/model")
    return tf.saved_model.load(f"{folder}/model"), (trained, network), rows, f"{folder}/model"


def network_of(kind, table):
    """A network of random weights over the graph's own words and pairs."""
    settings = CONV if kind == "conv" else REFERENCE
    network = build_model(HEADS, table.vocabulary_size, settings, links=LINKS, table=table, seed=3)
    return draw_weights(network)


def test_the_pairs_that_training_saw_are_found_again_when_it_serves(transformed, table):
    output, rows = transformed
    network = network_of("conv", table)
    find = keras.Model(network.input["tokens"], network.get_layer("pairs").output)
    ids = table.vocabulary_size
    graph = output.transform_features_layer()
    for one in AUTHORS[:4]:
        trained = dense(rows[one[0]]["tokens"])[None].astype("int32")
        sparse = tf.sparse.from_dense([list(one[1])])
        labels = {"age": [[1.0]], "income": [[1.0]], "gender": [["male"]]}
        raw_labels = {name: tf.sparse.from_dense(value) for name, value in labels.items()}
        author_id = tf.sparse.from_dense([["x"]])
        served = graph({"author_id": author_id, "posts": sparse, **raw_labels})
        found, again = find(trained), find(tf.cast(tf.sparse.to_dense(served["tokens"]), tf.int32))
        np.testing.assert_array_equal(found, again)
        # Of short authors every pair of known words is in the list.
        if len(trained[0]) < 30:
            known = (trained[0, :-1] > 1) & (trained[0, 1:] > 1)
            pairs = np.array(found)[0, len(trained[0]) :][: len(known)]
            np.testing.assert_array_equal(pairs >= ids, known)


def as_input(network, ids):
    """Ids as a network takes them, alone or by name."""
    return {"tokens": ids} if isinstance(network.input, dict) else ids


def raw(one):
    """The posts as a caller of the model sends them."""
    return SEPARATOR.join(one[1]).encode()


def test_raw_posts_are_answered_as_the_network_answers_the_ids_that_training_saw(exported):
    model, (_, network), rows, _ = exported
    served = model.signatures["posts"](posts=tf.constant([raw(one) for one in AUTHORS[:4]]))
    assert len({float(age) for age in served["age"][:, 0]}) == 4
    for place, one in enumerate(AUTHORS[:4]):
        ids = dense(rows[one[0]]["tokens"])[None].astype("int32")
        answers = network(as_input(network, ids), training=False)
        # 32 known ages: 22.5, 27.5, 37.5, 42.5, eight of each; variance (10**2 + 5**2) / 2.
        years = answers["age"].numpy()[0] * 62.5**0.5 + 32.5
        np.testing.assert_allclose(served["age"][place], years, rtol=1e-5)
        for name in ("income", "gender"):
            np.testing.assert_allclose(served[name][place], answers[name][0], atol=1e-5)


def test_served_answers_are_the_formulas_and_those_of_the_baseline_inside_too(exported, table):
    model, (trained, _), rows, _ = exported
    if "age.offset" not in trained.input:
        assert LINEAR_SIGNATURE not in model.signatures
        return
    plain = PlainNetwork(
        table.idf,
        table.pair_keys,
        LINKS,
        weights_of(trained),
        linear=draw_linear(table, LINKS),
        shares=SHARES,
        whole=CONV.crop_tokens - CONV.kernel_width + 1,
    )
    examples = tf.constant([encode_example(one, HEADS) for one in AUTHORS[:4]])
    for signature, answer in (
        ("serving_default", plain.answers),
        (LINEAR_SIGNATURE, plain.baseline),
    ):
        found = model.signatures[signature](examples=examples)
        for place, one in enumerate(AUTHORS[:4]):
            expected = answer(dense(rows[one[0]]["tokens"]).tolist())
            expected["age"] = expected["age"] * 62.5**0.5 + 32.5
            for name, values in expected.items():
                np.testing.assert_allclose(found[name][place], values, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("text", [b"", b"\xc2\xa0", b"neverseenword"])
def test_a_text_without_a_known_word_is_answered_alone(exported, text):
    model, *_ = exported
    alone = model.signatures["posts"](posts=tf.constant([text]))
    beside = model.signatures["posts"](posts=tf.constant([raw(AUTHORS[0]), text]))
    for name, values in alone.items():
        assert np.isfinite(values.numpy()).all()
        np.testing.assert_allclose(values[0], beside[name][1], rtol=1e-4, atol=1e-5)


def test_serialized_examples_are_answered_as_raw_posts(exported):
    model, *_ = exported
    examples = tf.constant([encode_example(one, HEADS) for one in AUTHORS[:4]])
    by_example = model.signatures["serving_default"](examples=examples)
    by_posts = model.signatures["posts"](posts=tf.constant([raw(one) for one in AUTHORS[:4]]))
    assert set(by_example) == set(by_posts) == {"age", "income", "gender"}
    assert by_example["income"].shape == (4, 4)
    for name, answers in by_example.items():
        np.testing.assert_allclose(answers, by_posts[name], atol=1e-5)


def test_labels_come_back_in_natural_units_with_their_slices(exported):
    model, *_ = exported
    examples = tf.constant([encode_example(one, HEADS) for one in AUTHORS[:8]])
    labels = model.signatures["transform_features"](examples=examples)
    text = {
        name: [v.decode() for v in labels[f"{name}.slice"].numpy()[:, 0]]
        for name in ("age", "gender")
    }
    assert text["age"] == [
        "unknown",
        "25-35",
        "35 and above",
        "35 and above",
        "below 25",
        "unknown",
        "35 and above",
        "35 and above",
    ]
    assert text["gender"] == [
        "unknown",
        "female",
        "male",
        "unknown",
        "male",
        "female",
        "unknown",
        "female",
    ]
    np.testing.assert_allclose(labels["age"][1:5, 0], [27.5, 37.5, 42.5, 22.5], rtol=1e-5)
    assert labels["age.known"].numpy()[:, 0].tolist() == [0, 1, 1, 1, 1, 0, 1, 1]
    assert "income.slice" not in labels


def test_what_the_answers_mean_lies_in_the_models_assets(exported):
    *_, folder = exported
    with open(f"{folder}/assets/heads.json", encoding="utf-8") as file:
        description = json.load(file)
    assert description["separator"] == SEPARATOR
    age, income, gender = description["heads"]
    assert (age["unit"], gender["positive"], gender["negative"]) == ("years", "female", "male")
    # Known: 1 to 39 without multiples of 5, in thousands; cut at every eighth of these 32.
    assert income["boundaries"] == [11_000.0, 21_000.0, 31_000.0]

"""The scale of a number in the transform graph and the served one, beside what NumPy computes."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from apache_beam import Create, Pipeline
from apache_beam.options.pipeline_options import PipelineOptions
from tensorflow_transform.tf_metadata import dataset_metadata

from components.features.schema import build_schema
from components.features.settings import TextSettings, ValidationSettings
from components.features.transform import preprocessing_fn
from components.heads.declared import heads_to_json, parse_heads
from components.training.heads import network_of

OPTIONS = ["--runner=components.local_runner.LocalRunner", "--direct_running_mode=in_memory"]
DRAW = np.random.default_rng(4)
AUTHORS = 400
LABELS = {
    "age": DRAW.normal(35, 11, AUTHORS).clip(13, 90).round(),
    "age_set": DRAW.normal(35, 11, AUTHORS).clip(13, 90).round(),
    "followers": np.floor(np.exp(DRAW.normal(5, 2.5, AUTHORS))),
    "fans": np.where(DRAW.random(AUTHORS) < 0.4, 0, np.floor(np.exp(DRAW.normal(3, 2, AUTHORS)))),
    "balance": DRAW.standard_cauchy(AUTHORS) * 100,
    "nobody": np.full(AUTHORS, np.nan),
}
HEADS = parse_heads(
    {
        "age": {"kind": "regression"},
        "age_set": {"kind": "regression", "scale": "linear"},
        "followers": {"kind": "regression", "maximum": 1e9},
        "fans": {"kind": "regression", "maximum": 1e9, "scale": "quantile"},
        "balance": {"kind": "regression", "minimum": -1e9, "maximum": 1e9},
        "nobody": {"kind": "regression"},
    }
)
SCALES = {"age": 0, "followers": 1, "fans": 2, "balance": 2, "nobody": 0}
each_head = pytest.mark.parametrize("head", HEADS[:-1], ids=lambda head: head.name)


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    """The transformed features of all authors; each fifth has no label."""
    folder = str(tmp_path_factory.mktemp("transform"))
    schema = build_schema(HEADS, ValidationSettings())
    authors = [
        {
            "author_id": [f"a{number}"],
            "posts": ["the cat"],
            **{
                name: [float(labels[number])] if number % 5 and np.isfinite(labels[number]) else []
                for name, labels in LABELS.items()
            },
        }
        for number in range(AUTHORS)
    ]
    config = {
        "heads": heads_to_json(HEADS),
        "text": TextSettings(maximum_bytes=200, vocabulary_size=12).model_dump_json(),
    }
    with (
        tft_beam.Context(temp_dir=f"{folder}/temporary", desired_batch_size=2),
        Pipeline(options=PipelineOptions(OPTIONS)) as pipeline,
    ):
        data = (pipeline | Create(authors), dataset_metadata.DatasetMetadata(schema))
        graph = data | tft_beam.AnalyzeDataset(lambda inputs: preprocessing_fn(inputs, config))
        _ = graph | tft_beam.WriteTransformFn(f"{folder}/graph")
        metadata = dataset_metadata.DatasetMetadata(schema)
        _ = metadata | tft_beam.WriteMetadata(f"{folder}/graph/metadata", pipeline)
    output = tft.TFTransformOutput(f"{folder}/graph")
    raw = {
        name: tf.sparse.from_dense([row[name] or [""] for row in authors])
        for name in ("author_id", "posts")
    }
    for name in LABELS:
        known = [number for number, row in enumerate(authors) if row[name]]
        values = [authors[number][name][0] for number in known]
        raw[name] = tf.SparseTensor(
            np.array([[number, 0] for number in known], np.int64).reshape(-1, 2),
            np.array(values, np.float32),
            (AUTHORS, 1),
        )
    return dict(output.transform_features_layer()(raw))


def facts_of(head, features):
    return {name: features[name].numpy()[0] for name in network_of(head).fact_names & set(features)}


def known_labels(head):
    return LABELS[head.name][np.arange(AUTHORS) % 5 > 0].astype(np.float32).astype(float)


@each_head
def test_the_graph_learns_the_facts_that_numpy_does(head, features):
    found = facts_of(head, features)
    expected = head.facts_of(known_labels(head))
    assert set(found) == {head.internal(name) for name in expected}
    for name in {"scale", "offset"} & set(expected):
        assert found[head.internal(name)] == expected[name]
    # A quantile of the sketch may be the label next to it.
    labels = known_labels(head)
    expected = {head.internal(name): fact for name, fact in expected.items()}
    one, other = (head.targets(labels, facts)[:, 0] for facts in (found, expected))
    assert np.abs(one - other).max() < 0.1 and np.abs(one - other).mean() < 0.01
    if head.name in SCALES:
        assert found[head.internal("scale")] == SCALES[head.name]


@each_head
def test_targets_of_the_graph_are_those_of_the_head_and_come_back(head, features):
    facts, known = facts_of(head, features), features[head.known_name].numpy()[:, 0] > 0
    labels, targets = known_labels(head), features[head.name].numpy()
    assert known.tolist() == (np.arange(AUTHORS) % 5 > 0).tolist()
    np.testing.assert_allclose(targets[known], head.targets(labels, facts), rtol=1e-4, atol=1e-4)
    assert (targets[~known] == 0).all()
    natural = network_of(head).natural(features[head.name], features).numpy()
    np.testing.assert_allclose(natural[known][:, 0], labels, rtol=1e-4, atol=1e-3)


@each_head
def test_outputs_of_any_size_are_answered_as_the_head_computes_them(head, features):
    outputs = np.linspace(-60, 60, AUTHORS)[:, np.newaxis]
    served = network_of(head).natural(tf.constant(outputs, tf.float32), features).numpy()
    expected = head.natural(outputs, facts_of(head, features))
    assert np.isfinite(served).all()
    np.testing.assert_allclose(served, expected, rtol=1e-3, atol=1e-3)


def test_ages_are_what_they_are_without_a_scale(features):
    ages = LABELS["age"].astype(np.float32)
    mean, deviation = (features[f"age.{name}"].numpy()[0, 0] for name in ("mean", "deviation"))
    known = np.arange(AUTHORS) % 5 > 0
    expected = np.where(known, (ages - mean) / deviation, np.float32(0))
    assert features["age"].numpy()[:, 0].tolist() == expected.tolist()
    assert mean == np.float32(ages[known].astype(float).mean())


def test_what_the_model_says_of_a_head_names_its_scale(features):
    found = {head.name: network_of(head).description(features) for head in HEADS}
    assert found["age"] == found["nobody"] == {"scale": "linear"}
    assert found["followers"]["scale"] == "log"
    assert found["followers"]["learned_on"]["offset"] in (1.0, 10.0)
    knots = found["fans"]["learned_on"]["knots"]
    assert knots == sorted(set(knots)) and knots[0] == 0.0
    assert knots[-1] == known_labels(HEADS[3]).max()

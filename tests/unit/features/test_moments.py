"""Mean and variance of labels: exact whatever the order, beside those of tf.Transform."""

from __future__ import annotations

import statistics
from fractions import Fraction

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from apache_beam import Create, Pipeline
from apache_beam.options.pipeline_options import PipelineOptions
from hypothesis import example, given
from hypothesis import strategies as st
from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils

from components.features.moments import ExactSums, mean_and_variance, mean_of, variance_of

OPTIONS = ["--runner=components.local_runner.LocalRunner", "--direct_running_mode=in_memory"]
LARGEST = float(np.finfo(np.float32).max)
SMALLEST = 2.0**-149
BATCHES = st.lists(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32)), min_size=1)


def sums_of(batches):
    """Of batches, each added to an accumulator of its own, merged from the last to the first."""
    sums = ExactSums()
    parts = [
        sums.add_input(sums.create_accumulator(), (np.array(batch, np.float32),))
        for batch in batches
    ]
    return sums.extract_output(sums.merge_accumulators(reversed(parts)))


@given(BATCHES)
@example([[LARGEST, -LARGEST], [SMALLEST]])
@example([[LARGEST] * 3])
@example([[SMALLEST, -SMALLEST, 0.0]])
@example([[]])
def test_moments_are_those_of_fractions_rounded_once(batches):
    values = [Fraction(value) for batch in batches for value in batch]
    sums = sums_of(batches)
    mean, variance = mean_of(sums), variance_of(sums)
    assert float(mean) == (float(statistics.mean(values)) if values else 0.0)
    assert float(variance) == (float(statistics.pvariance(values)) if values else 0.0)


@given(BATCHES, st.randoms(use_true_random=False))
def test_sums_are_the_same_in_any_order_and_of_any_batches(batches, random):
    values = [value for batch in batches for value in batch]
    random.shuffle(values)
    assert sums_of([[value] for value in values]) == sums_of(batches)


def both_ways(inputs):
    labels = inputs["age"].values
    mean, variance = mean_and_variance(labels)
    own = {"own_mean": mean, "own_variance": variance}
    wide = tf.cast(labels, tf.float64)
    stock = {"stock_mean": tft.mean(wide), "stock_variance": tft.var(wide)}
    rows = inputs["age"].dense_shape[0]
    # No output of tf.Transform is float64.
    return {
        name: tf.fill([rows], tf.cast(value, tf.float32)) for name, value in (own | stock).items()
    }


@pytest.mark.parametrize("known", [200, 0])
def test_moments_of_the_graph_are_those_of_tf_transform(tmp_path, known):
    ages = np.random.default_rng(5).normal(40, 12, known).astype(np.float32)
    rows = [{"age": [age]} for age in ages] + [{"age": []}] * 9
    spec = {"age": tf.io.VarLenFeature(tf.float32)}
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(spec))
    with (
        tft_beam.Context(temp_dir=f"{tmp_path}/temporary", desired_batch_size=7),
        Pipeline(options=PipelineOptions(OPTIONS)) as pipeline,
    ):
        graph = (pipeline | Create(rows), metadata) | tft_beam.AnalyzeDataset(both_ways)
        _ = graph | tft_beam.WriteTransformFn(f"{tmp_path}/graph")
    layer = tft.TFTransformOutput(f"{tmp_path}/graph").transform_features_layer()
    found = layer({"age": tf.sparse.from_dense(tf.constant([[30.0]]))})
    found = {name: float(value[0]) for name, value in found.items()}
    wide = ages.astype(np.float64)
    mean, variance = (wide.mean(), wide.var()) if known else (0.0, 0.0)
    assert found == {
        "own_mean": pytest.approx(mean, rel=1e-6),
        "own_variance": pytest.approx(variance, rel=1e-6),
        "stock_mean": pytest.approx(mean, rel=1e-6),
        "stock_variance": pytest.approx(variance, rel=1e-6),
    }

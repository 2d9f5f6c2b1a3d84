"""The data path on another runner leaves what it leaves on the direct one.

Two engines take the pipelines over Beam's job API, with their Python workers in this process:
Beam's own job service, and, where Java and a job server can be had (flink_cluster.py), a Flink of
one job manager and two task managers. Ingest, statistics and Transform run as the components of the
pipeline, over the small sample.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter

import pytest
import tensorflow as tf
import tensorflow_data_validation as tfdv
import tensorflow_transform as tft
from apache_beam.runners.portability.local_job_service import LocalJobServicer
from flink_cluster import running_flink
from tensorflow.core.protobuf import saved_model_pb2
from tfx import v1 as tfx

from components.features.schema import HeadsSchema
from components.features.settings import TextSettings
from components.features.statistics import LabelStatisticsGen
from components.features.text_transform import TextTransform
from components.heads.declared import heads_to_json
from components.ingest.example_gen import PostsExampleGen
from pipeline.beam import beam_arguments
from pipeline.config import load_config
from pipeline.lineage import read_last_run

# Attributes that name things of a run, not what is computed.
OF_A_RUN = {"shared_name", "container", "config", "config_proto", "executor_type"}


@pytest.fixture(scope="module")
def direct(small_sample, tmp_path_factory):
    """What the direct runner leaves."""
    return run_data_path(small_sample, tmp_path_factory.mktemp("direct"), "direct")


@pytest.fixture
def job_service():
    """Address of Beam's own job service."""
    service = LocalJobServicer()
    yield f"localhost:{service.start_grpc_server()}"
    service.stop()


@pytest.fixture
def flink(tmp_path):
    """A Flink with two task managers."""
    with running_flink(tmp_path) as flink:
        yield flink


def configured(runner, *assignments, folder="."):
    return load_config(
        None,
        (f"beam.runner={runner}", *assignments),
        posts=[f"{folder}/posts*"],
        labels=[f"{folder}/labels*"],
    )


def run_data_path(sample, folder, runner, *assignments):
    """Runs ingest, statistics and Transform; what they left, as values that can be compared."""
    config = configured(runner, *assignments, folder=sample)
    heads = heads_to_json(config.head_list)
    ingest = PostsExampleGen(config.posts, config.labels, heads, config.ingest.model_dump_json())
    examples = ingest.outputs["examples"]
    schema = HeadsSchema(heads=heads, validation=config.validation.model_dump_json())
    text = TextSettings(maximum_bytes=1000, vocabulary_size=400, pairs=200)
    transform = TextTransform(
        examples=examples,
        schema=schema.outputs["schema"],
        preprocessing_fn="components.features.transform.preprocessing_fn",
        custom_config={"heads": heads, "text": text.model_dump_json()},
        splits_config=tfx.proto.SplitsConfig(analyze=["train"], transform=["train", "eval"]),
        disable_statistics=True,
    ).with_id("Transform")
    statistics = LabelStatisticsGen(examples, list(config.heads)).with_id("StatisticsGen")
    connection = tfx.orchestration.metadata.sqlite_metadata_connection_config(f"{folder}/mlmd")
    pipeline = tfx.dsl.Pipeline(
        pipeline_name="data",
        pipeline_root=str(folder),
        components=[ingest, statistics, schema, transform],
        metadata_connection_config=connection,
        beam_pipeline_args=beam_arguments(config.beam),
    )
    tfx.orchestration.LocalDagRunner().run(pipeline)
    return read_data_path(read_last_run(connection, "data"))


def read_data_path(run):
    examples = run.path("PostsExampleGen", "examples")
    audit = run.path("PostsExampleGen", "audit")
    graph = run.path("Transform", "transform_graph")
    vocabularies = tft.TFTransformOutput(str(graph))
    aside = [
        line
        for file in audit.glob("set_aside*")
        for line in gzip.decompress(file.read_bytes()).decode().splitlines()
    ]
    return {
        "examples": {
            split: {author_of(record): record for record in records_of(examples / f"Split-{split}")}
            for split in ("train", "eval", "test")
        },
        "counts": json.loads((audit / "audit.json").read_text()),
        "set aside": sorted(aside),
        "statistics": known_values(run.path("StatisticsGen", "statistics")),
        "graph": operations_of(graph),
        "vocabularies": [vocabularies.vocabulary_by_name(name) for name in ("tokens", "pairs")],
        "transformed": {
            author_of(record): tf.train.Example.FromString(record).features.feature
            for record in records_of(run.path("Transform", "transformed_examples") / "Split-train")
        },
    }


def operations_of(graph):
    """How often the transform graph has each operation with its attributes and constants.

    Names are those of a run.
    """
    return Counter((node.op, *attributes_of(node)) for node in nodes_of(graph))


def nodes_of(graph):
    saved = saved_model_pb2.SavedModel.FromString(
        (graph / "transform_fn" / "saved_model.pb").read_bytes()
    )
    (meta_graph,) = saved.meta_graphs
    functions = meta_graph.graph_def.library.function
    return [*meta_graph.graph_def.node, *(node for one in functions for node in one.node_def)]


def attributes_of(node):
    return [
        (name, value.SerializeToString(deterministic=True))
        for name, value in sorted(node.attr.items())
        if name not in OF_A_RUN and not name.startswith("_") and not value.HasField("func")
    ]


def records_of(folder):
    files = sorted(str(file) for file in folder.glob("*.gz"))
    return list(tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator())


def author_of(record):
    (author,) = tf.train.Example.FromString(record).features.feature["author_id"].bytes_list.value
    return author.decode()


def known_values(folder):
    """Examples, and values that are there, by split and feature."""
    counts = {}
    for split in ("train", "eval", "test"):
        (file,) = (folder / f"Split-{split}").iterdir()
        (dataset,) = tfdv.load_stats_binary(str(file)).datasets
        counts[split, ""] = dataset.num_examples
        for feature in dataset.features:
            (name,) = feature.path.step
            kind = feature.WhichOneof("stats")
            counts[split, name] = getattr(feature, kind).common_stats.num_non_missing
    return counts


def test_the_data_path_over_the_job_api_leaves_what_the_direct_runner_leaves(
    direct, small_sample, tmp_path, job_service
):
    found = run_data_path(
        small_sample, tmp_path, "flink", f"beam.job_server={job_service}", "beam.parallelism=2"
    )
    assert sum(len(authors) for authors in found["examples"].values()) > 300
    assert found == direct


def test_the_data_path_on_flink_with_two_task_managers_leaves_what_the_direct_runner_leaves(
    direct, small_sample, tmp_path, flink
):
    found = run_data_path(
        small_sample, tmp_path, "flink", f"beam.job_server={flink.job_server}", "beam.parallelism=2"
    )
    assert found == direct
    assert flink.job_states() == ["FINISHED"] * 3

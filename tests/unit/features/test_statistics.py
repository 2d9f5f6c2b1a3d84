"""Statistics of labels beside those of TFX's own StatisticsGen, over the same files."""

from __future__ import annotations

import json

import pytest
import tensorflow as tf
import tensorflow_data_validation as tfdv
from tfx.components.statistics_gen import executor as stock
from tfx.types import standard_artifacts

from components.features.statistics import LabelStatisticsExecutor
from components.heads.declared import DEFAULT_HEADS, parse_heads
from components.ingest.audit_sources import LOCAL_BEAM_ARGUMENTS
from components.ingest.examples import encode_example

HEADS = parse_heads(DEFAULT_HEADS)
LABELS = [head.name for head in HEADS]
AUTHORS = [
    (
        f"a{number}",
        (f"post of {number}", "another"),
        (
            20.0 + number % 50 if number % 3 else None,
            1000.0 * number if number % 7 == 0 else None,
            ("male", "female", "other")[number % 3] if number % 5 else None,
        ),
    )
    for number in range(400)
    # Each has a known label, as ingest sees to.
    if number % 3 or number % 7 == 0 or number % 5
]


def write_split(folder, files):
    folder.mkdir(parents=True)
    for number, authors in enumerate(files):
        name = f"data_tfrecord-{number:05d}-of-{len(files):05d}.gz"
        with tf.io.TFRecordWriter(str(folder / name), "GZIP") as writer:
            for author in authors:
                writer.write(encode_example(author, HEADS))


def run_executor(executor, examples, folder):
    statistics = standard_artifacts.ExampleStatistics()
    statistics.uri = str(folder)
    options = tfdv.StatsOptions(feature_allowlist=LABELS).to_json()
    executor(executor.Context(beam_pipeline_args=list(LOCAL_BEAM_ARGUMENTS))).Do(
        {"examples": [examples]},
        {"statistics": [statistics]},
        {"stats_options_json": options, "exclude_splits": "null"},
    )
    return statistics


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder = tmp_path_factory.mktemp("statistics")
    # In `eval` one file's authors have an income alone: columns come and go between batches.
    incomes = [(author, texts, (None, 5.0, None)) for author, texts, _ in AUTHORS[:5]]
    write_split(folder / "examples" / "Split-train", [AUTHORS[:300], AUTHORS[300:]])
    write_split(folder / "examples" / "Split-eval", [incomes, AUTHORS[5:40]])
    write_split(folder / "examples" / "Split-test", [[]])
    examples = standard_artifacts.Examples()
    examples.uri = str(folder / "examples")
    examples.split_names = json.dumps(["train", "eval", "test"])
    examples.span = 4
    return (
        run_executor(stock.Executor, examples, folder / "stock"),
        run_executor(LabelStatisticsExecutor, examples, folder / "own"),
    )


def load(statistics, split):
    return tfdv.load_stats_binary(f"{statistics.uri}/Split-{split}/FeatureStats.pb")


@pytest.mark.parametrize("split", ["train", "eval", "test"])
def test_statistics_of_labels_are_those_of_tfx(both, split):
    theirs, own = (load(statistics, split) for statistics in both)

    by_name = [
        {feature.path.step[0]: feature for feature in dataset.features}
        for (dataset,) in (theirs.datasets, own.datasets)
    ]
    assert own.datasets[0].num_examples == theirs.datasets[0].num_examples
    assert by_name[1] == by_name[0]


def test_only_labels_have_statistics(both):
    (dataset,) = load(both[1], "train").datasets

    assert sorted(feature.path.step[0] for feature in dataset.features) == sorted(LABELS)


def test_the_artifact_is_described_as_tfx_describes_it(both):
    theirs, own = both

    assert own.split_names == theirs.split_names
    assert own.span == theirs.span == 4
    assert set(own.mlmd_artifact.custom_properties) == set(theirs.mlmd_artifact.custom_properties)

"""The two counting components on files: a SavedModel's answers, and the data, by hand."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from components.heads.declared import heads_to_json, parse_heads

HEADS = parse_heads(
    {
        "height": {"kind": "regression"},
        "party": {"kind": "classes", "classes": 2, "given_as": "group"},
        "smoker": {"kind": "binary", "positive": "yes", "negative": "no"},
    }
)


def save_model(folder: Path) -> None:
    """Answers 1 more than the number that an author's post spells; knows the even ones' labels."""
    import tensorflow as tf

    strings = tf.TensorSpec([None], tf.string, name="examples")

    def numbers(examples: Any) -> Any:
        posts = tf.io.parse_example(examples, {"posts": tf.io.FixedLenFeature([1], tf.string)})
        return tf.strings.to_number(posts["posts"])

    class Model(tf.Module):  # type: ignore[misc]
        @tf.function(input_signature=[strings])
        def answer(self, examples: Any) -> dict[str, Any]:
            number = numbers(examples)
            share = number / 150.0
            return {
                "height": number + 1.0,
                "party": tf.concat([1.0 - share, share], axis=1),
                "smoker": share,
            }

        @tf.function(input_signature=[strings])
        def label(self, examples: Any) -> dict[str, Any]:
            number = numbers(examples)
            known = tf.cast(tf.equal(number % 2.0, 0.0), tf.float32)
            positive = tf.cast(number >= 75.0, tf.float32)
            return {
                "height": number,
                "height.known": known,
                "party": tf.concat([1.0 - positive, positive], axis=1),
                "party.known": known,
                "smoker": positive,
                "smoker.known": known,
            }

    model = Model()
    signatures = {"serving_default": model.answer, "transform_features": model.label}
    tf.saved_model.save(model, str(folder), signatures)
    height = {"name": "height", "interval": {"half_width": 1.0, "coverage": 0.8}}
    party = {"name": "party", "temperature": 1.0}
    (folder / "assets/heads.json").write_text(json.dumps({"heads": [height, party]}))


def write_examples(folder: Path, shards: dict[str, Iterable[int]], feature: str) -> None:
    """Authors in a file a shard; each has one post that is its number, or that many tokens."""
    import tensorflow as tf

    folder.mkdir(parents=True)
    for name, numbers in shards.items():
        with tf.io.TFRecordWriter(str(folder / name), "GZIP") as writer:
            for number in numbers:
                author = tf.train.Example()
                if feature == "posts":
                    author.features.feature[feature].bytes_list.value.append(str(number).encode())
                    author.features.feature["height"].float_list.value.append(number)
                else:
                    author.features.feature[feature].int64_list.value.extend([5] * number)
                writer.write(author.SerializeToString())


def write_statistics(folder: Path) -> None:
    """Statistics whose deciles of heights are 0, 15, ..., 150."""
    from tensorflow_metadata.proto.v0 import statistics_pb2

    found = statistics_pb2.DatasetFeatureStatisticsList()
    feature = found.datasets.add().features.add()
    feature.path.step.append("height")
    histogram = feature.num_stats.histograms.add(type=statistics_pb2.Histogram.QUANTILES)
    for low in range(0, 150, 15):
        histogram.buckets.add(low_value=low, high_value=low + 15, sample_count=15)
    folder.mkdir(parents=True)
    (folder / "FeatureStats.pb").write_bytes(found.SerializeToString())


def artifact(kind: Any, uri: Path, splits: Iterable[str] = ()) -> list[Any]:
    """An artifact at a folder."""
    made = kind()
    made.uri = str(uri)
    if splits:
        made.split_names = json.dumps(list(splits))
    return [made]


@pytest.fixture(scope="module")
def profiles(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    """`answers.json` and `data.json` of 150 authors of `test` and two of `train`."""
    from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
    from tfx.types import standard_artifacts

    from components.report.profiles import AnswersProfileExecutor, DataProfileExecutor, Profile

    root = tmp_path_factory.mktemp("profiles")
    shards = {"a.gz": range(0, 70), "b.gz": range(70, 150)}
    write_examples(root / "raw/Split-test", shards, "posts")
    write_examples(root / "raw/Split-train", {"a.gz": [7, 8]}, "posts")
    write_examples(root / "transformed/Split-train", {"a.gz": [3, 5]}, "tokens")
    write_statistics(root / "statistics/Split-train")
    save_model(root / "model/Format-Serving")
    raw = artifact(standard_artifacts.Examples, root / "raw", ["train", "test"])
    statistics = artifact(standard_artifacts.ExampleStatistics, root / "statistics", ["train"])
    context = BaseBeamExecutor.Context(
        beam_pipeline_args=["--direct_running_mode=in_memory"], tmp_dir=str(root), unique_id="1"
    )
    AnswersProfileExecutor(context).Do(
        {
            "examples": raw,
            "model": artifact(standard_artifacts.Model, root / "model"),
            "statistics": statistics,
        },
        {"profile": artifact(Profile, root / "answers")},
        {"heads": heads_to_json(HEADS)},
    )
    DataProfileExecutor(context).Do(
        {
            "examples": raw,
            "transformed_examples": artifact(
                standard_artifacts.Examples, root / "transformed", ["train"]
            ),
            "statistics": statistics,
        },
        {"profile": artifact(Profile, root / "data")},
        {"heads": heads_to_json(HEADS), "maximum_bytes": 2},
    )
    return (
        json.loads((root / "answers/answers.json").read_text()),
        json.loads((root / "data/data.json").read_text()),
    )


@pytest.fixture(scope="module")
def counted(profiles: tuple[dict[str, Any], dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The arrays of each head."""
    return {name: head["arrays"] for name, head in profiles[0]["heads"].items()}


def test_every_author_of_test_is_counted_once_and_by_known_labels_alone(
    profiles: tuple[dict[str, Any], dict[str, Any]], counted: dict[str, dict[str, Any]]
) -> None:
    answers, _ = profiles
    assert (answers["split"], answers["authors"]) == ("test", 150)
    assert answers["heads"]["height"]["bins"]["bands"] == [30.0, 60.0, 90.0, 120.0]
    # Even numbers alone are known: 15 in each band, each answered 1 too high.
    assert counted["height"]["moments"] == [[15.0, 15.0, 15.0, 15.0]] * 5
    # In bins of 5, the 15 numbers that end with a 4 are answered in the next bin.
    joint = counted["height"]["joint"]
    assert sum(map(sum, joint)) == 75
    assert sum(row[place] for place, row in enumerate(joint)) == 60


def test_what_the_model_says_of_its_certainty_is_counted(
    counted: dict[str, dict[str, Any]],
) -> None:
    assert counted["height"]["coverage"] == [75.0, 75.0]
    assert counted["party"]["reliability_before"] == counted["party"]["reliability"]
    assert "reliability_before" not in counted["smoker"]


def test_both_kinds_of_groups_are_counted(counted: dict[str, dict[str, Any]]) -> None:
    assert counted["party"]["confusion"] == [[38.0, 0.0], [0.0, 37.0]]
    negatives, positives = counted["smoker"]["scores"]
    assert (sum(negatives), sum(positives)) == (38.0, 37.0)
    assert counted["height"]["by/smoker"] == [[38.0] * 4, [37.0] * 4]


def test_every_split_of_the_data_is_counted(
    profiles: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    _, data = profiles
    assert {split: counts["authors"] for split, counts in data["splits"].items()} == {
        "train": [2.0],
        "test": [150.0],
    }
    assert data["splits"]["train"]["together"] == [0.0, 2.0, 0, 0, 0, 0, 0, 0]
    assert data["tokens"]["train"]["totals"] == [2.0, 8.0, 0.0]
    # Posts of three digits.
    assert data["splits"]["test"]["cut"] == [50.0]
    assert list(data["scales"]) == ["height"]

"""Anomalies are named in plain words; drift is measured against an earlier span."""

from __future__ import annotations

import pandas as pd
import pytest
import tensorflow as tf
import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from tfx.types import standard_artifacts

from components.features.schema import build_schema
from components.features.settings import ValidationSettings
from components.features.validation import (
    AnomalyError,
    ExamplesValidatorExecutor,
    describe_anomalies,
    find_anomalies,
    find_remedies,
)
from components.heads.binary import BinaryHead
from components.heads.declared import DEFAULT_HEADS, heads_to_json, parse_heads

HEADS = parse_heads(DEFAULT_HEADS)
NAMES = [head.name for head in HEADS]
SCHEMA = build_schema(HEADS, ValidationSettings())


def statistics(ages, genders):
    frame = pd.DataFrame({"age": ages, "income": [1.0] * len(ages), "gender": genders})
    return tfdv.generate_statistics_from_dataframe(frame)


def lines(stats, previous=None):
    return describe_anomalies("train", find_anomalies(stats, SCHEMA, NAMES, previous))


SOUND = statistics([20.0, 40.0] * 50, ["female", "male"] * 50)


def test_sound_examples_have_no_anomaly():
    assert lines(SOUND, SOUND) == []


def test_an_age_out_of_range_is_named():
    (line,) = lines(statistics([20.0, 400.0] * 50, ["female", "male"] * 50))
    assert line.startswith("train: age: ")
    assert "120" in line


@pytest.mark.parametrize(
    ("declaration", "label", "remedy"),
    [
        ({"kind": "regression"}, 999.0, "set heads.one.minimum and heads.one.maximum"),
        (
            {"kind": "classes", "classes": 5, "given_as": "group"},
            5,
            "number the groups from 0, or raise heads.one.classes",
        ),
        ({"kind": "classes"}, -1.0, "declare a number in place of groups"),
    ],
)
def test_what_is_advised_is_a_setting_of_the_head(declaration, label, remedy):
    heads = parse_heads({"one": declaration})
    stats = tfdv.generate_statistics_from_dataframe(pd.DataFrame({"one": [label] * 3}))
    anomalies = find_anomalies(stats, build_schema(heads, ValidationSettings()), ["one"])
    (found,) = find_remedies(anomalies, heads)
    assert found.startswith(remedy)


def test_text_labels_whose_values_a_head_does_not_list_may_be_any():
    class Words(BinaryHead):
        @property
        def label_values(self):
            return ()

    schema = build_schema((Words(name="gender"),), ValidationSettings())
    stats = tfdv.generate_statistics_from_dataframe(pd.DataFrame({"gender": ["a;b", "c"]}))
    assert describe_anomalies("train", find_anomalies(stats, schema, ["gender"])) == []


def test_a_head_that_is_gone_is_named():
    frame = pd.DataFrame({"age": [20.0], "income": [1.0]})
    (line,) = lines(tfdv.generate_statistics_from_dataframe(frame))
    assert line.startswith("train: gender: Column dropped")


def test_drift_beyond_the_bound_is_named_and_less_is_not():
    drifted = statistics([20.0, 40.0] * 50, ["female"] * 100)
    assert [line.split(": ")[1] for line in lines(drifted, SOUND)] == ["gender"]
    slightly = statistics([20.0, 40.0] * 50, ["female", "male"] * 45 + ["female"] * 10)
    assert lines(slightly, SOUND) == []


def validate(folder, span, history, genders):
    """Runs the component's executor over one span, with a history in place of a store."""
    examples = standard_artifacts.ExampleStatistics()
    examples.uri = str(folder / f"statistics-{span}")
    examples.split_names = '["train"]'
    examples.span = span
    (folder / f"statistics-{span}/Split-train").mkdir(parents=True)
    path = folder / f"statistics-{span}/Split-train/FeatureStats.pb"
    path.write_bytes(statistics([20.0, 40.0] * 50, genders).SerializeToString())
    schema, anomalies = standard_artifacts.Schema(), standard_artifacts.ExampleAnomalies()
    schema.uri, anomalies.uri = str(folder / "schema"), str(folder / f"anomalies-{span}")
    (folder / "schema").mkdir(exist_ok=True)
    (folder / "schema/schema.pbtxt").write_text(text_format.MessageToString(SCHEMA))
    ExamplesValidatorExecutor().Do(
        {"statistics": [examples], "schema": [schema]},
        {"anomalies": [anomalies]},
        {"heads": heads_to_json(HEADS), "history": history},
    )
    return anomalies


@pytest.mark.parametrize("scheme", ["", "ram://"])
def test_with_a_history_drift_is_measured_against_the_last_sound_span(tmp_path, scheme):
    """TensorFlow's file system in memory stands for a bucket."""
    history = f"{scheme}{tmp_path}/history"
    even, drifted = ["female", "male"] * 50, ["female"] * 100
    validate(tmp_path, 3, history, even)
    with pytest.raises(AnomalyError, match="and with the last span"):
        validate(tmp_path, 4, history, drifted)
    # The drifted span is no measure, and an earlier one has nothing before it.
    with pytest.raises(AnomalyError, match="gender: drift"):
        validate(tmp_path, 5, history, drifted)
    validate(tmp_path, 2, history, drifted)
    validate(tmp_path, 6, history, even)
    kept = sorted(tf.io.gfile.listdir(f"{history}/statistics"))
    assert [name.rstrip("/") for name in kept] == ["span-2", "span-3", "span-6"]

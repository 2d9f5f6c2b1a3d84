"""Anomalies are named in plain words; drift is measured against an earlier span."""

from __future__ import annotations

import pandas as pd
import tensorflow_data_validation as tfdv

from components.features.schema import build_schema
from components.features.settings import ValidationSettings
from components.features.validation import describe_anomalies, find_anomalies
from components.heads import DEFAULT_HEADS, parse_heads

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


def test_a_head_that_is_gone_is_named():
    frame = pd.DataFrame({"age": [20.0], "income": [1.0]})
    (line,) = lines(tfdv.generate_statistics_from_dataframe(frame))
    assert line.startswith("train: gender: Column dropped")


def test_drift_beyond_the_bound_is_named_and_less_is_not():
    drifted = statistics([20.0, 40.0] * 50, ["female"] * 100)
    assert [line.split(": ")[1] for line in lines(drifted, SOUND)] == ["gender"]
    slightly = statistics([20.0, 40.0] * 50, ["female", "male"] * 45 + ["female"] * 10)
    assert lines(slightly, SOUND) == []

"""Two TFX components that count what the report draws, so that unchanged counts are reused.

| component | enters | leaves |
|---|---|---|
| `DataProfile` | raw examples, transformed examples, statistics | `Profile`: `data.json` |
| `AnswersProfile` | raw examples (`test` alone), model, statistics | `Profile`: `answers.json` |

Both read the deciles of the training labels from the statistics and cut their bins by them.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import apache_beam as beam
import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import statistics_pb2
from tfx import types
from tfx.dsl.components.base import base_beam_component, base_beam_executor, executor_spec
from tfx.types import artifact_utils, standard_artifacts
from tfx.types.artifact import Artifact
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from tfx.utils import io_utils

from components.heads.declared import Heads, heads_from_json
from components.judging.signatures import declared_heads
from components.report.answer_sums import describe_answers
from components.report.counting import CountAnswers, CountExamples
from components.report.coverage import count_author, count_tokens, describe_data
from components.report.heads import REPORTS
from components.report.scales import Scale, make_scale
from components.wiring import Artifacts, WiredComponent, serving_path

DATA_FILE, ANSWERS_FILE = "data.json", "answers.json"
SPLIT = "test"


class Profile(Artifact):
    """Counts of fixed size as JSON: of the data, or of a model's answers."""

    TYPE_NAME = "components.Profile"


class DataProfileSpec(ComponentSpec):
    """Inputs, outputs and properties of `DataProfile`."""

    PARAMETERS = {
        "heads": ExecutionParameter(type=str),  # JSON of `heads_to_json`
        "maximum_bytes": ExecutionParameter(type=int),  # of an author's posts that are read
    }
    INPUTS = {
        "examples": ChannelParameter(type=standard_artifacts.Examples),  # raw
        "transformed_examples": ChannelParameter(type=standard_artifacts.Examples),
        "statistics": ChannelParameter(type=standard_artifacts.ExampleStatistics),
    }
    OUTPUTS = {"profile": ChannelParameter(type=Profile)}


class DataProfileExecutor(base_beam_executor.BaseBeamExecutor):
    """Counts labels, lengths and tokens of every split."""

    def Do(
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        """Writes `data.json`."""
        self._log_startup(input_dict, output_dict, exec_properties)
        heads = heads_from_json(exec_properties["heads"])
        maximum_bytes = exec_properties["maximum_bytes"]
        scales = read_scales(artifact_utils.get_single_instance(input_dict["statistics"]), heads)
        count = functools.partial(
            count_author, heads=heads, scales=scales, maximum_bytes=maximum_bytes
        )
        passes = (
            ("authors", input_dict["examples"], count),
            ("tokens", input_dict["transformed_examples"], count_tokens),
        )
        describe = functools.partial(describe_data, heads, scales, maximum_bytes)
        uri = artifact_utils.get_single_uri(output_dict["profile"])
        with self._make_beam_pipeline() as pipeline:
            counted = [
                pipeline
                | f"Count {name} of {split}" >> CountExamples(pattern, count_one)
                | f"Name {name} of {split}" >> beam.WithKeys((name, split))
                for name, examples, count_one in passes
                for split, pattern in _patterns(examples).items()
            ]
            _ = (
                counted
                | beam.Flatten()
                | "One element a split" >> beam.combiners.ToDict()
                | beam.Map(describe)
                | beam.Map(functools.partial(write_json, os.path.join(uri, DATA_FILE)))
            )


class DataProfile(WiredComponent, base_beam_component.BaseBeamComponent):
    """Counts the data; output `profile`."""

    SPEC_CLASS = DataProfileSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(DataProfileExecutor)


class AnswersProfileSpec(ComponentSpec):
    """Inputs, outputs and properties of `AnswersProfile`."""

    PARAMETERS = {"heads": ExecutionParameter(type=str)}  # JSON of `heads_to_json`
    INPUTS = {
        "examples": ChannelParameter(type=standard_artifacts.Examples),  # raw
        "model": ChannelParameter(type=standard_artifacts.Model),
        "statistics": ChannelParameter(type=standard_artifacts.ExampleStatistics),
    }
    OUTPUTS = {"profile": ChannelParameter(type=Profile)}


class AnswersProfileExecutor(base_beam_executor.BaseBeamExecutor):
    """Counts what the model answers about the authors of `test`."""

    def Do(
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        """Writes `answers.json`."""
        self._log_startup(input_dict, output_dict, exec_properties)
        heads = heads_from_json(exec_properties["heads"])
        model = artifact_utils.get_single_instance(input_dict["model"])
        path = serving_path(model)
        served = declared_heads(path)
        statistics = artifact_utils.get_single_instance(input_dict["statistics"])
        scales = read_scales(statistics, heads, served)
        reports = {
            head.name: REPORTS[head.kind](head, scales.get(head.name), served.get(head.name))
            for head in heads
        }
        pattern = _patterns(input_dict["examples"])[SPLIT]
        uri = artifact_utils.get_single_uri(output_dict["profile"])
        with self._make_beam_pipeline() as pipeline:
            _ = (
                pipeline
                | CountAnswers(pattern, path, reports)
                | beam.Map(functools.partial(describe_answers, SPLIT, reports))
                | beam.Map(functools.partial(write_json, os.path.join(uri, ANSWERS_FILE)))
            )


class AnswersProfile(WiredComponent, base_beam_component.BaseBeamComponent):
    """Counts a model's answers on `test`; output `profile`."""

    SPEC_CLASS = AnswersProfileSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(AnswersProfileExecutor)


def read_scales(
    statistics: types.Artifact, heads: Heads, served: Mapping[str, Any] = MappingProxyType({})
) -> dict[str, Scale]:
    """Scales of the heads whose labels are numbers, from the deciles of the training split.

    `served` are the heads' entries in a model's `assets/heads.json`.
    """
    reports = [REPORTS[head.kind](head, served=served.get(head.name)) for head in heads]
    numbers = {one.head.name: one.on_log_axes for one in reports if one.has_scale}
    folder = artifact_utils.get_split_uri([statistics], "train")
    found = tfdv.load_stats_binary(os.path.join(folder, "FeatureStats.pb"))
    return {
        name: make_scale(deciles, geometric=numbers[name])
        for feature in found.datasets[0].features
        if (name := feature.path.step[0]) in numbers and (deciles := _deciles(feature))
    }


def _deciles(feature: statistics_pb2.FeatureNameStatistics) -> list[float]:
    """Eleven deciles of a numeric feature; of any other, none."""
    for histogram in feature.num_stats.histograms:
        if histogram.type == statistics_pb2.Histogram.QUANTILES and len(histogram.buckets) == 10:
            last = histogram.buckets[-1].high_value
            return [bucket.low_value for bucket in histogram.buckets] + [last]
    return []


def _patterns(examples: list[types.Artifact]) -> dict[str, str]:
    artifact = artifact_utils.get_single_instance(examples)
    return {
        split: io_utils.all_files_pattern(artifact_utils.get_split_uri([artifact], split))
        for split in artifact_utils.decode_split_names(artifact.split_names)
    }


def write_json(path: str, content: dict[str, Any]) -> None:
    """Writes one small file; what is there is replaced."""
    io_utils.write_string_file(path, json.dumps(content))

"""Stops a run whose examples break the schema or drifted from the last span.

Enters: statistics of each split, the schema, where there is one the statistics of an earlier span.
Leaves: an `ExampleAnomalies` artifact where all is sound; otherwise an error that names every
anomaly in plain words.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Iterator
from typing import Any

import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from ml_metadata.proto import metadata_store_pb2
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2
from tfx.dsl.components.base import executor_spec
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.dsl.components.common import resolver
from tfx.dsl.io import fileio
from tfx.types import artifact_utils, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.features.schema import read_schema
from components.heads.declared import Heads, heads_from_json
from components.wiring import Artifacts, WiredComponent

LOGGER = logging.getLogger("authorprofile.validation")
DRIFT_SPLIT = "train"

_ENDED_WELL = (
    metadata_store_pb2.Execution.COMPLETE,
    metadata_store_pb2.Execution.CACHED,
)
_Reason = anomalies_pb2.AnomalyInfo
_BELOW = (_Reason.FLOAT_TYPE_SMALL_FLOAT, _Reason.INT_TYPE_SMALL_INT)
_ABOVE = (_Reason.FLOAT_TYPE_BIG_FLOAT, _Reason.INT_TYPE_BIG_INT)
_DRIFT = {
    _Reason.COMPARATOR_L_INFTY_HIGH: "drift: the share of a value changed by",
    _Reason.COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH: (
        "drift: the labels' distribution moved (Jensen-Shannon divergence, 0 to 1) by"
    ),
}


class AnomalyError(ValueError):
    """The examples break the schema; the message names how."""


def find_anomalies(
    statistics: statistics_pb2.DatasetFeatureStatisticsList,
    schema: schema_pb2.Schema,
    names: Iterable[str],
    previous: statistics_pb2.DatasetFeatureStatisticsList | None = None,
) -> anomalies_pb2.Anomalies:
    """What TFDV finds wrong with the features `names`; the statistics leave the texts out."""
    wanted = set(names)
    checked = schema_pb2.Schema()
    checked.feature.extend(feature for feature in schema.feature if feature.name in wanted)
    return tfdv.validate_statistics(statistics, checked, previous_statistics=previous)


def describe_anomalies(split: str, anomalies: anomalies_pb2.Anomalies) -> list[str]:
    """One plain line an anomaly, without any value of the data."""
    lines = [
        f"{split}: {name}: {_describe(name, reason, anomalies)}"
        for name, info in sorted(anomalies.anomaly_info.items())
        for reason in info.reason
    ]
    for reason in anomalies.dataset_anomaly_info.reason:
        lines.append(f"{split}: {reason.short_description}: {reason.description}")
    return lines


def _describe(name: str, reason: Any, anomalies: anomalies_pb2.Anomalies) -> str:
    """The reason in plain words; TFDV's own would quote labels."""
    (feature,) = (feature for feature in anomalies.baseline.feature if feature.name == name)
    bounds = feature.float_domain if feature.HasField("float_domain") else feature.int_domain
    if reason.type in _BELOW:
        return f"out of range: labels below the minimum, {bounds.min:g}"
    if reason.type in _ABOVE:
        return f"out of range: labels above the maximum, {bounds.max:g}"
    if reason.type in _DRIFT:
        (drift,) = (
            info.drift_measurements[0]
            for info in anomalies.drift_skew_info
            if list(info.path.step) == [name]
        )
        return (
            f"{_DRIFT[reason.type]} {drift.value:.2f} since the last span, "
            f"validation.maximum_label_drift allows {drift.threshold:g}"
        )
    if reason.type == _Reason.ENUM_TYPE_UNEXPECTED_STRING_VALUES:
        return "values other than those that the head declares"
    return f"{reason.short_description}: {reason.description}"


def find_remedies(anomalies: anomalies_pb2.Anomalies, heads: Heads) -> Iterator[str]:
    """What can be set where the labels are right, for each head with an anomaly."""
    for head in heads:
        if head.name not in anomalies.anomaly_info:
            continue
        reasons = {reason.type for reason in anomalies.anomaly_info[head.name].reason}
        if reasons & {*_BELOW, *_ABOVE}:
            yield head.range_remedy
        if reasons & {*_DRIFT}:
            yield "raise validation.maximum_label_drift"


class ExamplesValidatorExecutor(BaseExecutor):
    """Validates every split; see the module."""

    def Do(
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        statistics = artifact_utils.get_single_instance(input_dict["statistics"])
        output = artifact_utils.get_single_instance(output_dict["anomalies"])
        schema = read_schema(artifact_utils.get_single_uri(input_dict["schema"]))
        heads = heads_from_json(exec_properties["heads"])
        names = [head.name for head in heads]
        history = exec_properties.get("history") or ""
        earlier = [
            artifact
            for artifact in input_dict.get("previous_statistics", [])
            if artifact.span < statistics.span
        ] or recorded_statistics(history, statistics.span)
        splits = artifact_utils.decode_split_names(statistics.split_names)
        output.split_names = json.dumps(splits)
        output.span = statistics.span
        lines: list[str] = []
        remedies: dict[str, None] = {"Correct the label records": None}
        for split in splits:
            previous = _load(earlier[0], split) if earlier and split == DRIFT_SPLIT else None
            anomalies = find_anomalies(_load(statistics, split), schema, names, previous)
            _write(os.path.join(output.uri, f"Split-{split}", "anomalies.pbtxt"), anomalies)
            lines += describe_anomalies(split, anomalies)
            remedies |= dict.fromkeys(find_remedies(anomalies, heads))
        if lines:
            raise AnomalyError(
                "The examples must agree with the schema that the heads declare"
                + (" and with the last span" if earlier else "")
                + f". Found {len(lines)} "
                + ("anomalies: " if len(lines) > 1 else "anomaly: ")
                + "; ".join(lines)
                + f". {', or '.join(remedies)}."
            )
        if history:
            record_statistics(history, statistics)
        against = f", drift measured against span {earlier[0].span}" if earlier else ""
        counted = "1 head" if len(names) == 1 else f"{len(names)} heads"
        LOGGER.info("%s sound in %s%s", counted, ", ".join(splits), against)


def _load(artifact: Any, split: str) -> statistics_pb2.DatasetFeatureStatisticsList:
    return tfdv.load_stats_binary(
        os.path.join(artifact_utils.get_split_uri([artifact], split), "FeatureStats.pb")
    )


def _write(path: str, anomalies: anomalies_pb2.Anomalies) -> None:
    fileio.makedirs(os.path.dirname(path))
    with fileio.open(path, "w") as file:
        file.write(text_format.MessageToString(anomalies))


def recorded_statistics(history: str, span: int) -> list[Any]:
    """The statistics of the latest sound span before `span`, or none.

    HISTORY/statistics/span-12/Split-train/FeatureStats.pb
    """
    folder = os.path.join(history, "statistics")
    if not history or not fileio.exists(folder):
        return []
    names = (name.rstrip("/").removeprefix("span-") for name in fileio.listdir(folder))
    spans = [int(name) for name in names if name.isdecimal() and int(name) < span]
    if not spans:
        return []
    artifact = standard_artifacts.ExampleStatistics()
    artifact.uri = os.path.join(folder, f"span-{max(spans)}")
    artifact.split_names = artifact_utils.encode_split_names([DRIFT_SPLIT])
    artifact.span = max(spans)
    return [artifact]


def record_statistics(history: str, statistics: Any) -> None:
    """Keeps the statistics of a sound span, in place of those of an earlier run over it.

    What is read is one file, copied beside and then renamed.
    """
    name = os.path.join(f"Split-{DRIFT_SPLIT}", "FeatureStats.pb")
    target = os.path.join(history, "statistics", f"span-{statistics.span}", name)
    fileio.makedirs(os.path.dirname(target))
    fileio.copy(os.path.join(statistics.uri, name), f"{target}.partial", overwrite=True)
    fileio.rename(f"{target}.partial", target, overwrite=True)


class ExamplesValidatorSpec(ComponentSpec):
    """Inputs, outputs and parameters of `ExamplesValidator`."""

    PARAMETERS = {
        "heads": ExecutionParameter(type=str),  # JSON of `heads_to_json`
        # Folder or bucket where the statistics of sound spans are kept and looked up, on platforms
        # whose store cannot be asked for `previous_statistics`.
        "history": ExecutionParameter(type=str, optional=True),
    }
    INPUTS = {
        "statistics": ChannelParameter(type=standard_artifacts.ExampleStatistics),
        "schema": ChannelParameter(type=standard_artifacts.Schema),
        # Of an earlier span; where there are none, no drift is measured.
        "previous_statistics": ChannelParameter(
            type=standard_artifacts.ExampleStatistics, optional=True
        ),
    }
    OUTPUTS = {"anomalies": ChannelParameter(type=standard_artifacts.ExampleAnomalies)}


class ExamplesValidator(WiredComponent):
    """Fails where the examples break the schema or drifted from the last span."""

    SPEC_CLASS = ExamplesValidatorSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(ExamplesValidatorExecutor)


class LastSpanStrategy(resolver.ResolverStrategy):
    """Resolves `previous_statistics` to those of the latest sound span before `statistics`.

    Statistics that stopped their run are no measure: else a drift would stop one run, and the next
    span, drifted as far, would pass against it. Filters in Python: the metadata store of this
    release has no query language.
    """

    def resolve_artifacts(
        self, store: Any, input_dict: dict[str, list[Any]]
    ) -> dict[str, list[Any]]:
        current = artifact_utils.get_single_instance(input_dict["statistics"])
        earlier = [
            artifact
            for artifact in input_dict["previous_statistics"]
            if artifact.span < current.span
        ]
        sound = _validated(store, [artifact.id for artifact in earlier])
        latest = max(
            (artifact for artifact in earlier if artifact.id in sound),
            key=lambda artifact: (artifact.span, artifact.id),
            default=None,
        )
        return {
            "statistics": [current],
            "previous_statistics": [latest] if latest else [],
        }


def _validated(store: Any, artifact_ids: list[int]) -> set[int]:
    """Those statistics that an ExamplesValidator has found sound."""
    events = store.get_events_by_artifact_ids(artifact_ids) if artifact_ids else []
    executions = store.get_executions_by_id({event.execution_id for event in events})
    sound = {
        execution.id
        for execution in executions
        if execution.last_known_state in _ENDED_WELL
        and execution.type.rpartition(".")[2] == ExamplesValidator.__name__
    }
    return {
        event.artifact_id
        for event in events
        if event.execution_id in sound and event.path.steps[0].key == "statistics"
    }

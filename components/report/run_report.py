"""The TFX component that ends every run: the report's page, its record, and the model card.

Enters: what the other stages left, by channel; what is not there (no search, no comparison, nothing
behind a stage that failed) is said to be missing on the page. Leaves: a `Report` with the files of
`render_files`. Where a stage fails, the local runner launches it too, with the execution property
`failure`. That runner copies the files into the run's folder. Never found in the cache: its history
differs in every run.
"""

from __future__ import annotations

import json
import logging
import os
from typing import Any

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx.dsl.components.base import base_executor, executor_spec
from tfx.dsl.io import fileio
from tfx.types import artifact_utils, standard_artifacts
from tfx.types.artifact import Artifact
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from tfx.utils import io_utils

from components.comparison import COMPARISON_FILE
from components.comparison.component import Comparison
from components.heads.declared import heads_from_json
from components.ingest.audit import JoinAudit
from components.report.history import HISTORY, HistoryDriver
from components.report.page import render_files
from components.report.profiles import ANSWERS_FILE, DATA_FILE, Profile
from components.report.record import RunRecord, read_rows, read_trials
from components.report.settings import CardSettings
from components.retraining.record import DECISION_FILE, RetrainingDecision
from components.wiring import Artifacts, WiredComponent

LOGGER = logging.getLogger("authorprofile.report")
DRIFT_SPLIT = "train"
FAILURE = "failure"
# Padding and unknown tokens have ids, and no line in the vocabulary's file.
RESERVED_IDS = 2
# What is read of the run before; its file has the key's name.
_PREVIOUS = {"ModelBlessing": "verdict", "ModelRun": "training", JoinAudit.TYPE_NAME: "audit"}


class Report(Artifact):
    """A run explained: `report.html`, `report.json`, `model_card.md`."""

    TYPE_NAME = "components.Report"


class RunReportSpec(ComponentSpec):
    """Inputs, outputs and properties of `RunReport`."""

    PARAMETERS = {
        "heads": ExecutionParameter(type=str),  # JSON of `heads_to_json`
        "card": ExecutionParameter(type=str),  # `CardSettings` as JSON
        "titles": ExecutionParameter(type=str),  # of the stages, for people, as a JSON object
        "config": ExecutionParameter(type=str),  # file that repeats the run; empty: unknown
        "reachable": ExecutionParameter(type=str),  # JSON file of best scores; empty: unknown
        "decision": ExecutionParameter(type=str),  # of a retraining, as JSON; empty: asked for
        HISTORY: ExecutionParameter(type=str),
        FAILURE: ExecutionParameter(type=str),
    }
    INPUTS = {
        "blessing": ChannelParameter(type=standard_artifacts.ModelBlessing),
        "infra_blessing": ChannelParameter(type=standard_artifacts.InfraBlessing),
        "pushed_model": ChannelParameter(type=standard_artifacts.PushedModel),
        "model_run": ChannelParameter(type=standard_artifacts.ModelRun),
        "audit": ChannelParameter(type=JoinAudit),
        "data": ChannelParameter(type=Profile),
        "answers": ChannelParameter(type=Profile),
        "anomalies": ChannelParameter(type=standard_artifacts.ExampleAnomalies),
        "transform_graph": ChannelParameter(type=standard_artifacts.TransformGraph),
        "tuner_results": ChannelParameter(type=standard_artifacts.TunerResults, optional=True),
        "comparison": ChannelParameter(type=Comparison, optional=True),
        "retraining": ChannelParameter(type=RetrainingDecision, optional=True),
    }
    OUTPUTS = {"report": ChannelParameter(type=Report)}


class RunReportExecutor(base_executor.BaseExecutor):
    """Gathers, draws, writes."""

    def Do(
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        """Writes the three files."""
        self._log_startup(input_dict, output_dict, exec_properties)
        record = gather(input_dict, exec_properties)
        folder = artifact_utils.get_single_uri(output_dict["report"])
        files = render_files(record)
        for name, text in files.items():
            io_utils.write_string_file(os.path.join(folder, name), text)
        LOGGER.info("drawn: %s", ", ".join(files))


class RunReport(WiredComponent):
    """Explains a run; output `report`."""

    SPEC_CLASS = RunReportSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(RunReportExecutor)
    DRIVER_CLASS = HistoryDriver

    def __init__(self, **arguments: Any) -> None:
        # The driver fills in the history, the local runner a failure.
        super().__init__(**arguments, **{HISTORY: "", FAILURE: ""})


def gather(inputs: Artifacts, properties: dict[str, Any]) -> RunRecord:
    """Reads the artifacts into a record.

    Args:
        inputs: artifacts by the names of `RunReportSpec.INPUTS`.
        properties: execution properties by the names of its PARAMETERS.
    """
    history = json.loads(properties.get(HISTORY) or "{}")
    reachable = _read(properties.get("reachable") or "")
    return RunRecord(
        heads=[head.model_dump() for head in heads_from_json(properties["heads"])],
        failure=json.loads(properties.get(FAILURE) or "{}"),
        verdict=_json(_uri(inputs, "blessing"), "verdict.json"),
        check=_json(_uri(inputs, "infra_blessing"), "check.json"),
        pushed=_pushed(inputs),
        training=_json(_uri(inputs, "model_run"), "training.json"),
        trials=read_trials(
            _read(_uri(inputs, "tuner_results"), "trials.json"),
            _read(_uri(inputs, "tuner_results"), "tuner_results.json"),
        ),
        audit=_json(_uri(inputs, "audit"), "audit.json"),
        data=_json(_uri(inputs, "data"), DATA_FILE),
        answers=_json(_uri(inputs, "answers"), ANSWERS_FILE),
        drift=read_drift(_read(_uri(inputs, "anomalies"), f"Split-{DRIFT_SPLIT}/anomalies.pbtxt")),
        vocabulary=_count_words(_uri(inputs, "transform_graph")),
        history=history,
        previous=_read_previous(history.get("previous", {})),
        comparison=read_rows(_read(_uri(inputs, "comparison"), COMPARISON_FILE) or "[]"),
        reachable=json.loads(reachable)["heads"] if reachable else {},
        card=CardSettings.model_validate_json(properties["card"]),
        titles=json.loads(properties["titles"]),
        config=properties.get("config") or "",
        decision=json.loads(
            properties.get("decision") or _read(_uri(inputs, "retraining"), DECISION_FILE) or "{}"
        ),
        created=history.get("run", ""),
    )


def _pushed(inputs: Artifacts) -> str:
    """Folder of the pushed version; empty where none was."""
    for artifact in inputs.get("pushed_model") or []:
        if artifact.get_int_custom_property("pushed"):
            return str(artifact.get_string_custom_property("pushed_destination"))
    return ""


def read_drift(anomalies: str) -> list[dict[str, Any]]:
    """Per head the distance from the last span and its bound, from `anomalies.pbtxt`."""
    content = text_format.Parse(anomalies, anomalies_pb2.Anomalies())
    measures = anomalies_pb2.DriftSkewInfo.Measurement
    titles = {
        measures.L_INFTY: "largest change of a value's share",
        measures.JENSEN_SHANNON_DIVERGENCE: "Jensen-Shannon divergence, 0 to 1",
    }
    return [
        {
            "head": info.path.step[0],
            "measure": titles.get(found.type, "distance"),
            "value": found.value,
            "threshold": found.threshold,
        }
        for info in content.drift_skew_info
        for found in info.drift_measurements
    ]


def _read_previous(folders: dict[str, str]) -> dict[str, Any]:
    """What is left of the run before; its files may have been deleted since."""
    found: dict[str, Any] = {"run": folders.get("run", "")} if folders else {}
    for kind, key in _PREVIOUS.items():
        if content := _json(folders.get(kind, ""), f"{key}.json"):
            found[key] = content
    return found


def _count_words(transform_graph: str) -> int:
    path = os.path.join(transform_graph, "transform_fn", "assets", "tokens")
    if not transform_graph or not fileio.exists(path):
        return 0
    with fileio.open(path, "rb") as file:
        return RESERVED_IDS + sum(1 for _ in file)


def _uri(inputs: Artifacts, name: str) -> str:
    artifacts = inputs.get(name) or []
    return str(artifacts[0].uri) if artifacts else ""


def _json(folder: str, name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(_read(folder, name) or "{}")
    return content


def _read(folder: str, name: str = "") -> str:
    """A file's text; empty where it is not there."""
    path = os.path.join(folder, name) if name else folder
    if not folder or not fileio.exists(path):
        return ""
    with fileio.open(path, "rb") as file:
        return bytes(file.read()).decode("utf-8")

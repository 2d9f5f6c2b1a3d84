"""What Kubeflow and Vertex AI do around a step: what they write before it and read behind it.

| | Kubeflow Pipelines | Vertex AI |
|---|---|---|
| name of an artifact | number in its store; of an output its key | resource name |
| type of an input | an empty schema | the schema |
| kept beside the step's own metadata | `display_name`, `store_session_info` | nothing |
| a value of null in metadata | an error | kept |
| hook before the cache | none | `preCacheCheck`, whose parameters win |

Sources: kubeflow/pipelines, backend/src/v2 (driver/driver.go, driver/resolve.go,
metadata/client.go, metadata/converter.go, component/launcher_v2.go);
tfx/orchestration/kubeflow/v2/container/testdata.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from pipeline.deploy.rehearsal.container import StepError
from pipeline.deploy.rehearsal.graph import Artifact, Task

PLACEHOLDER = "{{$}}"
_INVOCATION = pipeline_spec_pb2.ExecutorInput
_OUTPUT = pipeline_spec_pb2.ExecutorOutput


@dataclass
class Kubeflow:
    """Kubeflow's driver and launcher.

    Attributes:
        root: folder of this run's artifacts.
    """

    root: Path
    output_file_name = "output_metadata.json"
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def invocation(
        self, task: Task, artifacts: Mapping[str, Artifact], parameters: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The task's `ExecutorInput` as JSON."""
        folder = self.root / task.name
        return _as_json(
            {
                "inputs": {
                    "artifacts": {
                        n: {"artifacts": [self.input(one)]} for n, one in artifacts.items()
                    },
                    "parameterValues": dict(parameters),
                },
                "outputs": {
                    "artifacts": {
                        name: {"artifacts": [self.output(name, str(folder / name), declared)]}
                        for name, declared in task.outputs().items()
                    },
                    "parameters": {
                        name: {"outputFile": str(folder / f"{name}.parameter")}
                        for name in task.output_parameters()
                    },
                    "outputFile": str(folder / self.output_file_name),
                },
            }
        )

    def input(self, artifact: Artifact) -> Artifact:
        """An input artifact as the platform hands it on."""
        return {**artifact, "type": {"instanceSchema": ""}}

    def output(self, name: str, uri: str, declared: Mapping[str, Any]) -> Artifact:
        """An output artifact before the step."""
        return _artifact(name, uri, declared)

    def hook(self, task: Task) -> list[str]:
        """The command before the cache; Kubeflow has none."""
        return []

    def kept(self, name: str, before: Artifact, after: Artifact) -> Artifact:
        """An output artifact as the store keeps it behind the step.

        Raises:
            StepError: the store cannot keep it.
        """
        metadata = {**before.get("metadata", {}), **after.get("metadata", {})}
        for key, value in metadata.items():
            if value is None:
                raise StepError(f"Kubeflow keeps no null in metadata; {name} has one in {key}")
        metadata.setdefault("display_name", name)
        metadata.setdefault("store_session_info", json.dumps({"Provider": "", "Params": None}))
        uri = after.get("uri") or before["uri"]
        return {**before, "name": str(next(self._ids)), "uri": uri, "metadata": metadata}


@dataclass
class Vertex(Kubeflow):
    """Vertex AI's."""

    output_file_name = "executor_output.json"

    def input(self, artifact: Artifact) -> Artifact:
        return artifact

    def output(self, name: str, uri: str, declared: Mapping[str, Any]) -> Artifact:
        store = "projects/1/locations/europe-west4/metadataStores/default/artifacts"
        return _artifact(f"{store}/{next(self._ids)}", uri, declared)

    def hook(self, task: Task) -> list[str]:
        lifecycle = task.executor["container"].get("lifecycle", {}).get("preCacheCheck", {})
        return [*lifecycle.get("command", []), *lifecycle.get("args", [])]

    def kept(self, name: str, before: Artifact, after: Artifact) -> Artifact:
        metadata = {**before.get("metadata", {}), **after.get("metadata", {})}
        return {**before, "uri": after.get("uri") or before["uri"], "metadata": metadata}


def fill(words: list[str], invocation: Mapping[str, Any]) -> list[str]:
    """A container's command with the invocation in place of its placeholder.

    Raises:
        StepError: another placeholder is left, which this rehearsal does not fill.
    """
    filled = [word.replace(PLACEHOLDER, json.dumps(invocation)) for word in words]
    if any("{{$." in word for word in words):
        raise StepError(f"a command has a placeholder that is not known: {words}")
    return filled


def read_output(invocation: Mapping[str, Any]) -> dict[str, Any]:
    """What a step reported; empty where it wrote nothing."""
    path = Path(invocation["outputs"]["outputFile"])
    if not path.exists():
        return {}
    return _as_json(json.loads(path.read_text(encoding="utf-8")), _OUTPUT)


def import_artifact(task: Task, parameters: Mapping[str, Any], name: str) -> tuple[str, Artifact]:
    """What an importer makes: the key of its output, and the artifact."""
    importer = task.executor["importer"]
    address = importer["artifactUri"]
    uri = address["constant"] if "constant" in address else parameters[address["runtimeParameter"]]
    ((key, _),) = task.outputs().items()
    metadata = importer.get("metadata", {})
    return key, {"name": name, "uri": uri, "type": importer["typeSchema"], "metadata": metadata}


def _artifact(name: str, uri: str, declared: Mapping[str, Any]) -> Artifact:
    metadata = declared.get("metadata", {})
    return {"name": name, "uri": uri, "type": declared["artifactType"], "metadata": metadata}


def _as_json(content: Mapping[str, Any], message: Any = _INVOCATION) -> dict[str, Any]:
    """JSON as the platform's own message writes it; an unknown field is an error."""
    written: dict[str, Any] = json_format.MessageToDict(json_format.ParseDict(content, message()))
    return written

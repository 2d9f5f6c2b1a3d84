"""A compiled spec, read from its file and checked before a platform sees it."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from pipeline.cloud.target import Parameters, missing_library
from pipeline.config import ConfigError
from pipeline.deploy.settings import SUFFIXES, Target
from pipeline.deploy.specification import installed, maker_of

SCHEMA_VERSION = "2.1.0"
_TYPES: dict[str, type] = {
    "STRING": str,
    "NUMBER_INTEGER": int,
    "NUMBER_DOUBLE": float,
    "BOOLEAN": bool,
}
_BOOLEANS = {"true": True, "false": False}


@dataclasses.dataclass(frozen=True)
class CompiledSpec:
    """A spec that this version made, of a form its target takes.

    Args:
        document: the whole file: a PipelineJob for Vertex AI, a PipelineSpec for Kubeflow.
        pipeline: its PipelineSpec.
        digest: of the file's bytes.
    """

    path: Path
    document: Mapping[str, Any]
    pipeline: Mapping[str, Any]
    digest: str

    @property
    def name(self) -> str:
        """The pipeline's name."""
        return str(self.pipeline["pipelineInfo"]["name"])

    @property
    def tasks(self) -> list[str]:
        """Names of the steps, those within groups too."""
        return tasks_of(self.pipeline)

    @property
    def declared(self) -> dict[str, Mapping[str, Any]]:
        """The runtime parameters by name."""
        return dict(self.pipeline["root"].get("inputDefinitions", {}).get("parameters", {}))

    def typed(self, parameters: Parameters) -> dict[str, Any]:
        """The parameters in the types that the spec declares.

        Raises:
            ConfigError: one is unknown, of another type, or missing.
        """
        unknown = [name for name in parameters if name not in self.declared]
        if unknown:
            known = ", ".join(self.declared) or "none"
            raise ConfigError(f"--parameter: the spec declares {known}; got {', '.join(unknown)}")
        given = self.document.get("runtimeConfig", {}).get("parameterValues", {})
        missing = [
            name
            for name, declaration in self.declared.items()
            if name not in parameters and name not in given and "defaultValue" not in declaration
        ]
        if missing:
            raise ConfigError(
                f"--parameter: {', '.join(missing)} must be given: the spec has no default"
            )
        return {
            name: _converted(name, value, str(self.declared[name].get("parameterType")))
            for name, value in parameters.items()
        }


def read_spec(path: Path, target: Target) -> CompiledSpec:
    """Reads a compiled spec.

    Raises:
        ConfigError: it cannot be read, is of another target, breaks the published schema, or was
            made by another version of this package.
    """
    if ":/" in str(path):
        raise ConfigError(f"spec: must be a file of this machine; got {path}; copy it here first")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"spec: {path} cannot be read: {error.strerror}") from None
    if path.suffix.replace(".yml", ".yaml") != SUFFIXES[target]:
        raise ConfigError(f"spec: {target} takes a file *{SUFFIXES[target]}; got {path}")
    document = _parse(path, content)
    pipeline = document.get("pipelineSpec") if target == "vertex" else document
    if not isinstance(pipeline, dict) or "pipelineInfo" not in pipeline:
        form = "a PipelineJob (JSON)" if target == "vertex" else "a PipelineSpec (YAML)"
        raise ConfigError(
            f"spec: {target} takes {form}; {path} is none; authorprofile compile --target {target} "
            "writes it"
        )
    if (maker := maker_of(pipeline)) != installed():
        raise ConfigError(
            f"spec: must be made by the installed {installed()}; {path} was made by {maker}; run "
            "authorprofile compile again"
        )
    try:
        _check_schema(path, pipeline)
    except ModuleNotFoundError as error:
        raise missing_library(target, error) from None
    return CompiledSpec(path, document, pipeline, hashlib.sha256(content).hexdigest())


def tasks_of(pipeline: Mapping[str, Any]) -> list[str]:
    """Names of a PipelineSpec's steps, those within groups too."""
    graphs = [pipeline.get("root", {}), *pipeline.get("components", {}).values()]
    return [task for graph in graphs for task in graph.get("dag", {}).get("tasks", {})]


def package_version() -> str:
    """The version of this package that is installed."""
    return importlib.metadata.version("authorprofile")


def parse_parameters(assignments: Iterable[str]) -> dict[str, str]:
    """Runtime parameters of the command line.

    >>> parse_parameters(["span=7", "pattern=gs://bucket/a=b"])
    {'span': '7', 'pattern': 'gs://bucket/a=b'}
    """
    parameters = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals or not name:
            raise ConfigError(f"--parameter takes name=value, such as span=7; got {assignment!r}")
        parameters[name] = value
    return parameters


def _parse(path: Path, content: bytes) -> dict[str, Any]:
    try:
        if path.suffix == ".json":
            document = json.loads(content)
        else:
            # A second document may hold what is particular to Kubernetes.
            document = next(iter(yaml.load_all(content, Loader=yaml.CSafeLoader)), None)
    except (ValueError, yaml.YAMLError) as error:
        form, fault = path.suffix[1:].upper(), " ".join(str(error).split())
        raise ConfigError(f"spec: {path} is not {form}: {fault}") from None
    return document if isinstance(document, dict) else {}


def _check_schema(path: Path, pipeline: Mapping[str, Any]) -> None:
    from google.protobuf import json_format
    from kfp.pipeline_spec import pipeline_spec_pb2

    try:
        parsed = json_format.ParseDict(pipeline, pipeline_spec_pb2.PipelineSpec())
    except json_format.ParseError as error:
        fault = " ".join(str(error).split())
        raise ConfigError(f"spec: {path} breaks the PipelineSpec schema: {fault}") from None
    if parsed.schema_version != SCHEMA_VERSION or not parsed.root.dag.tasks:
        raise ConfigError(
            f"spec: must have steps and schema version {SCHEMA_VERSION}; {path} has "
            f"{len(parsed.root.dag.tasks)} steps and version {parsed.schema_version!r}"
        )


def _converted(name: str, value: Any, kind: str) -> Any:
    wanted = _TYPES.get(kind)
    if wanted is None:
        return value
    try:
        if wanted is bool:
            return value if isinstance(value, bool) else _BOOLEANS[str(value).lower()]
        return wanted(value)
    except (KeyError, ValueError):
        raise ConfigError(f"--parameter {name}: must be {kind}; got {value!r}") from None

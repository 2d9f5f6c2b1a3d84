"""The model in service, where no store can be asked for it: the newest pushed version.

Enters: the folder or bucket of served versions, the candidate. Leaves: a `Model` with a copy of the
newest version that is not the candidate itself, so that a version which goes meanwhile is still
there to be judged against; and `in_service.json`, which names the version, or none where nothing is
served yet. Kubeflow runs no resolvers and Vertex AI those of TFX alone; here `baseline` does it.
Never from the cache: what is in service is not seen in its inputs.

    in_service.json: {"version": "gs://models/serving/1795486260"}
"""

from __future__ import annotations

import functools
import json
import logging
import os
from typing import Any

from tfx import types
from tfx.dsl.components.base import base_executor, executor_spec
from tfx.dsl.io import fileio
from tfx.types import artifact_utils, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from tfx.utils import io_utils, path_utils

from components.serving.bucket import find_damage, numbered, origin
from components.serving.versions import MODEL_FILE, serving_order
from components.wiring import Artifacts, WiredComponent, serving_path

RECORD_FILE = "in_service.json"
# Names the weights and the graph of a SavedModel in a few bytes.
FINGERPRINT_FILE = "fingerprint.pb"
_LOG = logging.getLogger("authorprofile.judging")


class ModelInServiceSpec(ComponentSpec):
    """Inputs, outputs and parameters of `ModelInService`."""

    PARAMETERS = {"destination": ExecutionParameter(type=str)}  # folder or bucket of versions
    INPUTS = {"candidate": ChannelParameter(type=standard_artifacts.Model)}
    OUTPUTS = {"model": ChannelParameter(type=standard_artifacts.Model)}


class ModelInServiceExecutor(base_executor.BaseExecutor):
    """Copies the version; see the module."""

    def Do(
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        """Fills the model's folder."""
        self._log_startup(input_dict, output_dict, exec_properties)
        candidate = artifact_utils.get_single_instance(input_dict["candidate"])
        path = serving_path(candidate)
        output = artifact_utils.get_single_uri(output_dict["model"])
        version = newest_other_version(exec_properties["destination"], path)
        if version:
            io_utils.copy_dir(version, path_utils.serving_model_dir(output))
        io_utils.write_string_file(
            os.path.join(output, RECORD_FILE), json.dumps({"version": version})
        )
        _LOG.info("in service: %s", version or "nothing yet")


class ModelInService(WiredComponent):
    """Finds the model in service; output `model`."""

    SPEC_CLASS = ModelInServiceSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(ModelInServiceExecutor)


def newest_other_version(destination: str, candidate: str) -> str:
    """The version that serves, or would without the candidate; empty where there is none.

    A repeated run finds its own model in service already; judged against itself it could not win.
    """
    own = functools.partial(origin, destination)
    for number in serving_order(numbered(destination, MODEL_FILE), own):
        version = os.path.join(destination, str(number))
        if _same(version, candidate):
            continue
        damage = find_damage(version)
        if not damage:
            return version
        _LOG.warning("not used for comparison: %s is damaged: %s", version, damage)
    return ""


def is_empty(model: types.Artifact) -> bool:
    """Whether the artifact says that nothing is in service."""
    path = os.path.join(model.uri, RECORD_FILE)
    if not fileio.exists(path):
        return False
    return not json.loads(io_utils.read_bytes_file(path))["version"]


def _same(version: str, candidate: str) -> bool:
    return all(
        _read(os.path.join(version, name)) == _read(os.path.join(candidate, name))
        for name in (FINGERPRINT_FILE, MODEL_FILE)
    )


def _read(path: str) -> bytes:
    return bytes(io_utils.read_bytes_file(path)) if fileio.exists(path) else b""

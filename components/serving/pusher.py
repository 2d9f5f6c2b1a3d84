"""The Pusher, with versions that appear whole or not at all.

Enters: a model and its blessings. Leaves: a new version in the destination folder, with how good
each head measured on `test` in `assets.extra/quality.json` and the digests of all its files in
`assets.extra/SHA256SUMS`, a folder that TensorFlow leaves alone; and a PushedModel with the stock
properties `pushed`, `pushed_destination`, `pushed_version`. A model whose files are not those that
the serving check asked is not pushed, and what was written is read back before it is a version.

    quality.json: {"age": {"metric": "mae", "value": 4.1, "lower": 3.8, "upper": 4.5}}

On a file system the version appears by one rename. A bucket has no atomic rename: there
`saved_model.pb` is copied last, a version folder without it is no version, and two pushes to one
bucket must not run at the same time.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfx import types
from tfx.components.pusher import component as stock_component
from tfx.components.pusher import executor as stock_executor
from tfx.dsl.components.base import executor_spec
from tfx.dsl.io import fileio
from tfx.proto import pusher_pb2
from tfx.types import artifact_utils, standard_component_specs
from tfx.types.component_spec import ExecutionParameter
from tfx.utils import io_utils, proto_utils

from components.digests import Manifest, digest_of_content, read_manifest
from components.heads.declared import HEADS
from components.judging.blessing import VERDICT_FILE
from components.serving import bucket
from components.serving.assets import QUALITY_FILE
from components.serving.checked import read_checked, require_checked
from components.serving.versions import (
    MANIFEST_FILE,
    NOTHING_BESIDE,
    Push,
    push_version,
)
from components.wiring import Artifacts, WiredComponent

_LOG = logging.getLogger("authorprofile.serving")


class VersionedPusherExecutor(stock_executor.Executor):
    """The stock executor with an atomic push that may be repeated."""

    def Do(
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        """Pushes the model where every blessing given allows it, and records what was done.

        Raises:
            ValueError: the destination is no folder of versions numbered by time, or the model is
                not what the serving check asked.
            OSError: the destination cannot be written, or holds something else than was written.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        pushed = artifact_utils.get_single_instance(output_dict["pushed_model"])
        if not self.CheckBlessing(input_dict):
            self._MarkNotPushed(pushed)
            _LOG.info("not pushed, since the model is not blessed")
            return
        model = self.GetModelPath(input_dict)
        destination = base_directory(exec_properties)
        manifest = checked_manifest(model, input_dict)
        push = push_model(model, destination, with_manifest(manifest, beside_model(input_dict)))
        io_utils.copy_dir(model, pushed.uri)
        version = str(push.version)
        self._MarkPushed(pushed, os.path.join(destination, version), version)
        state = "pushed" if push.is_new else "already in service"
        _LOG.info("%s: %s", state, os.path.join(destination, version))


class VersionedPusherSpec(standard_component_specs.PusherSpec):
    """TFX's Pusher, with a folder that a submission may give."""

    PARAMETERS = {
        **standard_component_specs.PusherSpec.PARAMETERS,
        # Runtime parameter, in place of the folder that `push_destination` names.
        "destination": ExecutionParameter(type=str, optional=True),
    }


class VersionedPusher(WiredComponent, stock_component.Pusher):
    """A Pusher whose versions are never seen half-written."""

    SPEC_CLASS = VersionedPusherSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(VersionedPusherExecutor)

    def __init__(self, **arguments: Any) -> None:
        # As TFX's own constructor has it.
        super().__init__(custom_config="null", **arguments)


def base_directory(exec_properties: dict[str, Any]) -> str:
    """The folder of versions that `destination` or `push_destination` names. Raises ValueError."""
    if exec_properties.get("destination"):
        return str(exec_properties["destination"])
    destination = pusher_pb2.PushDestination()
    text = exec_properties.get("push_destination")
    if text:
        proto_utils.json_to_proto(text, destination)
    filesystem = destination.filesystem
    versioning = pusher_pb2.Versioning
    numbered = filesystem.versioning in (versioning.AUTO, versioning.UNIX_TIMESTAMP)
    if not filesystem.base_directory or not numbered:
        raise ValueError(
            "push_destination must name a filesystem.base_directory with versions by time; "
            f"it is {text}. Set the base directory and leave the versioning alone."
        )
    return str(filesystem.base_directory)


def beside_model(input_dict: dict[str, list[types.Artifact]]) -> dict[str, bytes]:
    """The quality file by its path; nothing where the model was blessed without a verdict."""
    blessings = input_dict.get("model_blessing") or []
    path = os.path.join(blessings[0].uri, VERDICT_FILE) if blessings else ""
    if not path or not fileio.exists(path):
        return {}
    quality = measured_quality(json.loads(io_utils.read_bytes_file(path)))
    return {QUALITY_FILE: json.dumps(quality, indent=1).encode()}


def checked_manifest(model: str, input_dict: dict[str, list[types.Artifact]]) -> Manifest:
    """The model's files, which are those that the serving check asked.

    Raises:
        ValueError: they are not.
    """
    manifest = bucket.read_manifest(model) if "://" in model else read_manifest(Path(model))
    checked = read_checked(artifact_utils.get_single_instance(input_dict["infra_blessing"]))
    if checked is None:
        _LOG.warning("the serving check recorded no digest; the model's files are taken as found")
    else:
        require_checked(checked, manifest, model)
    return manifest


def with_manifest(manifest: Manifest, beside: Mapping[str, bytes]) -> dict[str, bytes]:
    """What belongs beside the model, and the list of digests of both."""
    added = {name: digest_of_content([content]) for name, content in beside.items()}
    text = Manifest({**manifest.files, **added}).text
    return {**beside, MANIFEST_FILE: text.encode("utf-8", "surrogateescape")}


def measured_quality(verdict: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """How good each head measured: one metric with its interval, from the Evaluator's verdict.

    It is the one that people know best, or the first of the others that has an interval; beside it
    stands the same of the linear and of the constant baseline, where they are known. A head of
    which no metric could be told with an interval is left out.
    """
    quality = {}
    for head in verdict["heads"]:
        leading = HEADS[head["kind"]].metrics[0].key
        names = [leading, *sorted(set(head["metrics"]) - {leading})]
        told = (name for name in names if head["metrics"].get(name, {}).get("lower") is not None)
        name = next(told, None)
        if name is not None:
            estimate = head["metrics"][name]
            ends = {key: estimate[key] for key in ("value", "lower", "upper")}
            beside = {
                "linear_baseline": ((head.get("linear_baseline") or {}).get("metrics") or {})
                .get(name, {})
                .get("value"),
                "constant_baseline": (head.get("constant") or {}).get(name),
            }
            known = {key: value for key, value in beside.items() if value is not None}
            quality[head["name"]] = {"metric": name, **ends, **known}
    return quality


def push_model(model: str, destination: str, beside: Mapping[str, bytes] = NOTHING_BESIDE) -> Push:
    """As `versions.push_version`; the model and the destination are paths or addresses."""
    if "://" in destination:
        return bucket.push_version(model, destination, beside)
    if "://" not in model:
        return push_version(Path(model), Path(destination), beside)
    with tempfile.TemporaryDirectory(prefix="push-") as scratch:
        local = os.path.join(scratch, "model")
        io_utils.copy_dir(model, local)
        return push_version(Path(local), Path(destination), beside)

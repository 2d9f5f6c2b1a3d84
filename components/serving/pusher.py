"""The Pusher, with versions that appear whole or not at all.

Enters: a model and its blessings. Leaves: a new version in the destination folder, and a
PushedModel with the stock properties `pushed`, `pushed_destination`, `pushed_version`. Run by the
pipeline as its last stage.

On a file system the version appears by one rename. A bucket has no atomic rename: there
`saved_model.pb` is copied last, a version folder without it is no version, and two pushes to one
bucket must not run at the same time.
"""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path
from typing import Any

from tfx import types
from tfx.components.pusher import component as stock_component
from tfx.components.pusher import executor as stock_executor
from tfx.dsl.components.base import executor_spec
from tfx.dsl.io import fileio
from tfx.proto import pusher_pb2
from tfx.types import artifact_utils
from tfx.utils import io_utils, proto_utils

from components.serving.versions import (
    MODEL_FILE,
    Push,
    next_version,
    push_version,
    version_numbers,
)

_LOG = logging.getLogger("authorprofile.serving")
_CHUNK_BYTES = 1 << 20


class VersionedPusherExecutor(stock_executor.Executor):
    """The stock executor with an atomic push that may be repeated."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Pushes the model where every blessing given allows it, and records what was done.

        Raises:
            ValueError: the destination is no folder of versions numbered by time.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        pushed = artifact_utils.get_single_instance(output_dict["pushed_model"])
        if not self.CheckBlessing(input_dict):
            self._MarkNotPushed(pushed)
            _LOG.info("not pushed, since the model is not blessed")
            return
        model = self.GetModelPath(input_dict)
        destination = base_directory(exec_properties)
        push = push_model(model, destination)
        io_utils.copy_dir(model, pushed.uri)
        version = str(push.version)
        self._MarkPushed(pushed, os.path.join(destination, version), version)
        state = "pushed" if push.is_new else "already in service"
        _LOG.info("%s: %s", state, os.path.join(destination, version))


class VersionedPusher(stock_component.Pusher):
    """A Pusher whose versions are never seen half-written."""

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(VersionedPusherExecutor)


def base_directory(exec_properties: dict[str, Any]) -> str:
    """The folder of versions that `push_destination` names. Raises ValueError."""
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


def push_model(model: str, destination: str) -> Push:
    """Makes the model the newest version of the destination, a path or a bucket's address."""
    if "://" in destination:
        return _push_to_bucket(model, destination)
    if "://" not in model:
        return push_version(Path(model), Path(destination))
    with tempfile.TemporaryDirectory(prefix="push-") as scratch:
        local = os.path.join(scratch, "model")
        io_utils.copy_dir(model, local)
        return push_version(Path(local), Path(destination))


def _push_to_bucket(model: str, destination: str) -> Push:
    """Copies everything, then the file that makes it a version."""
    fileio.makedirs(destination)
    numbers = version_numbers(name.rstrip("/") for name in fileio.listdir(destination))
    versions = {number: os.path.join(destination, str(number)) for number in numbers}
    whole = [n for n in numbers if fileio.exists(os.path.join(versions[n], MODEL_FILE))]
    if whole and _same_files(model, versions[whole[-1]]):
        return Push(whole[-1], is_new=False)
    version = next_version(numbers)
    target = os.path.join(destination, str(version))
    io_utils.copy_dir(model, target, deny_regex_patterns=[r"/saved_model\.pb$"])
    io_utils.copy_file(os.path.join(model, MODEL_FILE), os.path.join(target, MODEL_FILE))
    return Push(version, is_new=True)


def _files(folder: str) -> list[str]:
    return sorted(
        os.path.relpath(os.path.join(parent, name), folder)
        for parent, _, names in fileio.walk(folder)
        for name in names
    )


def _same_files(one: str, other: str) -> bool:
    """Whether two folders hold the same files, byte for byte; stops at the first difference."""
    names = _files(one)
    return names == _files(other) and all(
        _same_bytes(os.path.join(one, name), os.path.join(other, name)) for name in names
    )


def _same_bytes(one: str, other: str) -> bool:
    with fileio.open(one, "rb") as first, fileio.open(other, "rb") as second:
        while chunk := first.read(_CHUNK_BYTES):
            if chunk != second.read(_CHUNK_BYTES):
                return False
        return not second.read(1)

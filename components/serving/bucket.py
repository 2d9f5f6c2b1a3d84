"""A bucket of model versions: what is there, which one serves, and the way back.

Enters: the address of a folder of versions (see `versions`), or its path. Leaves: what is there, or
one version more. An object store has no rename of folders and no lock: `saved_model.pb` is copied
last, and a folder without it is no version, so that a rollback which was cut off is none and is
done again under a higher number; two that change one bucket must not run at the same time. Called
by `pusher`, by `authorprofile models`, and where a step must know what serves. TensorFlow reads and
writes `gs://`, and whatever else has been registered with it; knows nothing of TFX.
"""

from __future__ import annotations

import json
import os
from typing import Any

import tensorflow as tf

from components.serving.versions import (
    MODEL_FILE,
    ROLLBACK_FILE,
    Rollback,
    RollbackError,
    choose_rollback,
    next_version,
    recorded_origin,
    version_numbers,
)


def numbered(folder: str, file: str) -> list[int]:
    """Numbers of the folders in a folder that hold a file, ascending; "" stands for any."""
    if not tf.io.gfile.exists(folder):
        return []
    numbers = version_numbers(name.rstrip("/") for name in tf.io.gfile.listdir(folder))
    return [
        number
        for number in numbers
        if not file or tf.io.gfile.exists(os.path.join(folder, str(number), file))
    ]


def origin(destination: str, version: int) -> int:
    """The version that a rollback took this one from; itself where it was pushed by a run.

    Raises:
        ValueError: the version's record of the rollback holds something else.
    """
    path = os.path.join(destination, str(version), ROLLBACK_FILE)
    return recorded_origin(path, _read(path)) if tf.io.gfile.exists(path) else version


def served_version(destination: str) -> int | None:
    """The version whose model serves: the newest, or the one that it is a rollback to."""
    whole = numbered(destination, MODEL_FILE)
    return origin(destination, whole[-1]) if whole else None


def roll_back(destination: str, to: int | None = None) -> Rollback:
    """Makes an earlier version's model the newest version, its `saved_model.pb` last.

    Args:
        destination: address of the folder of versions.
        to: version to serve again; None: the one pushed before that which serves.

    Raises:
        RollbackError: there is no such version, none before, or it serves already.
        tf.errors.OpError: the bucket cannot be read or written.
    """
    whole = numbered(destination, MODEL_FILE)
    if not whole:
        raise RollbackError(f"A rollback needs a folder of versions; {destination} holds none.")
    origins = {version: origin(destination, version) for version in whole}
    model = choose_rollback(origins, to)
    source = max(version for version, own in origins.items() if own == model)
    version = next_version(numbered(destination, ""))
    target = os.path.join(destination, str(version))
    _copy(os.path.join(destination, str(source)), target)
    record = os.path.join(target, ROLLBACK_FILE)
    tf.io.gfile.makedirs(os.path.dirname(record))
    _write(record, json.dumps({"version": model}))
    last = os.path.join(destination, str(source), MODEL_FILE)
    tf.io.gfile.copy(last, os.path.join(target, MODEL_FILE))
    return Rollback(model, version)


def _copy(source: str, target: str) -> None:
    """Copies a version's files but the one that makes it a version."""
    for parent, _, names in tf.io.gfile.walk(source):
        folder = target + parent.rstrip("/")[len(source) :]
        tf.io.gfile.makedirs(folder)
        for name in names:
            if (parent.rstrip("/"), name) != (source, MODEL_FILE):
                tf.io.gfile.copy(os.path.join(parent, name), os.path.join(folder, name))


def _read(path: str) -> Any:
    with tf.io.gfile.GFile(path, "rb") as file:
        return file.read()


def _write(path: str, text: str) -> None:
    with tf.io.gfile.GFile(path, "w") as file:
        file.write(text)

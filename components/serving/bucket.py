"""A bucket of model versions: what is there, which one serves, and the way back.

Enters: the address of a folder of versions (see `versions`), or its path. Leaves: what is there, or
one version more. An object store has no rename of folders and no lock: `saved_model.pb` is copied
last, and a folder without it is no version, so that a push or a rollback which was cut off is none
and is done again under a higher number; two that change one bucket must not run at the same time.
TensorFlow reads and writes `gs://`, and whatever else has been registered with it; knows nothing of
TFX.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import Any

import tensorflow as tf

from components.digests import Manifest, digest_of_content, parse_manifest
from components.serving.rollback import Rollback, RollbackError, choose_source, rollback_record
from components.serving.versions import (
    MANIFEST_FILE,
    MODEL_FILE,
    NOTHING_BESIDE,
    ROLLBACK_FILE,
    UNLISTED,
    Push,
    damage_against,
    next_version,
    recorded_origin,
    require_sound_copy,
    serving_order,
    version_numbers,
)

_CHUNK_BYTES = 1 << 20


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
    """The version whose model serves: the newest, or the one that it is a rollback to.

    Raises:
        ValueError: the newest version's record of a rollback holds something else.
    """
    own = functools.partial(origin, destination)
    for version in serving_order(numbered(destination, MODEL_FILE), own):
        if not find_damage(os.path.join(destination, str(version))):
            return own(version)
    return None


def roll_back(destination: str, to: int | None = None) -> Rollback:
    """As `rollback.roll_back`; its `saved_model.pb` is copied last.

    Raises:
        RollbackError: there is no such version, none before, it serves already, or it is damaged.
        ValueError: no version is named, and the newest one's record of a rollback is damaged.
        OSError: the bucket holds something else than was written.
        tf.errors.OpError: the bucket cannot be read or written.
    """
    whole = numbered(destination, MODEL_FILE)
    if not whole:
        raise RollbackError(f"A rollback needs a folder of versions; {destination} holds none.")
    model, source = choose_source(
        whole,
        to,
        functools.partial(origin, destination),
        lambda version: find_damage(os.path.join(destination, str(version))),
    )
    folder = os.path.join(destination, str(source))
    return Rollback(model, _add_version(folder, destination, rollback_record(model)))


def push_version(
    model: str, destination: str, beside: Mapping[str, bytes] = NOTHING_BESIDE
) -> Push:
    """As `versions.push_version`; its `saved_model.pb` is copied last.

    Raises:
        OSError: the bucket holds something else than was written.
        tf.errors.OpError: the bucket cannot be read or written.
    """
    whole = numbered(destination, MODEL_FILE)
    if whole and _holds(os.path.join(destination, str(whole[-1])), model, beside):
        return Push(whole[-1], is_new=False)
    return Push(_add_version(model, destination, beside), is_new=True)


def _add_version(model: str, destination: str, beside: Mapping[str, bytes]) -> int:
    """Copies a model, the file last that makes it a version; none where the copy is not sound."""
    version = next_version(numbered(destination, ""))
    target = os.path.join(destination, str(version))
    names = [name for name in _names(model) if name != MODEL_FILE]
    for folder in {os.path.dirname(name) for name in (MODEL_FILE, *names, *beside)}:
        tf.io.gfile.makedirs(os.path.join(target, folder))
    for name in names:
        tf.io.gfile.copy(os.path.join(model, name), os.path.join(target, name))
    for name, content in beside.items():
        with tf.io.gfile.GFile(os.path.join(target, name), "wb") as file:
            file.write(content)
    last = os.path.join(target, MODEL_FILE)
    tf.io.gfile.copy(os.path.join(model, MODEL_FILE), last)
    damage = find_damage(target)
    if damage:
        tf.io.gfile.remove(last)
    require_sound_copy(damage, target)
    return version


def _holds(version: str, model: str, beside: Mapping[str, bytes]) -> bool:
    """Whether a version holds the model and what belongs beside it; stops at a difference."""
    names = list(_names(model))
    return (
        sorted(_names(version)) == sorted([*names, *beside])
        and all(
            _same_bytes(os.path.join(model, name), os.path.join(version, name)) for name in names
        )
        and all(_read(os.path.join(version, name)) == content for name, content in beside.items())
    )


def _same_bytes(one: str, other: str) -> bool:
    return all(first == second for first, second in zip_longest(_pieces(one), _pieces(other)))


def find_damage(version: str) -> str:
    """What of a version's files has changed since it was pushed, in words; empty: nothing.

    Reads the whole version over the network. Without a list of digests nothing is known.
    """
    listed = os.path.join(version, MANIFEST_FILE)
    if not tf.io.gfile.exists(listed):
        return ""
    return damage_against(_read(listed), read_manifest(version).without(UNLISTED))


def find_missing(version: str) -> str:
    """As `find_damage`, of the files' names alone, without reading the files."""
    listed = os.path.join(version, MANIFEST_FILE)
    if not tf.io.gfile.exists(listed):
        return ""
    content = _read(listed)
    try:
        known = parse_manifest(content).files
    except ValueError:
        known = {}
    found = Manifest({name: known.get(name, "") for name in _names(version)})
    return damage_against(content, found.without(UNLISTED))


def read_manifest(folder: str) -> Manifest:
    """The manifest of all files in a folder, each read once in pieces."""
    return Manifest(
        {
            name: digest_of_content(_pieces(os.path.join(folder, name)))
            for name in sorted(_names(folder))
        }
    )


def _names(folder: str) -> Iterator[str]:
    """Paths of all files in a folder."""
    for parent, _, names in tf.io.gfile.walk(folder):
        inside = parent.rstrip("/")[len(folder.rstrip("/")) :].lstrip("/")
        yield from (os.path.join(inside, name) for name in names)


def _pieces(path: str) -> Iterator[bytes]:
    with tf.io.gfile.GFile(path, "rb") as file:
        while piece := file.read(_CHUNK_BYTES):
            yield piece


def _read(path: str) -> Any:
    with tf.io.gfile.GFile(path, "rb") as file:
        return file.read()

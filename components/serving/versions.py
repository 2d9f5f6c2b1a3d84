"""A folder of model versions, as TensorFlow Serving watches it: what is there, and the atomic push.

    DESTINATION/1754000000/saved_model.pb ...   a version: a whole number, the newest serves
    DESTINATION/.partial-1754000001/            a push under way, or one that was killed
    DESTINATION/.push-lock                      held by the push under way
    DESTINATION/<version>/assets.extra/SHA256SUMS       digests of the version's files
    DESTINATION/<version>/assets.extra/rollback.json    of which version this one is a copy

Enters: a model's folder, and what else belongs to the version. Leaves: a new version, which appears
whole, by one rename. A rollback (`rollback`) is a push too: the earlier model becomes the newest
version, so that everything that serves follows it. A version whose files are not those of its list
is damaged: it is served by nothing of ours and cannot be rolled back to. One without a list was
pushed before there were any, and is taken as it is. `bucket` does the same where there is no file
system. Knows nothing of TFX or TensorFlow.
"""

from __future__ import annotations

import contextlib
import filecmp
import functools
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from components.digests import Manifest, describe_differences, parse_manifest, read_manifest
from components.locks import wait_for_lock

MODEL_FILE = "saved_model.pb"
ROLLBACK_FILE = "assets.extra/rollback.json"
MANIFEST_FILE = "assets.extra/SHA256SUMS"
# A rollback's record joins a version that is otherwise the same, its list of digests too.
UNLISTED = (MANIFEST_FILE, ROLLBACK_FILE)
NOTHING_BESIDE: Mapping[str, bytes] = MappingProxyType({})
_PARTIAL = ".partial-"
_LOCK = ".push-lock"


class Push(NamedTuple):
    """What a push did: the version that now holds the model, and whether this push made it."""

    version: int
    is_new: bool


def version_numbers(names: Iterable[str]) -> list[int]:
    """The names that are versions, as numbers, ascending; any other name is no version.

    >>> version_numbers(["1700000000", ".partial-1700000001", "7", "notes"])
    [7, 1700000000]
    """
    return sorted(int(name) for name in names if name.isascii() and name.isdecimal())


def newest_version(destination: Path) -> int | None:
    """The newest version that holds a model, None where there is none."""
    return max(whole_versions(destination), default=None)


def whole_versions(destination: Path) -> list[int]:
    """The versions that hold a model, ascending."""
    return version_numbers(path.parent.name for path in destination.glob(f"*/{MODEL_FILE}"))


def is_version(folder: Path) -> bool:
    """Whether a folder is a version, be it a damaged one that has lost its model's file."""
    return (folder / MODEL_FILE).is_file() or (folder / MANIFEST_FILE).is_file()


def model_versions(folder: Path) -> dict[int, Path]:
    """Versions, damaged ones too, ascending, by number: those of a folder, or the folder itself.

    Raises:
        OSError: the folder cannot be read.
    """
    try:
        if is_version(folder):
            return {(version_numbers([folder.resolve().name]) or [1])[0]: folder}
        if not folder.is_dir():
            return {}
        paths = {number: folder / str(number) for number in version_numbers(os.listdir(folder))}
        return {number: path for number, path in paths.items() if is_version(path)}
    except OSError as error:
        raise OSError(
            f"the model folder must be readable; {error.filename or folder} is not: "
            f"{error.strerror}. Change its permissions, or give another folder."
        ) from None


def find_damage(version: Path) -> str:
    """What of a version's files has changed since it was pushed, in words; empty: nothing.

    Reads the whole version, some 1 GB a second. Without a list of digests nothing is known.
    """
    try:
        listed = (version / MANIFEST_FILE).read_bytes()
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"{MANIFEST_FILE} cannot be read: {error.strerror}"
    try:
        found = read_manifest(version).without(UNLISTED)
        return damage_against(listed, found)
    except OSError as error:
        return f"{error.filename} cannot be read: {error.strerror}"


def damage_against(listed: bytes, found: Manifest) -> str:
    """What of a version differs from its list of digests, in words; empty where nothing does."""
    try:
        return describe_differences(parse_manifest(listed), found)
    except ValueError as error:
        return f"{MANIFEST_FILE} is damaged: {error}"


def serving_order(numbers: Iterable[int], origin: Callable[[int], int]) -> list[int]:
    """Versions as they are to be tried: the newest, then what comes in its place if it is damaged.

    That is what a rollback would choose: other copies of the same model, then the models before
    it, newest first. What was rolled back from comes last.

    Args:
        numbers: the versions.
        origin: tells whose model a version holds. Where that raises OSError or ValueError, as its
            record is damaged, the version stands for itself: its model is what people chose.
    """
    origins = {}
    for number in numbers:
        try:
            origins[number] = origin(number)
        except (OSError, ValueError):
            origins[number] = number
    served = origins[max(origins)] if origins else 0
    return sorted(
        origins,
        key=lambda number: (origins[number] == served, origins[number] < served, number),
        reverse=True,
    )


def served_version(destination: Path) -> int | None:
    """The version whose model serves: the newest, or the one that it is a rollback to.

    Raises:
        ValueError: the newest version's record of a rollback holds something else.
    """
    own = functools.partial(origin, destination)
    for version in serving_order(model_versions(destination), own):
        if not find_damage(destination / str(version)):
            return own(version)
    return None


def origin(destination: Path, version: int) -> int:
    """The version that a rollback took this one from; itself where it was pushed by a run.

    Raises:
        ValueError: the version's record of the rollback holds something else.
    """
    path = destination / str(version) / ROLLBACK_FILE
    return recorded_origin(str(path), path.read_bytes()) if path.is_file() else version


def recorded_origin(path: str, content: bytes) -> int:
    """The version that a record of a rollback names.

    Raises:
        ValueError: it holds something else.
    """
    try:
        return int(json.loads(content)["version"])
    except (ValueError, KeyError, TypeError):
        raise ValueError(
            f'{path} must name the version it was rolled back to, as {{"version": 1700000000}}; it '
            "does not. Roll back again, to a version that you name: authorprofile models rollback "
            "--model FOLDER --to VERSION"
        ) from None


def next_version(existing: Iterable[int]) -> int:
    """Seconds since 1970, or one above the newest version where the clock is not past it."""
    return max(int(time.time()), max(existing, default=0) + 1)


def push_version(
    model: Path, destination: Path, beside: Mapping[str, bytes] = NOTHING_BESIDE
) -> Push:
    """Makes the model the newest version of the destination, all of it at once or not at all.

    A kill at any moment leaves the versions as they were or with the new one whole; what a killed
    push left half-written goes at the next push. What the newest version already holds, byte for
    byte, is not pushed again, so a push may be repeated at will.

    Args:
        model: folder of a SavedModel.
        destination: folder of versions on a local file system; made where it is missing.
        beside: content of further files of the version by path in it; no file of the model. A
            list of digests among them is held against what was written, before it appears.

    Raises:
        FileNotFoundError: the folder holds no SavedModel.
        OSError: the destination cannot be written, or holds something else than was written.
    """
    if not (model / MODEL_FILE).is_file():
        raise FileNotFoundError(f"a model folder must hold {MODEL_FILE}; {model} does not")
    destination.mkdir(parents=True, exist_ok=True)
    with locked(destination):
        newest = newest_version(destination)
        if newest is not None and _holds(destination / str(newest), model, beside):
            return Push(newest, is_new=False)
        return Push(add_version(model, destination, beside, shutil.copyfile), is_new=True)


def add_version(
    model: Path,
    destination: Path,
    beside: Mapping[str, bytes],
    copy: Callable[[str, str], object],
) -> int:
    """As `push_version`, whatever the newest version holds; the destination must be `locked`.

    `copy` brings a file to another path.
    """
    version = next_version(version_numbers(os.listdir(destination)))
    partial = destination / f"{_PARTIAL}{version}"
    shutil.copytree(model, partial, copy_function=copy)
    for name, content in beside.items():
        (partial / name).parent.mkdir(parents=True, exist_ok=True)
        (partial / name).write_bytes(content)
    # A power cut after the rename finds the version whole too.
    for path in (*partial.rglob("*"), partial):
        flush(path)
    require_sound_copy(find_damage(partial), str(destination))
    partial.rename(destination / str(version))
    flush(destination)
    return version


def require_sound_copy(damage: str, destination: str) -> None:
    """Raises OSError where a copy is not what was to be copied."""
    if damage:
        raise OSError(
            f"the pushed copy must equal the model; in {destination} {damage}. Nothing was pushed. "
            "Check the disk or the bucket, and run the same command again."
        )


@contextlib.contextmanager
def locked(destination: Path) -> Iterator[None]:
    """Waits for any other push to this destination, and deletes what a killed one has left.

    The kernel frees the lock of a killed one.
    """
    with open(destination / _LOCK, "ab") as lock:
        wait_for_lock(lock)
        for leftover in destination.glob(f"{_PARTIAL}*"):
            shutil.rmtree(leftover)
        yield


def _files(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]


def _holds(version: Path, model: Path, beside: Mapping[str, bytes]) -> bool:
    """Whether a version holds the model and what belongs beside it, byte for byte, and no more."""
    names = _files(model)
    return (
        sorted(_files(version)) == sorted([*names, *beside])
        and all(filecmp.cmp(model / name, version / name, shallow=False) for name in names)
        and all((version / name).read_bytes() == content for name, content in beside.items())
    )


def flush(path: Path) -> None:
    """Brings a file, or a folder's list of names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

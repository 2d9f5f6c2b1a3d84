"""The way back: an earlier model of a folder of versions becomes its newest version.

Enters: a folder of versions, and which one is asked for. Leaves: a new version that holds the
earlier model, and says so in its record of the rollback. `bucket` chooses by the same rules.
Knows nothing of TFX or TensorFlow.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from components.serving.versions import (
    NOTHING_BESIDE,
    ROLLBACK_FILE,
    add_version,
    find_damage,
    locked,
    newest_version,
    origin,
    whole_versions,
)


class Rollback(NamedTuple):
    """What a rollback did: the model's own version, and the new one that now holds it."""

    model: int
    version: int


class RollbackError(ValueError):
    """There is nothing to roll back to; the message says what there is."""


def roll_back(destination: Path, to: int | None = None) -> Rollback:
    """Makes an earlier version's model the newest version, all of it at once or not at all.

    Its files are linked, not copied, where the file system can. The versions stay as they are; a
    rollback can be rolled back.

    Args:
        destination: folder of versions.
        to: version to serve again; None: the one pushed before that which serves.

    Raises:
        RollbackError: there is no such version, none before, it serves already, or it is damaged.
        ValueError: no version is named, and the newest one's record of a rollback is damaged.
        OSError: the destination cannot be written.
    """
    if newest_version(destination) is None:
        raise RollbackError(f"A rollback needs a folder of versions; {destination} holds none.")
    with locked(destination):
        model, source = choose_source(
            whole_versions(destination),
            to,
            functools.partial(origin, destination),
            lambda version: find_damage(destination / str(version)),
        )
        folder = destination / str(source)
        # A copy of a copy has it already, as a link; writing to it would change the other one.
        has_record = (folder / ROLLBACK_FILE).exists()
        beside = NOTHING_BESIDE if has_record else rollback_record(model)
        return Rollback(model, add_version(folder, destination, beside, _link))


def rollback_record(model: int) -> Mapping[str, bytes]:
    """What a copy of a version holds beside the model: of which version it is one."""
    return {ROLLBACK_FILE: json.dumps({"version": model}).encode()}


def choose_source(
    whole: Sequence[int],
    to: int | None,
    origin: Callable[[int], int],
    damage: Callable[[int], str],
) -> tuple[int, int]:
    """The model that a rollback takes, and the newest version that holds it undamaged.

    Args:
        whole: versions that hold a model, at least one.
        to: the version asked for; None: the one pushed before that which serves.
        origin: tells whose model a version holds.
        damage: tells what of a version is damaged, empty: nothing.

    Raises:
        RollbackError: there is no such version, none before, it serves already, or it is damaged.
        ValueError: no version is named, and the record of the newest one, before which the model
            to go back to was pushed, is damaged.
    """
    origins = _read_origins(whole, to, origin)
    model, told = _choose_model(origins, to), ""
    for version in sorted((v for v, own in origins.items() if own == model), reverse=True):
        told = damage(version)
        if not told:
            return model, version
    raise RollbackError(
        f"Version {model} is damaged and cannot be rolled back to: {told}. Name another version "
        "with --to."
    )


def _read_origins(
    whole: Sequence[int], to: int | None, origin: Callable[[int], int]
) -> dict[int, int]:
    """Of each version, the one whose model it holds; one whose record is damaged: itself."""
    origins = {}
    for version in whole:
        try:
            origins[version] = origin(version)
        except ValueError:
            if to is None and version == max(whole):
                raise
            origins[version] = version
    return origins


def _choose_model(origins: Mapping[int, int], to: int | None) -> int:
    """The model that a rollback takes, by its own version."""
    served = origins[max(origins)]
    if to is None:
        earlier = [own for own in origins.values() if own < served]
        if not earlier:
            raise RollbackError(f"No version was pushed before {served}, which serves.")
        return max(earlier)
    if to not in origins:
        raise RollbackError(
            f"There is no version {to}. There are {', '.join(map(str, sorted(origins)))}."
        )
    if origins[to] == served:
        raise RollbackError(f"Version {to} serves already.")
    return origins[to]


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)

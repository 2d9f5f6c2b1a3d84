"""Folders in place of buckets.

What a run writes (artifacts, served versions, history) goes below one folder; files of this machine
are read where they are, and stand in the specification as `gs://this-machine.invalid/...`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.beam import BeamSettings
from pipeline.config import Config
from pipeline.deploy.checks import OPTIONAL_INPUTS
from pipeline.deploy.settings import CloudBeamSettings, DeploySettings, Target

# Buckets that nobody can own: a name with a dot must be a domain, and .invalid has none (RFC 2606).
HERE = "gs://this-machine.invalid"
_STAND_INS = {
    "image": "registry.invalid/authorprofile:rehearsal",
    "root": "gs://root.this-machine.invalid",
}
_VERTEX_STAND_INS = {"project": "rehearsal", "region": "europe-west4"}


@dataclass(frozen=True)
class Places:
    """Which folder stands for which address.

    Attributes:
        folders: pairs of an address and its folder, the longest address first.
    """

    folders: Sequence[tuple[str, str]]

    def here(self, value: Any) -> Any:
        """A parameter's value with folders in place of addresses."""
        if isinstance(value, str):
            for address, folder in self.folders:
                value = value.replace(address, folder)
        return value


def for_rehearsal(config: Config, target: Target) -> tuple[Config, list[str]]:
    """The configuration with what the target needs and is not set; and the keys so filled in."""
    deploy = config.deploy
    filled = {key: value for key, value in _STAND_INS.items() if not getattr(deploy, key)}
    keys = [f"deploy.{key}" for key in filled]
    vertex = {k: value for k, value in _VERTEX_STAND_INS.items() if not getattr(deploy.vertex, k)}
    changes: dict[str, Any] = dict(filled)
    if target == "vertex" and vertex:
        keys += [f"deploy.vertex.{key}" for key in vertex]
        changes["vertex"] = deploy.vertex.model_copy(update=vertex)
    beam = config.beam
    if config.deployed_beam.runner == "dataflow":
        keys.append("deploy.beam.runner=direct")
        changes["beam"] = CloudBeamSettings(arguments=[])
        beam = BeamSettings() if beam.runner == "dataflow" else beam
    return (
        config.model_copy(
            update={
                "posts": [_address(pattern) for pattern in config.posts],
                "labels": [_address(pattern) for pattern in config.labels],
                **{key: _address(getattr(config, key)) for key in OPTIONAL_INPUTS},
                "beam": beam,
                "deploy": deploy.model_copy(update=changes),
            }
        ),
        keys,
    )


def find_places(deploy: DeploySettings, folder: Path) -> Places:
    """The folders of a rehearsal below `folder`."""
    written = {
        deploy.root: folder / "root",
        deploy.push_folder: folder / "serving",
        deploy.history_folder: folder / "serving-history",
    }
    pairs = [(address, str(place)) for address, place in written.items() if address]
    return Places(sorted([*pairs, (HERE, "")], key=lambda pair: len(pair[0]), reverse=True))


def _address(pattern: str) -> str:
    """The address by which a file of this machine stands in a specification."""
    if not pattern or "://" in pattern:
        return pattern
    return HERE + os.path.abspath(os.path.expanduser(pattern))

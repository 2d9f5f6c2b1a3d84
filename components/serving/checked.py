"""Which files the serving check asked: its list of them, against which a push holds its model.

Enters: an InfraBlessing. Leaves: in its folder `SHA256SUMS`, as `components.digests` writes it, and
the digest of that list as the property `model_digest`, so that the list itself is held against the
metadata store.
"""

from __future__ import annotations

import os

from tfx import types
from tfx.utils import io_utils

from components.digests import Manifest, describe_differences, parse_manifest

LIST_FILE, DIGEST_PROPERTY = "SHA256SUMS", "model_digest"
_AGAIN = "Nothing was pushed. Run the same command again: damaged outputs are rebuilt."


def write_checked(blessing: types.Artifact, manifest: Manifest) -> None:
    """Records the files of the model that was checked."""
    content = manifest.text.encode("utf-8", "surrogateescape")
    io_utils.write_bytes_file(os.path.join(blessing.uri, LIST_FILE), content)
    blessing.set_string_custom_property(DIGEST_PROPERTY, manifest.digest)


def read_checked(blessing: types.Artifact) -> Manifest | None:
    """The files of the model that was checked; None where the check recorded none, as it once did.

    Raises:
        ValueError: the list is not the one that the check recorded.
    """
    if not blessing.has_custom_property(DIGEST_PROPERTY):
        return None
    path = os.path.join(blessing.uri, LIST_FILE)
    try:
        manifest = parse_manifest(io_utils.read_bytes_file(path))
    except (FileNotFoundError, ValueError):
        manifest = None
    if manifest and manifest.digest == blessing.get_string_custom_property(DIGEST_PROPERTY):
        return manifest
    raise ValueError(f"{path} must be unchanged since the serving check; it is not. {_AGAIN}")


def require_checked(checked: Manifest, model: Manifest, path: str) -> None:
    """Raises ValueError where a model's files are not those that the check asked."""
    differences = describe_differences(checked, model)
    if differences:
        raise ValueError(
            "the model must be the one that passed the serving check; its files have changed "
            f"since: in {path} {differences}. {_AGAIN}"
        )

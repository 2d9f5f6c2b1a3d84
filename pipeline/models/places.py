"""Where versions are: a folder of this machine, or a bucket.

Enters: what `--model` says. Leaves: a `Place` with what the commands ask of either. TensorFlow,
which reads buckets, is imported for a bucket alone.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from components.serving import rollback, versions
from components.serving.assets import HEADS_FILE, QUALITY_FILE
from components.serving.rollback import Rollback
from components.serving.versions import MODEL_FILE, version_numbers


class Folder:
    """On this machine."""

    def __init__(self, model: str):
        self.path = Path(model)

    def is_one_version(self) -> bool:
        """Whether this is a version itself, not a folder of them."""
        return (self.path / MODEL_FILE).is_file()

    def numbers(self) -> list[int]:
        """All versions there are, ascending, also those that are not whole."""
        if not self.path.is_dir():
            return []
        return version_numbers(path.name for path in self.path.iterdir())

    def versions(self) -> list[int]:
        """Those that serve, or would if they were not damaged, ascending."""
        return list(versions.model_versions(self.path))

    def origin(self, version: int) -> int:
        """The version that a rollback took this one from; or itself."""
        return versions.origin(self.path, version)

    def damage(self, version: int) -> str:
        """What of a version has changed since it was pushed, as far as is seen; empty: nothing."""
        return versions.find_damage(self.path / str(version))

    @contextmanager
    def described(self, version: int) -> Iterator[Path]:
        """A folder of this machine with what the version says of its heads."""
        yield self.path / str(version)

    def roll_back(self, to: int | None) -> Rollback:
        """Makes an earlier version's model the newest version."""
        return rollback.roll_back(self.path, to)


class Bucket:
    """Behind an address, such as gs://models/serving; answers as a `Folder` does."""

    def __init__(self, model: str):
        self.address = model.rstrip("/")

    def is_one_version(self) -> bool:
        return self._exists(MODEL_FILE)

    def numbers(self) -> list[int]:
        from components.serving.bucket import numbered

        return numbered(self.address, "")

    def versions(self) -> list[int]:
        from components.serving.bucket import numbered

        # Without that file it is what a push or a rollback that was cut off has left.
        return numbered(self.address, MODEL_FILE)

    def origin(self, version: int) -> int:
        from components.serving.bucket import origin

        return origin(self.address, version)

    def damage(self, version: int) -> str:
        from components.serving.bucket import find_missing

        # Reading every version whole would take minutes.
        return find_missing(f"{self.address}/{version}")

    @contextmanager
    def described(self, version: int) -> Iterator[Path]:
        import tensorflow as tf

        with tempfile.TemporaryDirectory(prefix="version-") as scratch:
            for name in (HEADS_FILE, QUALITY_FILE):
                if self._exists(f"{version}/{name}"):
                    copy = Path(scratch) / name
                    copy.parent.mkdir()
                    tf.io.gfile.copy(f"{self.address}/{version}/{name}", str(copy))
            yield Path(scratch)

    def roll_back(self, to: int | None) -> Rollback:
        from components.serving.bucket import roll_back

        return roll_back(self.address, to)

    def _exists(self, name: str) -> bool:
        import tensorflow as tf

        return bool(tf.io.gfile.exists(f"{self.address}/{name}"))


Place = Folder | Bucket


def find_place(model: str) -> Place:
    """The place that `--model` names."""
    return Bucket(model) if "://" in model else Folder(model)

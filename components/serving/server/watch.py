"""The folder of versions: a new one is loaded beside the old one, warmed, and takes its place.

Enters: the folder that the pipeline pushes to, or one version. Leaves: the version in service,
which a request takes once and keeps until it is answered, so a swap fails none. A version that
does not load or does not answer soundly is refused once, and the older one stays; where the newest
version is taken out of the folder, the one before it serves again. Called by `main` and `service`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from components.serving.server.entrance import model_versions, require_model
from components.serving.server.loaded import BrokenVersion, LoadedVersion
from components.serving.server.refusals import unknown_version
from components.serving.versions import MODEL_FILE

_log = logging.getLogger("authorprofile.serving")


class Versions:
    """What serves now, and what was refused.

    Args:
        folder: folder of versions, or one version's own folder.
        faults: sentences why a version that loads must not serve under the present settings.

    Raises:
        FileNotFoundError: the folder holds no model.
    """

    def __init__(
        self, folder: Path, faults: Callable[[LoadedVersion], list[str]] = lambda version: []
    ) -> None:
        self.folder = folder
        self.is_single = (folder / MODEL_FILE).is_file()
        self.current: LoadedVersion | None = None
        self.refused: dict[int, str] = {}
        self._faults = faults
        self._stamps: dict[int, float] = {}
        self._stopped = threading.Event()
        require_model(folder)

    def take(self, number: str | None = None) -> LoadedVersion:
        """The version in service. Raises Refusal where another one is asked for."""
        current = self.current
        if current is None:
            raise RuntimeError("no version is in service")
        if number is not None and number != str(current.number):
            raise unknown_version(number, str(current.number))
        return current

    def refresh(self) -> bool:
        """Looks at the folder once; returns whether another version serves now."""
        for number, path in reversed(model_versions(self.folder).items()):
            if self.current is not None and number == self.current.number:
                return False
            stamp = _stamp(path)
            if self._stamps.get(number) == stamp and number in self.refused:
                continue
            if self._load(number, path, stamp):
                return True
        return False

    def watch(self, poll_seconds: float) -> None:
        """Refreshes until `stop`; for a thread of its own."""
        while not self._stopped.wait(poll_seconds):
            try:
                self.refresh()
            except OSError as error:
                _log.warning("the model folder cannot be read: %s", type(error).__name__)

    def stop(self) -> None:
        """Ends `watch`."""
        self._stopped.set()

    def _load(self, number: int, path: Path, stamp: float) -> bool:
        try:
            version = LoadedVersion(number, path)
            faults = self._faults(version)
            if faults:
                raise BrokenVersion("; ".join(faults))
        except BrokenVersion as error:
            self.refused[number], self._stamps[number] = str(error), stamp
            _log.error("version %d refused: %s", number, error)
            return False
        self.refused.pop(number, None)
        self.current = version
        _log.info("version %d serves", number)
        return True


def _stamp(path: Path) -> float:
    """When the version's files last came or went: one that was mended is looked at again."""
    return max((entry.stat().st_mtime for entry in (path, *path.rglob("*"))), default=0.0)

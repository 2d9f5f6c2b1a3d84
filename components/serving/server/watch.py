"""The folder of versions: a new one is loaded beside the old one, warmed, and takes its place.

Enters: the folder that the pipeline pushes to, or one version. Leaves: the version in service,
which a request takes once and keeps until it is answered, so a swap fails none. A version that
fails in any way while it is loaded is refused, for a reason that status and metrics show, and the
older one stays; it is tried again when its files change, and otherwise after a while. Where the
newest version is taken out of the folder, the one before it serves again. Whatever a look at the
folder raises is kept for the health check, and the next look comes all the same.
"""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, NamedTuple

from prometheus_client import Counter, Gauge

from components.serving.answering import describe_error
from components.serving.server.entrance import require_model
from components.serving.server.loaded import BrokenVersion, LoadedVersion
from components.serving.server.refusals import unknown_version
from components.serving.versions import is_version, model_versions, origin, serving_order

_log = logging.getLogger("authorprofile.serving")
SERVING = Gauge("authorprofile_version", "version in service")
REFUSED = Gauge("authorprofile_versions_refused", "versions of the folder that cannot serve")
LAST_LOOK = Gauge(
    "authorprofile_last_look_timestamp_seconds", "when the folder was last looked at, since 1970"
)
FAILED_LOOKS = Counter("authorprofile_failed_looks", "looks at the folder that failed")
FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS = 10.0, 600.0
# A look loads versions too, on a machine that may be busy.
LOOKS_MISSED, SHORTEST_SILENCE_SECONDS = 5, 120.0


class Attempt(NamedTuple):
    """The last attempt to load a version that was refused.

    Attributes:
        stamp: of its files.
        tries: how often these were tried.
        again: when they are tried again, by the monotonic clock.
    """

    stamp: Stamp
    tries: int
    again: float


class State(NamedTuple):
    """A version as TensorFlow Serving's status tells of it."""

    number: int
    cause: str

    @property
    def is_available(self) -> bool:
        """Whether it is in service."""
        return not self.cause


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
        self.is_single = is_version(folder)
        self.current: LoadedVersion | None = None
        self.look_fault = ""
        # Why each version that cannot serve cannot; replaced, never changed, as requests read it.
        self.refused: dict[int, str] = {}
        self._attempts: dict[int, Attempt] = {}
        self._faults = faults
        self._stopped = threading.Event()
        self._poll_seconds = 0.0
        self._thread: threading.Thread | None = None
        self._looked = time.monotonic()
        require_model(folder)

    def take(self, number: str | None = None) -> LoadedVersion:
        """The version in service. Raises Refusal where another one is asked for."""
        current = self.current
        if current is None:
            raise RuntimeError("no version is in service")
        if number is not None and number != str(current.number):
            raise unknown_version(number, str(current.number))
        return current

    def states(self, number: str | None = None) -> list[State]:
        """The version in service and those refused, newest first; or the one asked for alone.

        Raises:
            Refusal: there is no such version.
        """
        refused = [State(*told) for told in sorted(self.refused.items(), reverse=True)]
        if number is None:
            return [State(self.take().number, ""), *refused]
        asked = [state for state in refused if str(state.number) == number]
        return asked or [State(self.take(number).number, "")]

    def refresh(self) -> bool:
        """Looks at the folder once; returns whether another version serves now.

        Raises:
            OSError: the folder cannot be read.
        """
        paths = model_versions(self.folder)
        if not paths and not self.folder.is_dir():
            raise FileNotFoundError(f"{self.folder} is no folder any more")
        self._forget_all_but(paths)
        for number in serving_order(paths, functools.partial(origin, self.folder)):
            if self.current is not None and number == self.current.number:
                return False
            if self._load_where_due(number, paths[number]):
                return True
        return False

    def look(self) -> None:
        """As `refresh`; a failure of any kind is kept for the health check."""
        try:
            self.refresh()
            self.look_fault = ""
            LAST_LOOK.set_to_current_time()
        except Exception as error:
            FAILED_LOOKS.inc()
            fault = describe_error(error)
            if fault != self.look_fault:
                _log.error("the model folder cannot be read: %s", fault)
            self.look_fault = fault
        self._looked = time.monotonic()

    def start(self, poll_seconds: float) -> None:
        """Looks at the folder from now on, every so many seconds, until `stop`."""
        self._poll_seconds, self._looked = poll_seconds, time.monotonic()
        self._thread = threading.Thread(target=self._watch, name="watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends what `start` began."""
        self._stopped.set()

    def last_look(self) -> dict[str, Any]:
        """How long ago a look ended, and why in vain; empty where the folder is not watched."""
        if self._thread is None:
            return {}
        look = {"seconds_ago": round(time.monotonic() - self._looked, 1)}
        return {**look, "fault": self.look_fault} if self.look_fault else look

    def fault(self) -> str:
        """Why nothing new would ever be loaded, as one sentence; empty where it would be.

        That is so where the thread is gone, or has ended no look for several intervals. A look
        that failed is none: the next one may succeed, and another process would do no better.
        """
        if self._thread is None or self._stopped.is_set():
            return ""
        longest = max(LOOKS_MISSED * self._poll_seconds, SHORTEST_SILENCE_SECONDS)
        seconds = time.monotonic() - self._looked
        if self._thread.is_alive() and seconds <= longest:
            return ""
        return (
            f"The model folder must be looked at every {self._poll_seconds:g} seconds; the last "
            f"look ended {seconds:.0f} seconds ago. Start the server again."
        )

    def _watch(self) -> None:
        while not self._stopped.wait(self._poll_seconds):
            self.look()

    def _forget_all_but(self, present: Collection[int]) -> None:
        self.refused = {n: cause for n, cause in self.refused.items() if n in present}
        self._attempts = {n: attempt for n, attempt in self._attempts.items() if n in present}
        REFUSED.set(len(self.refused))

    def _load_where_due(self, number: int, path: Path) -> bool:
        """Loads a version; whatever that raises is the version's state, none of the folder's."""
        before = self._attempts.get(number)
        stamp: Stamp = frozenset()
        try:
            stamp = _stamp(path)
            if before and before.stamp == stamp and time.monotonic() < before.again:
                return False
            version = LoadedVersion(number, path)
            if faults := self._faults(version):
                raise BrokenVersion("; ".join(faults))
        except BrokenVersion as error:
            self._refuse(number, stamp, str(error))
            return False
        except Exception as error:
            self._refuse(number, stamp, f"it does not load: {describe_error(error)}")
            return False
        self._forget_all_but(self._attempts.keys() - {number})
        self.current = version
        SERVING.set(number)
        _log.info("version %d serves", number)
        return True

    def _refuse(self, number: int, stamp: Stamp, cause: str) -> None:
        before = self._attempts.get(number)
        tries = before.tries + 1 if before and before.stamp == stamp else 1
        wait = min(FIRST_RETRY_SECONDS * 2 ** (tries - 1), LAST_RETRY_SECONDS)
        self._attempts[number] = Attempt(stamp, tries, time.monotonic() + wait)
        if self.refused.get(number) != cause:
            _log.error("version %d refused: %s", number, cause)
        self.refused = {**self.refused, number: cause}
        REFUSED.set(len(self.refused))


Stamp = frozenset[tuple[str, int, int, int]]


def _stamp(path: Path) -> Stamp:
    """Sizes and times of a version's files: one that was mended is looked at again at once.

    The time of change too, which no copy keeps.
    """
    entries = ((entry, entry.lstat()) for entry in (path, *path.rglob("*")))
    return frozenset(
        (str(entry), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns) for entry, stat in entries
    )

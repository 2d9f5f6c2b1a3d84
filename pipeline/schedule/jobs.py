"""The schedules of this machine, kept as one JSON file each.

| path in the folder | what |
|---|---|
| `<name>.json` | a `Job`: what runs when, whether it is paused, how its last run went |
| `logs/<name>-<time>.log` | what a run wrote; the last 30 of a schedule are kept |
| `schedule.log` | what ran and why |

A file is replaced by one rename, flushed to the disk before, so that a crash at any moment leaves
the old job or the new one. APScheduler's own stores hold pickles, which whoever can write them can
turn into code; so the scheduler gets its jobs from here each time it starts.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from components.field_errors import describe_first
from components.locks import wait_for_lock
from components.serving.versions import flush
from components.strict import Strict

NAME = r"^[A-Za-z][A-Za-z0-9_-]{0,62}$"
LOGS_KEPT = 30


class JobError(ValueError):
    """A schedule's file cannot be used; the message names it and says why."""


class Definition(Strict):
    """What runs when. Two schedules that are equal in this do the same."""

    name: str = Field(pattern=NAME)
    cron: str
    timezone: str
    command: list[str] = Field(description="what follows `authorprofile`")
    directory: str = Field(description="working directory, which relative paths start at")
    out: str = Field(description="run's folder: one run at a time")


class LastRun(Strict):
    """The last run of a schedule; `running` that is not, was cut off by a crash."""

    state: Literal["running", "interrupted", "ended"]
    why: str
    started: datetime
    log: str
    process: int = Field(0, description="id of its process and group; 0 before it starts")
    ended: datetime | None = None
    code: int | None = None
    outcome: str = Field("", description="last line that the run wrote")


class Job(Strict):
    """A schedule and how it stands. What was due until `considered` has been dealt with."""

    definition: Definition
    created: datetime
    considered: datetime
    paused: bool = False
    last: LastRun | None = None


class JobFolder:
    """The files of all schedules.

    Args:
        path: of the folder; made with the first schedule.
    """

    def __init__(self, path: Path):
        self.path = path.resolve()

    def names(self) -> list[str]:
        """Names of the schedules, sorted."""
        return sorted(file.stem for file in self.path.glob("*.json"))

    def read(self, name: str) -> Job | None:
        """The job of a name; None where there is none.

        Raises:
            JobError: its file holds something else.
        """
        try:
            return Job.model_validate_json(self.file(name).read_bytes())
        except FileNotFoundError:
            return None
        except (ValidationError, OSError) as error:
            reason = describe_first(error, Job)
            raise JobError(
                f"{self.file(name)} must hold a schedule; it does not ({reason}). Delete the "
                "schedule and create it anew."
            ) from None

    def update(self, name: str, change: Callable[[Job | None], Job | None]) -> Job | None:
        """Replaces a job by what `change` makes of it; nothing else writes meanwhile.

        Args:
            name: of the schedule.
            change: gets the job as it stands, None where there is none; None deletes it, the very
                same job leaves the file alone.
        """
        with self._locked():
            before = self.read(name)
            after = change(before)
            if after is None:
                self.file(name).unlink(missing_ok=True)
            elif after is not before:
                _replace(self.file(name), after.model_dump(mode="json"))
            return after

    def discard(self, name: str) -> bool:
        """Deletes a schedule, be its file whole or not; returns whether there was one."""
        with self._locked():
            existed = self.file(name).exists()
            self.file(name).unlink(missing_ok=True)
            return existed

    def file(self, name: str) -> Path:
        """File of a schedule."""
        return self.path / f"{name}.json"

    def stamp(self, name: str) -> tuple[int, int]:
        """Changes whenever the file is replaced; (0, 0) where there is none."""
        try:
            status = self.file(name).stat()
        except FileNotFoundError:
            return 0, 0
        return status.st_ino, status.st_mtime_ns

    def new_log(self, name: str, started: datetime) -> Path:
        """File for what a run writes; the oldest of the schedule give way."""
        logs = self.path / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        stamp = f"{started:%Y%m%dT%H%M%S}"
        # A name may be the start of another: the time has a length of its own.
        kept = sorted(logs.glob(f"{name}-{'?' * len(stamp)}.log"))
        for old in kept[: len(kept) - LOGS_KEPT + 1] if len(kept) >= LOGS_KEPT else ():
            old.unlink(missing_ok=True)
        return logs / f"{name}-{stamp}.log"

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / ".lock").open("ab") as lock:
            wait_for_lock(lock)
            yield


def _replace(path: Path, content: dict[str, object]) -> None:
    beside = path.with_name(f".{path.name}.partial")
    beside.write_text(json.dumps(content, indent=1), encoding="utf-8")
    flush(beside)
    beside.replace(path)
    flush(path.parent)

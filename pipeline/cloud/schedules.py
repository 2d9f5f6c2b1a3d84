"""Schedules of a platform, by name: what both platforms share.

Enters: commands of a person, and what a `Platform` can do. Leaves: exactly one schedule of a name,
as `pipeline.cloud.replacing` has it. Called by the command `schedule` through the targets.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from pipeline.cloud import replacing
from pipeline.cloud.cron import Cron, parse_cron
from pipeline.cloud.replacing import Entry
from pipeline.cloud.spec import CompiledSpec, package_version, read_spec
from pipeline.cloud.target import (
    Parameters,
    Run,
    Schedule,
    ScheduleState,
    TargetName,
    check_name,
)
from pipeline.config import ConfigError


@dataclasses.dataclass(frozen=True)
class Definition:
    """What a schedule is made of.

    Args:
        values: of the spec's runtime parameters, in their declared types.
    """

    name: str
    compiled: CompiledSpec
    times: Cron
    values: dict[str, Any]

    def digest(self, settings: Sequence[str]) -> str:
        """Of everything whose change makes it another schedule."""
        parts = [self.compiled.digest, self.times.text, self.times.timezone, self.values]
        content = json.dumps([*parts, package_version(), *settings], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:32]


@dataclasses.dataclass(frozen=True)
class Mark:
    """What a schedule carries of its making, in a place that its platform leaves to us."""

    digest: str
    wanted_active: bool


@dataclasses.dataclass(frozen=True)
class Found:
    """A schedule that this package made, as its platform keeps it."""

    name: str
    cron: str
    timezone: str
    entry: Entry
    link: str
    ended: bool = False
    next_run: datetime.datetime | None = None


class Platform(Protocol):
    """What differs between the platforms."""

    name: TargetName
    title: str

    @property
    def settings(self) -> Sequence[str]:
        """What of the place belongs to a schedule's definition."""

    def asking(self) -> contextlib.AbstractContextManager[None]:
        """Turns the client's errors into ConfigError and PlatformError."""

    def check_times(self, times: Cron) -> None:
        """Raises ConfigError where the platform cannot keep these times."""

    def find(self, name: str | None = None) -> Sequence[Found]:
        """The schedules of one name or of all; those alone that this package made."""

    def add(self, definition: Definition, mark: Mark, *, active: bool) -> None:
        """Adds a schedule; a lost answer is not repeated before it was looked for."""

    def pause(self, entry_id: str) -> None:
        """Pauses a schedule."""

    def resume(self, entry_id: str) -> None:
        """Activates a schedule."""

    def delete(self, entry_id: str) -> None:
        """Removes a schedule."""

    def last_run(self, found: Found) -> tuple[datetime.datetime | None, str]:
        """When the last run began, and what became of it."""

    def begin(self, found: Found) -> Run:
        """Begins a run of what a schedule runs."""


@dataclasses.dataclass(frozen=True)
class _Book:
    """The schedules of one name, for `replacing`."""

    platform: Platform
    name: str
    definition: Definition | None = None

    def entries(self) -> Sequence[Entry]:
        return [found.entry for found in self.platform.find(self.name)]

    def create(self, *, active: bool, wanted_active: bool) -> None:
        assert self.definition is not None, "only `create` comes with a definition"
        mark = Mark(self.definition.digest(self.platform.settings), wanted_active)
        self.platform.add(self.definition, mark, active=active)

    def pause(self, entry_id: str) -> None:
        self.platform.pause(entry_id)

    def resume(self, entry_id: str) -> None:
        self.platform.resume(entry_id)

    def delete(self, entry_id: str) -> None:
        self.platform.delete(entry_id)


class PlatformSchedules:
    """`pipeline.cloud.target.Schedules` on a platform."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def create(
        self, name: str, definition: Path, cron: str, timezone: str, parameters: Parameters
    ) -> Schedule:
        """Leaves exactly one schedule of the name, with this definition."""
        check_name(name)
        times = parse_cron(cron, timezone)
        self.platform.check_times(times)
        compiled = read_spec(definition, self.platform.name)
        made = Definition(name, compiled, times, compiled.typed(parameters))
        with self.platform.asking():
            replacing.put(_Book(self.platform, name, made), made.digest(self.platform.settings))
            return self._told(self.platform.find(name))

    def list(self) -> Sequence[Schedule]:
        """All that this package made, by name."""
        with self.platform.asking():
            found = self.platform.find()
            names = sorted({one.name for one in found})
            return [self._told([one for one in found if one.name == name]) for name in names]

    def pause(self, name: str) -> Schedule:
        """Starts no more runs; a run under way goes on."""
        with self.platform.asking():
            found = self._finished(name)
            if found.entry.active:
                self.platform.pause(found.entry.id)
            return self._told(self.platform.find(name))

    def resume(self, name: str) -> Schedule:
        """Starts runs again."""
        with self.platform.asking():
            found = self._finished(name)
            if not found.entry.active:
                self.platform.resume(found.entry.id)
            return self._told(self.platform.find(name))

    def delete(self, name: str) -> None:
        """Leaves no schedule of the name."""
        with self.platform.asking():
            self.platform.delete(self._finished(name).entry.id)

    def run_now(self, name: str) -> Run:
        """Begins one run of the schedule's definition."""
        with self.platform.asking():
            return self.platform.begin(self._finished(name))

    def _finished(self, name: str) -> Found:
        """The one schedule of a name, an interrupted replacement completed."""
        check_name(name)
        replacing.finish(_Book(self.platform, name))
        present = self.platform.find(name)
        if present:
            return present[0]
        names = sorted({found.name for found in self.platform.find()})
        raise ConfigError(
            f"name: {self.platform.title} has no schedule {name!r} that this package made; it has "
            f"{', '.join(names) or 'none'}"
        )

    def _told(self, of_a_name: Sequence[Found]) -> Schedule:
        newest = max(of_a_name, key=lambda found: found.entry.created)
        last_run, outcome = self.platform.last_run(newest)
        return Schedule(
            name=newest.name,
            target=self.platform.name,
            cron=newest.cron,
            timezone=newest.timezone,
            state=_state(newest, len(of_a_name)),
            next_run=newest.next_run if newest.entry.active else None,
            last_run=last_run,
            last_outcome=outcome,
            id=newest.entry.id,
            link=newest.link,
        )


def _state(found: Found, of_the_name: int) -> ScheduleState:
    if of_the_name > 1:
        return ScheduleState.REPLACING
    if found.ended:
        return ScheduleState.ENDED
    return ScheduleState.ACTIVE if found.entry.active else ScheduleState.PAUSED

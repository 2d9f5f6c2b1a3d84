"""Schedules of a platform, by name: what both platforms share."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import functools
import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any, Protocol

from pipeline.cloud import replacing
from pipeline.cloud.cron import Cron, parse_cron
from pipeline.cloud.replacing import Entry
from pipeline.cloud.spec import CompiledSpec, package_version
from pipeline.cloud.target import Parameters, Run, Schedule, ScheduleState
from pipeline.config import ConfigError
from pipeline.schedule.jobs import NAME


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


class Platform(Protocol):
    """What differs between the platforms."""

    title: str

    @property
    def settings(self) -> Sequence[str]:
        """What of the place belongs to a schedule's definition."""

    def asking(self) -> contextlib.AbstractContextManager[None]:
        """Turns the client's errors into ConfigError and PlatformError."""

    def check_times(self, times: Cron) -> None:
        """Raises ConfigError where the platform cannot keep these times."""

    def find(self, name: str | None = None) -> Sequence[Entry]:
        """The schedules of one name or of all; those alone that carry a definition's digest."""

    def add(
        self, definition: Definition, digest: str, *, active: bool, wanted_active: bool
    ) -> None:
        """Adds a schedule; a lost answer is not repeated before it was looked for."""

    def pause(self, entry_id: str) -> None:
        """Pauses a schedule."""

    def resume(self, entry_id: str) -> None:
        """Activates a schedule."""

    def delete(self, entry_id: str) -> None:
        """Removes a schedule."""

    def last_run(self, entry: Entry) -> tuple[datetime.datetime | None, str]:
        """When the last run began, and what became of it."""

    def begin(self, entry: Entry) -> Run:
        """Begins a run of what a schedule runs."""


class PlatformSchedules:
    """Schedules of one platform, by name."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def create(
        self, name: str, compiled: CompiledSpec, cron: str, timezone: str, parameters: Parameters
    ) -> Schedule:
        """Leaves exactly one schedule of the name, with this definition.

        The same definition again changes nothing; another one takes the old one's place. A schedule
        that a person paused stays paused.

        Args:
            name: begins with a letter; letters, digits, - and _; at most 63.
            compiled: what is run.
            cron: five fields: minute, hour, day of month, month, day of week (0 or SUN is Sunday).
            timezone: IANA name.
            parameters: values of the spec's runtime parameters.

        Raises:
            ConfigError: wrong name, cron, time zone or parameter; nothing was created.
            PlatformError: the place refused; the old schedule, if any, is as it was.
        """
        # A platform looks for it by a filter made of it.
        if not re.fullmatch(NAME, name):
            raise ConfigError(
                "name: a schedule's begins with a letter and has at most 63 letters, digits, - "
                f"and _; got {name!r}"
            )
        times = parse_cron(cron, timezone)
        self.platform.check_times(times)
        definition = Definition(name, compiled, times, compiled.typed(parameters))
        digest = definition.digest(self.platform.settings)
        with self.platform.asking():
            add = functools.partial(self.platform.add, definition, digest)
            replacing.put(self.platform, name, digest, add)
            return self._told(self.platform.find(name))

    def list(self) -> Sequence[Schedule]:
        """All that this package made, by name."""
        with self.platform.asking():
            found = self.platform.find()
            names = sorted({one.name for one in found})
            return [self._told([one for one in found if one.name == name]) for name in names]

    def pause(self, name: str) -> Schedule:
        """Starts no more runs; a run under way goes on.

        Raises:
            ConfigError: there is no schedule of the name; those there are, are named.
        """
        with self.platform.asking():
            entry = self._finished(name)
            if entry.active:
                self.platform.pause(entry.id)
            return self._told(self.platform.find(name))

    def resume(self, name: str) -> Schedule:
        """Starts runs again from the next time on; raises as `pause`."""
        with self.platform.asking():
            entry = self._finished(name)
            if not entry.active:
                self.platform.resume(entry.id)
            return self._told(self.platform.find(name))

    def delete(self, name: str) -> None:
        """Leaves no schedule of the name; runs it began stay. Raises as `pause`."""
        with self.platform.asking():
            self.platform.delete(self._finished(name).id)

    def run_now(self, name: str) -> Run:
        """Begins one run of the schedule's definition at once; raises as `pause`."""
        with self.platform.asking():
            return self.platform.begin(self._finished(name))

    def _finished(self, name: str) -> Entry:
        """The one schedule of a name, an interrupted replacement completed."""
        entry = replacing.finish(self.platform, name)
        if entry is None:
            names = sorted({found.name for found in self.platform.find()})
            raise ConfigError(
                f"name: {self.platform.title} has no schedule {name!r} that this package made; it "
                f"has {', '.join(names) or 'none'}"
            )
        return entry

    def _told(self, of_a_name: Sequence[Entry]) -> Schedule:
        newest = replacing.newest(of_a_name)
        last_run, outcome = self.platform.last_run(newest)
        return Schedule(
            name=newest.name,
            cron=newest.cron,
            timezone=newest.timezone,
            state=_state(newest, len(of_a_name)),
            next_run=newest.next_run if newest.active else None,
            last_run=last_run,
            last_outcome=outcome,
            id=newest.id,
            link=newest.link,
        )


def _state(entry: Entry, of_the_name: int) -> ScheduleState:
    if of_the_name > 1:
        return ScheduleState.REPLACING
    if entry.ended:
        return ScheduleState.ENDED
    return ScheduleState.ACTIVE if entry.active else ScheduleState.PAUSED

"""What every place that runs the pipeline offers: runs, and schedules that start them.

Enters: a definition of what is run (a compiled spec; on this machine, a configuration file) and its
runtime parameters. Leaves: runs and schedules as the platform tells them. `connect` opens
Kubeflow or Vertex AI; the local scheduler offers the same `Schedules`. Called by the commands
`submit` and `schedule`. Imports no cloud library before it connects.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol

from pipeline.config import Config, ConfigError
from pipeline.deploy.forms import form_faults

TargetName = Literal["local", "kubeflow", "vertex"]
Parameters = Mapping[str, str | int | float | bool]


def check_name(name: str) -> None:
    """Raises ConfigError where a schedule cannot be called so everywhere."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,62}", name):
        raise ConfigError(
            "name: a schedule's begins with a letter and has at most 63 letters, digits, - and _; "
            f"got {name!r}"
        )


class PlatformError(RuntimeError):
    """The platform refused, failed or cannot be reached: the rule, what came, what to do.

    Faults of the configuration are `pipeline.config.ConfigError`, before and after the platform
    was asked: it ends a command with code 2, this one with code 1.
    """


class NoAnswerError(PlatformError):
    """The platform did not answer, or was too busy to: it may do so later."""


class State(enum.StrEnum):
    """Where a run or a step is."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"

    @property
    def is_final(self) -> bool:
        """Whether nothing will change any more."""
        return self not in (State.PENDING, State.RUNNING)


@dataclasses.dataclass(frozen=True)
class Step:
    """One step of a run."""

    name: str
    state: State
    error: str = ""


@dataclasses.dataclass(frozen=True)
class Run:
    """A run as the platform tells it.

    Args:
        id: by which the platform finds it again.
        link: page of the run, for a person.
        error: why it failed, in the platform's words; empty otherwise.
        steps: those that the platform has begun, in the order of their beginning.
    """

    id: str
    name: str
    link: str
    state: State
    error: str = ""
    steps: Sequence[Step] = ()

    @property
    def failed_steps(self) -> list[Step]:
        """The steps that failed."""
        return [step for step in self.steps if step.state is State.FAILED]


class ScheduleState(enum.StrEnum):
    """Whether a schedule starts runs.

    REPLACING: a changed definition was being put in place of this one when the command ended;
    creating the schedule again finishes that. ENDED: the platform will start no more runs.
    """

    ACTIVE = "active"
    PAUSED = "paused"
    REPLACING = "replacing"
    ENDED = "ended"


@dataclasses.dataclass(frozen=True)
class Schedule:
    """A schedule as its place tells it.

    Args:
        name: the user's; one schedule of a name on a target.
        cron: five fields, as the user gave them: minute, hour, day of month, month, day of week.
        timezone: IANA name, such as Europe/Berlin.
        next_run: None where it is paused or the platform does not tell.
        last_run: start of the last run it began; None where there was none or it is not told.
        last_outcome: what became of that run, such as `succeeded`; empty where not told.
        id: by which the platform finds it; empty on this machine.
        link: page of the schedule; empty on this machine.
    """

    name: str
    target: TargetName
    cron: str
    timezone: str
    state: ScheduleState
    next_run: datetime.datetime | None = None
    last_run: datetime.datetime | None = None
    last_outcome: str = ""
    id: str = ""
    link: str = ""


class Schedules(Protocol):
    """Schedules of one place, by name."""

    def create(
        self, name: str, definition: Path, cron: str, timezone: str, parameters: Parameters
    ) -> Schedule:
        """Leaves exactly one schedule of the name, with this definition.

        The same definition again changes nothing; another one takes the old one's place. A schedule
        that a person paused stays paused.

        Args:
            name: begins with a letter; letters, digits, - and _; at most 63.
            definition: what is run: a compiled spec; on this machine, a configuration file.
            cron: five fields: minute, hour, day of month, month, day of week (0 or SUN is Sunday).
            timezone: IANA name.
            parameters: values of the definition's runtime parameters.

        Raises:
            ConfigError: wrong name, cron, time zone, definition or parameter; nothing was created.
            PlatformError: the place refused; the old schedule, if any, is as it was.
        """

    def list(self) -> Sequence[Schedule]:
        """All schedules made by this command, by name."""

    def pause(self, name: str) -> Schedule:
        """Starts no more runs; a run under way goes on.

        Raises:
            ConfigError: there is no schedule of the name; those there are, are named.
        """

    def resume(self, name: str) -> Schedule:
        """Starts runs again from the next time on; raises as `pause`."""

    def delete(self, name: str) -> None:
        """Leaves no schedule of the name; runs it began stay. Raises as `pause`."""

    def run_now(self, name: str) -> Run:
        """Begins one run of the schedule's definition at once; raises as `pause`."""


class Target(Protocol):
    """A platform that runs compiled specs."""

    name: TargetName

    @property
    def schedules(self) -> Schedules:
        """The schedules on this platform."""

    def submit(self, spec: Path, parameters: Parameters, cache: bool = True) -> Run:
        """Begins a run of a compiled spec.

        Args:
            spec: as `authorprofile compile` writes it.
            parameters: values of its runtime parameters; those left out keep their defaults.
            cache: reuse steps whose inputs did not change, where the spec says so; False: none.

        Raises:
            ConfigError: the spec or a parameter is wrong, or it was made by another version.
            PlatformError: the platform refused or cannot be reached.
        """

    def look(self, run_id: str) -> Run:
        """The run as it is now; raises PlatformError."""


def connect(target: Literal["kubeflow", "vertex"], config: Config) -> Target:
    """The platform that a configuration's section `deploy` names.

    Raises:
        ConfigError: a setting is of no form that the platform takes, or a setting, the credentials
            or the client library are missing.
        PlatformError: the platform refused or cannot be reached.
    """
    faults = [str(fault) for fault in form_faults(config, target)]
    if faults:
        raise ConfigError("\n".join(faults))
    try:
        if target == "kubeflow":
            from pipeline.cloud.kubeflow import connect as connect_kubeflow

            return connect_kubeflow(config)
        from pipeline.cloud.vertex import connect as connect_vertex

        return connect_vertex(config)
    except ModuleNotFoundError as error:
        raise missing_library(target, error) from None


def missing_library(target: str, error: ModuleNotFoundError) -> ConfigError:
    """The error where a target's libraries are not installed."""
    return ConfigError(
        f"{target}: its client library must be installed; there is no {error.name}; run pip "
        f"install 'authorprofile[{target}]'"
    )

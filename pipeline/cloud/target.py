"""What every platform that runs the pipeline offers: runs, and schedules that start them.

Imports no cloud library before it connects.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, Protocol

from pipeline.config import Config, ConfigError
from pipeline.deploy.forms import form_faults

if TYPE_CHECKING:
    from pipeline.cloud.schedules import PlatformSchedules
    from pipeline.cloud.spec import CompiledSpec

Parameters = Mapping[str, str | int | float | bool]


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
    """A schedule as its platform tells it.

    Args:
        name: the user's; one schedule of a name on a platform.
        cron: five fields, as the user gave them: minute, hour, day of month, month, day of week.
        timezone: IANA name, such as Europe/Berlin.
        next_run: None where it is paused or the platform does not tell.
        last_run: start of the last run it began; None where there was none or it is not told.
        last_outcome: what became of that run, such as `succeeded`; empty where not told.
        id: by which the platform finds it.
        link: page of the schedule.
    """

    name: str
    cron: str
    timezone: str
    state: ScheduleState
    next_run: datetime.datetime | None = None
    last_run: datetime.datetime | None = None
    last_outcome: str = ""
    id: str = ""
    link: str = ""


class Target(Protocol):
    """A platform that runs compiled specs."""

    @property
    def schedules(self) -> PlatformSchedules:
        """The schedules on this platform."""

    def submit(self, compiled: CompiledSpec, parameters: Parameters, cache: bool = True) -> Run:
        """Begins a run of a compiled spec.

        Args:
            compiled: what is run.
            parameters: values of its runtime parameters; those left out keep their defaults.
            cache: reuse steps whose inputs did not change, where the spec says so; False: none.

        Raises:
            ConfigError: a parameter is wrong.
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
            from pipeline.cloud.kubeflow import KubeflowTarget

            return KubeflowTarget(config.deploy)
        from pipeline.cloud.vertex import VertexTarget

        return VertexTarget(config.deploy)
    except ModuleNotFoundError as error:
        raise missing_library(target, error) from None


def missing_library(target: str, error: ModuleNotFoundError) -> ConfigError:
    """The error where a target's libraries are not installed."""
    return ConfigError(
        f"{target}: its client library must be installed; there is no {error.name}; run pip "
        f"install 'authorprofile[{target}]'"
    )


def unique_name(stem: str) -> str:
    """A name that no other run has, by which a lost answer's run is found again."""
    now = datetime.datetime.now(datetime.UTC)
    return f"{stem}-{now:%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:6]}"

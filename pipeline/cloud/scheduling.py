"""What `authorprofile schedule` does with `--target kubeflow` and `--target vertex`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from rich.table import Table

from components.retraining.settings import TRAIN_WHEN_DUE
from pipeline.cloud.schedules import PlatformSchedules
from pipeline.cloud.spec import read_spec
from pipeline.cloud.target import Schedule, ScheduleState, connect
from pipeline.config import Config
from pipeline.deploy.settings import Target
from pipeline.terminal import plain_table


class PlatformCommands:
    """The commands on one platform."""

    def __init__(self, target: Target, config: Config) -> None:
        self.target, self.config = target, config

    @property
    def schedules(self) -> PlatformSchedules:
        """The platform's schedules, connected."""
        return connect(self.target, self.config).schedules

    def create(
        self, name: str, spec: Path, cron: str, timezone: str, parameters: Mapping[str, str]
    ) -> str:
        """Creates a schedule of a compiled spec, or makes the one of that name what is asked.

        Its runs look for a reason to train first, unless the parameters say otherwise.
        """
        parameters = {"train": TRAIN_WHEN_DUE, **parameters}
        # Faults of the command line are told before anyone is asked.
        compiled = read_spec(spec, self.target)
        compiled.typed(parameters)
        made = self.schedules.create(name, compiled, cron, timezone, parameters)
        return f"{describe(made)}\n{made.link}"

    def pause(self, name: str) -> str:
        return describe(self.schedules.pause(name))

    def resume(self, name: str) -> str:
        return describe(self.schedules.resume(name))

    def delete(self, name: str) -> str:
        self.schedules.delete(name)
        return f"{name}: deleted"

    def run_now(self, name: str) -> str:
        """Begins a run of what a schedule runs; its link."""
        run = self.schedules.run_now(name)
        return f"{run.name}: {run.link}"

    def list(self) -> Table | None:
        """All schedules that this package made, a row each; None where there is none."""
        found = self.schedules.list()
        return table(found) if found else None


def describe(schedule: Schedule) -> str:
    """`nightly: 0 3 * * * Europe/Berlin; active; next run 2026-11-26 03:00 UTC`."""
    parts = [f"{schedule.name}: {schedule.cron} {schedule.timezone}", schedule.state.value]
    if schedule.next_run:
        parts.append(f"next run {_time(schedule.next_run)}")
    return "; ".join(parts)


def table(schedules: Sequence[Schedule]) -> Table:
    """All schedules, a row each."""
    rows = plain_table("name", "cron", "time zone", "next run", "last run", "outcome")
    for one in schedules:
        # Kubeflow does not tell when it runs next.
        coming = _time(one.next_run) or "active"
        if one.state is ScheduleState.REPLACING:
            coming = "being replaced; create it again"
        elif one.state is not ScheduleState.ACTIVE:
            coming = one.state.value
        rows.add_row(
            one.name, one.cron, one.timezone, coming, _time(one.last_run), one.last_outcome
        )
    return rows


def _time(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M %Z}" if moment else ""

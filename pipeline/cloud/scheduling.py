"""What `authorprofile schedule` does with `--target kubeflow` and `--target vertex`.

Enters: what the command line says. Leaves: schedules on the platform, lines and a table on the
terminal; a fault ends the command with click's errors, of code 2 where the configuration is wrong
and 1 where the platform refused.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import click
from rich.table import Table

from components.retraining.settings import TRAIN_WHEN_DUE
from pipeline.cloud.cron import parse_cron
from pipeline.cloud.schedules import PlatformSchedules
from pipeline.cloud.spec import read_spec
from pipeline.cloud.target import PlatformError, Schedule, ScheduleState, connect
from pipeline.config import Config, ConfigError
from pipeline.deploy.settings import Target
from pipeline.terminal import Terminal, plain_table


@contextlib.contextmanager
def one_line_errors() -> Iterator[None]:
    """Ends the command with one line and its code where something is wrong."""
    try:
        yield
    except ConfigError as error:
        raise click.UsageError(str(error)) from None
    except PlatformError as error:
        raise click.ClickException(str(error)) from None


class PlatformCommands:
    """The commands on one platform."""

    def __init__(self, target: Target, config: Config) -> None:
        self.target, self.config = target, config

    @property
    def schedules(self) -> PlatformSchedules:
        """The platform's schedules, connected."""
        return connect(self.target, self.config).schedules

    def check_times(self, cron: str, timezone: str) -> None:
        """Ends the command where cron or zone is wrong, before anything is compiled."""
        with one_line_errors():
            parse_cron(cron, timezone)

    def create(
        self, name: str, spec: Path, cron: str, timezone: str, parameters: Mapping[str, str]
    ) -> None:
        """Creates a schedule of a compiled spec, or makes the one of that name what is asked.

        Its runs look for a reason to train first, unless the parameters say otherwise.
        """
        parameters = {"train": TRAIN_WHEN_DUE, **parameters}
        with one_line_errors():
            # Faults of the command line are told before anyone is asked.
            compiled = read_spec(spec, self.target)
            compiled.typed(parameters)
            made = self.schedules.create(name, compiled, cron, timezone, parameters)
        click.echo(f"{describe(made)}\n{made.link}")

    def pause(self, name: str) -> None:
        """Stops a schedule from starting runs."""
        with one_line_errors():
            click.echo(describe(self.schedules.pause(name)))

    def resume(self, name: str) -> None:
        """Lets a paused schedule start runs again."""
        with one_line_errors():
            click.echo(describe(self.schedules.resume(name)))

    def delete(self, name: str) -> None:
        """Deletes a schedule."""
        with one_line_errors():
            self.schedules.delete(name)
        click.echo(f"{name}: deleted")

    def run_now(self, name: str) -> None:
        """Begins a run of what a schedule runs, and prints its link."""
        with one_line_errors():
            run = self.schedules.run_now(name)
        click.echo(f"{run.name}: {run.link}")

    def list(self) -> None:
        """Shows all schedules that this package made."""
        with one_line_errors():
            found = self.schedules.list()
        if not found:
            click.echo(f"No schedule of this package on {self.target}.")
            return
        Terminal().print(table(found))


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

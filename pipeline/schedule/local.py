"""Schedules of this machine, as the schedule commands ask for them; `server` runs them."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path

from rich.table import Table

from pipeline.config import ConfigError
from pipeline.schedule.cron import CronError, next_due, parse_cron
from pipeline.schedule.execution import execute, is_running
from pipeline.schedule.jobs import Definition, Job, JobError, JobFolder, LastRun
from pipeline.terminal import plain_table


class UnknownScheduleError(ConfigError):
    """There is no schedule of that name."""


class LocalCommands:
    """The commands on the schedules of a folder."""

    def __init__(self, folder: JobFolder) -> None:
        self.folder = folder

    def create(self, definition: Definition) -> str:
        """Creates a schedule, or makes the one of that name what is asked for.

        Returns:
            One line that says which: created, replaced, or unchanged already.

        Raises:
            CronError: cron or time zone is wrong; nothing is written.
            JobError: a file of that name holds something else.
        """
        parse_cron(definition.cron, definition.timezone)
        now = datetime.now(UTC)
        told = []

        def change(job: Job | None) -> Job:
            if job is None:
                told.append("created")
                return Job(definition=definition, created=now, considered=now)
            if job.definition == definition:
                told.append("unchanged: it is there already, just so")
                return job
            told.append("replaced")
            return job.model_copy(update={"definition": definition, "considered": now})

        job = self.folder.update(definition.name, change)
        assert job is not None
        return f"{definition.name}: {told[0]}; {_next_text(job)}"

    def pause(self, name: str) -> str:
        """Stops a schedule from running; a run under way ends as it would."""
        before = self._known(name)
        self.folder.update(name, lambda job: job and job.model_copy(update={"paused": True}))
        return f"{name}: paused{' already' if before.paused else ''}"

    def resume(self, name: str) -> str:
        """Lets a paused schedule run again; what was due meanwhile is not made up."""
        if not self._known(name).paused:
            return f"{name}: not paused"
        change = {"paused": False, "considered": datetime.now(UTC)}
        job = self.folder.update(name, lambda job: job and job.model_copy(update=change))
        return f"{name}: resumed; {_next_text(job)}" if job else f"{name}: deleted meanwhile"

    def delete(self, name: str) -> str:
        """Deletes a schedule, be its file whole or not; a run under way ends as it would."""
        if not self.folder.discard(name):
            raise self._unknown(name)
        return f"{name}: deleted"

    def run_now(self, name: str, stop: threading.Event) -> LastRun:
        """Runs a schedule at once, in the foreground.

        Raises:
            UnknownScheduleError: there is none of that name.
            FolderBusyError: a run is at work in its folder.
        """
        self._known(name)
        run = execute(self.folder, name, "asked for by run-now", stop, wait=False)
        if run is None:
            raise UnknownScheduleError(f"{name} was deleted meanwhile")
        return run

    def list(self) -> Table | None:
        """All schedules, a row each; None where there is none."""
        rows = plain_table("name", "cron", "time zone", "next run", "last run", "outcome")
        for name in self.folder.names():
            try:
                job = self.folder.read(name)
            except JobError:
                rows.add_row(name, "", "", "never: its file cannot be read", "", "")
                continue
            if job is not None:
                definition = job.definition
                rows.add_row(name, definition.cron, definition.timezone, _next(job), *_last(job))
        return rows if rows.rows else None

    def _known(self, name: str) -> Job:
        job = self.folder.read(name)
        if job is None:
            raise self._unknown(name)
        return job

    def _unknown(self, name: str) -> UnknownScheduleError:
        names = ", ".join(self.folder.names()) or "none"
        return UnknownScheduleError(f"No schedule {name!r} in {self.folder.path}; there: {names}.")


def _next(job: Job) -> str:
    if job.paused:
        return "paused"
    try:
        trigger = parse_cron(job.definition.cron, job.definition.timezone)
    except CronError:
        return "never: cron or time zone is wrong"
    due = next_due(trigger, job.considered)
    late = " (as soon as it is served)" if due <= datetime.now(UTC) else ""
    return due.isoformat(sep=" ", timespec="minutes") + late


def _next_text(job: Job) -> str:
    return f"next run {_next(job)}" if not job.paused else "paused"


def _last(job: Job) -> tuple[str, str]:
    run = job.last
    if run is None:
        return "never", ""
    when = run.started.isoformat(sep=" ", timespec="minutes")
    if run.state == "ended":
        return when, f"exit code {run.code}: {run.outcome}"
    if run.state == "running" and is_running(Path(job.definition.out)):
        return when, "running"
    return when, "cut off; goes on when served"

"""Runs the schedules of a folder when they are due, until a signal ends it.

APScheduler wakes at each schedule's next moment and runs it in a thread that waits for the
command's process. Only that moment is in its memory store; it follows from the schedule's file, so
whatever ends this process, the next one knows what is due:

- what was due while nothing served, or while its run before was still at work, is made up once;
- a run that was cut off, by a crash or by the end of this process, goes on at once;
- what commands change in the folder is seen within a second.
"""

from __future__ import annotations

import logging
import signal
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from components.locks import take_lock
from pipeline.schedule.cron import CronError, count_due, next_due, parse_cron
from pipeline.schedule.execution import execute, is_running
from pipeline.schedule.jobs import Job, JobError, JobFolder, LastRun

LOGGER = logging.getLogger("authorprofile.schedule")
POLL_SECONDS = 1.0
WORKERS = 64
"""Threads, each of which waits for one run; schedules of one run folder take turns in them."""


class AlreadyServedError(RuntimeError):
    """Another process serves the folder."""


class SchedulerDiedError(RuntimeError):
    """The thread that wakes at the schedules' moments is gone."""


class Server:
    """The scheduler of one folder.

    Args:
        folder: of the schedules.
    """

    def __init__(self, folder: JobFolder):
        from apscheduler.executors.pool import ThreadPoolExecutor
        from apscheduler.schedulers.background import BackgroundScheduler

        self.folder = folder
        self.stop = threading.Event()
        self.scheduler: Any = BackgroundScheduler(
            timezone=UTC, executors={"default": ThreadPoolExecutor(WORKERS)}
        )
        self._seen: dict[str, tuple[int, int]] = {}
        self._busy: set[str] = set()
        self._faults: dict[str, str] = {}
        self._look_fault = ""
        self._lock = threading.Lock()

    def serve(self) -> None:
        """Serves until `stop`; runs under way are then interrupted and recorded.

        Raises:
            AlreadyServedError: another process serves the folder.
            SchedulerDiedError: no schedule would ever run again in this process.
        """
        self.folder.path.mkdir(parents=True, exist_ok=True)
        with (self.folder.path / ".serve.lock").open("ab") as lock:
            if not take_lock(lock):
                raise AlreadyServedError(
                    "One process serves a folder of schedules; another one serves "
                    f"{self.folder.path}."
                )
            self.scheduler.start()
            LOGGER.info("%s", describe_folder(self.folder))
            try:
                self.follow_folder()
                while not self.stop.wait(POLL_SECONDS):
                    self._look()
            finally:
                self.stop.set()
                self.scheduler.shutdown(wait=True)
                LOGGER.info("ended; what was under way goes on at the next start")

    def _look(self) -> None:
        """Follows the folder; where that fails, what is planned stays, and the next look comes."""
        if not self.scheduler._thread.is_alive():
            raise SchedulerDiedError(
                "The scheduler's thread must be alive; it is not. Start `authorprofile schedule "
                "serve` again; the log says what ended it."
            )
        fault = ""
        try:
            self.follow_folder()
        except Exception as error:
            fault = str(error)
            if fault != self._look_fault:
                LOGGER.exception("the folder cannot be followed; what is planned stays")
        self._look_fault = fault

    def follow_folder(self) -> None:
        """Plans what is new or has changed in the folder, and forgets what is gone.

        Raises:
            OSError: the folder or a file in it cannot be looked at.
        """
        names = self.folder.names()
        for name in names:
            stamp = self.folder.stamp(name)
            with self._lock:
                known = name in self._busy or self._seen.get(name) == stamp
            if not known:
                self._seen[name] = stamp
                self._plan(name)
        for gone in set(self._seen) - set(names):
            self._seen.pop(gone, None)
            self._unplan(gone)

    def _plan(self, name: str) -> None:
        try:
            job = self.folder.read(name)
            moment = next_run(job) if job else None
        except (JobError, CronError) as error:
            LOGGER.error("%s: not run: %s", name, error)
            moment = None
        except Exception as error:  # one schedule's fault must not end the others
            self._try_again(name, error)
            return
        self._faults.pop(name, None)
        if moment is None:
            self._unplan(name)
            return
        self.scheduler.add_job(
            self._run,
            "date",
            run_date=moment,
            args=[name],
            id=name,
            replace_existing=True,
            misfire_grace_time=None,
        )
        LOGGER.info("%s: next run %s", name, moment.isoformat(timespec="seconds"))

    def _try_again(self, name: str, error: Exception) -> None:
        """Leaves a schedule as it is planned, and has the next look plan it anew."""
        self._seen.pop(name, None)
        if self._faults.get(name) != str(error):
            LOGGER.exception("%s: cannot be planned now; tried again", name)
        self._faults[name] = str(error)

    def _unplan(self, name: str) -> None:
        if self.scheduler.get_job(name) is not None:
            self.scheduler.remove_job(name)
            LOGGER.info("%s: not planned any more", name)

    def _run(self, name: str) -> None:
        with self._lock:
            self._busy.add(name)
        try:
            job = self.folder.read(name)
            if job is not None and not self.stop.is_set():
                execute(self.folder, name, why_now(job, datetime.now(UTC)), self.stop, wait=True)
        except Exception as error:  # one schedule's fault must not end the others
            LOGGER.exception("%s: could not run", name)
            self._give_up(name, str(error))
        finally:
            with self._lock:
                self._busy.discard(name)
                self._seen.pop(name, None)

    def _give_up(self, name: str, fault: str) -> None:
        """Takes a run that could not be started for a failed one: next when it is due again."""
        now = datetime.now(UTC)
        failed = LastRun(
            state="ended", why="could not start", started=now, log="", code=1, outcome=fault
        )
        change = {"considered": now, "last": failed}
        try:
            self.folder.update(name, lambda job: job and job.model_copy(update=change))
        except (JobError, OSError):
            LOGGER.exception("%s: its file cannot be written", name)


def next_run(job: Job) -> datetime | None:
    """When the schedule next runs, in the past where that was missed; None where it is paused."""
    if job.paused:
        return None
    if _was_cut_off(job):
        return datetime.now(UTC)
    trigger = parse_cron(job.definition.cron, job.definition.timezone)
    return next_due(trigger, job.considered)


def why_now(job: Job, now: datetime) -> str:
    """Why the schedule runs, for people."""
    if job.last is not None and _was_cut_off(job):
        started = job.last.started.isoformat(timespec="seconds")
        return f"goes on: the run of {started} was cut off"
    trigger = parse_cron(job.definition.cron, job.definition.timezone)
    due = next_due(trigger, job.considered)
    moment = due.isoformat(timespec="seconds")
    late = (now - due).total_seconds()
    if late < 60:
        return f"due {moment}"
    others = count_due(trigger, due, now)
    also = f" with {others:,} later ones" if others else ""
    return f"due {moment} and missed, made up once{also}"


def _was_cut_off(job: Job) -> bool:
    if job.last is None or job.last.state == "ended":
        return False
    return job.last.state == "interrupted" or not is_running(Path(job.definition.out))


def describe_folder(folder: JobFolder) -> str:
    """What is served, in one line."""
    names = folder.names()
    count = f"{len(names)} schedule{'s' if len(names) != 1 else ''}"
    return f"serves {count} of {folder.path}" + (f": {', '.join(names)}" if names else "")


def stop_at_signals(stop: threading.Event) -> None:
    """Has SIGTERM and Ctrl-C set an event; call from the main thread."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())

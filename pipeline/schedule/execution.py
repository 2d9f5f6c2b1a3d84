"""One run of a local schedule: the real command in a process of its own, one at a time.

The lock of the run's folder is handed to the process: it is held as long as the run lives, even
where the scheduler was killed.

Where the run is to stop, it is interrupted as by Ctrl-C, has a minute to put its work down, and
goes on where it was when the schedule next runs.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from components.locks import is_locked, take_lock
from pipeline.lock import RUN_LOCK
from pipeline.observed import FAILED, INTERRUPTED, NOT_BLESSED, USAGE
from pipeline.schedule.jobs import Definition, Job, JobFolder, LastRun

LOGGER = logging.getLogger("authorprofile.schedule")
GRACE_SECONDS = 60
POLL_SECONDS = 0.2
LAST_LINE_BYTES = 4096
LOCK_FILE = "schedule.lock"
_MEANINGS = {
    0: "done",
    FAILED: "failed",
    USAGE: "wrong usage or configuration",
    NOT_BLESSED: "trained, not blessed",
    INTERRUPTED: "interrupted",
}


class FolderBusyError(RuntimeError):
    """Another run is at work in the same folder."""


def execute(
    folder: JobFolder, name: str, why: str, stop: threading.Event, *, wait: bool
) -> LastRun | None:
    """Runs a schedule once, to its end or until `stop`.

    Args:
        folder: of the schedules.
        name: of the schedule.
        why: it runs now; goes into log and file.
        stop: interrupts the run, or the wait for its turn.
        wait: for another run in the same folder; else that is an error.

    Returns:
        How it went; None where it never started: it was stopped, or deleted meanwhile.

    Raises:
        FolderBusyError: another run is at work and `wait` is False.
        JobError: the schedule's file cannot be read.
        OSError: folder or command cannot be used.
    """
    job = folder.read(name)
    if job is None:
        return None
    with only_run_in(Path(job.definition.out), stop, wait=wait) as lock:
        if lock is None:
            return None
        started = datetime.now(UTC)
        log = folder.new_log(name, started)
        begun = LastRun(state="running", why=why, started=started, log=str(log))
        if folder.update(name, lambda job: _with_run(job, begun, started)) is None:
            return None
        LOGGER.info("%s: starts, %s; log: %s", name, why, log)
        with log.open("wb") as output:
            process = _start(job.definition, output, lock)
        begun = begun.model_copy(update={"process": process.pid})
        folder.update(name, lambda job: _with_run(job, begun))
        code = _wait(process, stop)
    done = _ended(begun, code, log, stopped=stop.is_set())
    folder.update(name, lambda job: _with_run(job, done))
    meaning = _MEANINGS.get(code, "killed" if code < 0 else "failed")
    seconds = (datetime.now(UTC) - started).total_seconds()
    LOGGER.info("%s: %s after %.0f s, exit code %d: %s", name, meaning, seconds, code, done.outcome)
    return done


def _with_run(job: Job | None, run: LastRun, considered: datetime | None = None) -> Job | None:
    """The job with its last run; a deleted one stays deleted."""
    if job is None:
        return None
    return job.model_copy(update={"last": run, "considered": considered or job.considered})


def _ended(begun: LastRun, code: int, log: Path, stopped: bool) -> LastRun:
    state = "interrupted" if stopped and code != 0 else "ended"
    return begun.model_copy(
        update={
            "state": state,
            "ended": datetime.now(UTC),
            "code": code,
            "outcome": last_line(log),
        }
    )


def _start(definition: Definition, output: IO[bytes], lock: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        # -P: the working directory is the user's, whose files are no modules of ours.
        [sys.executable, "-P", "-m", "pipeline", *definition.command],
        cwd=definition.directory,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        pass_fds=(lock,),
        # Ctrl-C at the scheduler's terminal must reach the run once, from here.
        start_new_session=True,
    )


def _wait(process: subprocess.Popen[bytes], stop: threading.Event) -> int:
    """The exit code of a run, negative for the signal that killed it; `stop` interrupts it."""
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(POLL_SECONDS)
        if stop.is_set():
            return _interrupt(process)


def _interrupt(process: subprocess.Popen[bytes]) -> int:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)
    try:
        return process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        LOGGER.warning("a run did not end within %d s and is killed", GRACE_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    return process.wait()


@contextlib.contextmanager
def only_run_in(out: Path, stop: threading.Event, *, wait: bool) -> Iterator[int | None]:
    """Gives the lock of scheduled runs in a folder once no other run is there; None: stopped.

    A run that somebody started by hand holds `RUN_LOCK` in its folder; it is waited for as well.
    """
    out.mkdir(parents=True, exist_ok=True)
    with (out / LOCK_FILE).open("ab") as own:
        told = False
        while not take_lock(own) or _is_held(out / RUN_LOCK):
            if not wait:
                raise FolderBusyError(
                    f"One run at a time may work in a folder; another is at work in {out}. "
                    "Wait for it to end."
                )
            if not told:
                LOGGER.info("waits for another run to end in %s", out)
                told = True
            if stop.wait(POLL_SECONDS):
                yield None
                return
        yield own.fileno()


def is_running(out: Path) -> bool:
    """Whether a scheduled run is at work in a folder."""
    return _is_held(out / LOCK_FILE)


def _is_held(lock_file: Path) -> bool:
    """Whether a process holds a lock; a file that is not there is held by none."""
    try:
        with lock_file.open("rb") as lock:
            return is_locked(lock)
    except FileNotFoundError:
        return False


def last_line(log: Path) -> str:
    """The last line of a log that says something."""
    with log.open("rb") as file:
        file.seek(max(log.stat().st_size - LAST_LINE_BYTES, 0))
        lines = [line.strip() for line in file.read().decode("utf-8", "replace").splitlines()]
    return next((line for line in reversed(lines) if line), "")

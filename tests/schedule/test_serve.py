"""The local scheduler, run as people run it: processes, signals, a crash.

The commands that are scheduled are real ones: `settings`, which is done at once, and a `sample` of
millions of authors, which lasts until it is interrupted.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.schedule.jobs import Definition, Job, JobFolder

COMMAND = str(Path(sys.executable).parent / "authorprofile")
DEADLINE_SECONDS = 600


def add(folder, name, command, *, missed_days=2, out=None):
    """A daily schedule that was due in the days before now."""
    now = datetime.now(UTC)
    definition = Definition(
        name=name,
        cron="0 3 * * *",
        timezone="UTC",
        command=list(map(str, command)),
        directory=str(folder.path),
        out=str(out or folder.path / f"out-{name}"),
    )
    job = Job(definition=definition, created=now, considered=now - timedelta(days=missed_days))
    folder.path.mkdir(exist_ok=True)
    folder.update(name, lambda _: job)


def wait_for(condition):
    end = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.05)
    pytest.fail("it did not come about")


def has_ended(folder, name):
    last = folder.read(name).last
    return last is not None and last.state == "ended"


def said(folder):
    path = folder.path / "schedule.log"
    return path.read_text(encoding="utf-8") if path.exists() else ""


@pytest.fixture
def folder(tmp_path):
    return JobFolder(tmp_path / "schedules")


@pytest.fixture
def serve(folder):
    """Starts `schedule serve`; what still runs at the end is killed."""
    started = []

    def start():
        words = [COMMAND, "schedule", "serve", "--folder", str(folder.path)]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate(timeout=300)
    for name in folder.names():
        with contextlib.suppress(ProcessLookupError):
            last = folder.read(name).last
            if last is not None and last.process:
                os.killpg(last.process, signal.SIGKILL)


def stop(process, number=signal.SIGTERM):
    process.send_signal(number)
    output, _ = process.communicate(timeout=DEADLINE_SECONDS)
    return process.returncode, output.decode()


def test_missed_runs_are_made_up_once_and_the_log_says_what_ran_and_why(folder, serve):
    add(folder, "daily", ["settings"], missed_days=5)
    process = serve()
    wait_for(lambda: has_ended(folder, "daily"))
    code, console = stop(process)
    assert code == 0
    for text in (console, said(folder)):
        assert "daily: starts, due " in text
        assert "and missed, made up once with 4 later ones" in text
        assert "exit code 0" in text
    assert said(folder).count("daily: starts") == 1
    job = folder.read("daily")
    assert job.last.code == 0
    assert job.considered == job.last.started
    assert "# pipeline's name" in Path(job.last.log).read_text()


def test_what_commands_change_is_followed_while_it_serves(folder, serve):
    process = serve()
    wait_for(lambda: "serves 0 schedules" in said(folder))
    add(folder, "late", ["settings"])
    wait_for(lambda: has_ended(folder, "late"))
    # A command that fails is a failed run, and no reason to end.
    add(folder, "broken", ["run", "missing.yaml"])
    wait_for(lambda: has_ended(folder, "broken"))
    assert folder.read("broken").last.code == 2
    assert "missing.yaml cannot be read" in said(folder)
    folder.discard("late")
    wait_for(lambda: "late: not planned any more" in said(folder))
    assert process.poll() is None
    assert stop(process, signal.SIGINT)[0] == 0


def test_two_schedules_of_one_run_folder_take_turns(folder, serve, tmp_path):
    out = tmp_path / "shared"
    add(folder, "one", ["sample", "people", "--authors", 9_000_000], out=out)
    process = serve()
    wait_for(lambda: folder.read("one").last is not None)
    add(folder, "two", ["settings"], out=out)
    wait_for(lambda: "waits for another run to end" in said(folder))
    assert folder.read("two").last is None
    words = [COMMAND, "schedule", "run-now", "two", "--folder", str(folder.path)]
    refused = subprocess.run(words, capture_output=True, text=True, check=False)
    assert refused.returncode == 1, refused
    assert "One run at a time may work in a folder" in refused.stderr
    wait_for(lambda: folder.read("one").last.process)
    os.killpg(folder.read("one").last.process, signal.SIGKILL)
    wait_for(lambda: has_ended(folder, "two"))
    assert folder.read("one").last.code == -signal.SIGKILL
    assert stop(process)[0] == 0


def test_a_signal_interrupts_the_run_under_way_which_goes_on_at_the_next_start(folder, serve):
    add(folder, "long", ["sample", "people", "--authors", 9_000_000])
    process = serve()
    wait_for(lambda: (folder.path / "people").exists())
    code, _ = stop(process)
    assert code == 0
    last = folder.read("long").last
    assert (last.state, last.code) == ("interrupted", 130)
    replaced = {"command": ["settings"]}
    folder.update(
        "long",
        lambda job: job.model_copy(
            update={"definition": job.definition.model_copy(update=replaced)}
        ),
    )
    process = serve()
    wait_for(lambda: has_ended(folder, "long"))
    assert stop(process)[0] == 0
    assert "long: starts, goes on: the run of" in said(folder)


def test_a_killed_scheduler_loses_no_job_and_never_runs_one_twice_at_a_time(folder, serve):
    add(folder, "long", ["sample", "people", "--authors", 9_000_000])
    add(folder, "daily", ["settings"], missed_days=0)
    process = serve()
    wait_for(lambda: folder.read("long").last is not None and folder.read("long").last.process)
    orphan = folder.read("long").last.process
    process.kill()
    process.communicate(timeout=300)
    # The run that was under way lives on, and holds its folder.
    again = serve()
    wait_for(lambda: said(folder).count("long: next run") == 2)
    assert said(folder).count("long: starts") == 1
    assert stop(again)[0] == 0
    os.killpg(orphan, signal.SIGKILL)
    settled = {"command": ["settings"]}
    folder.update(
        "long",
        lambda job: job.model_copy(
            update={"definition": job.definition.model_copy(update=settled)}
        ),
    )
    third = serve()
    wait_for(lambda: has_ended(folder, "long"))
    assert "long: starts, goes on" in said(folder)
    assert folder.names() == ["daily", "long"]
    assert stop(third)[0] == 0


def test_one_process_serves_a_folder(folder, serve):
    serve()
    wait_for(lambda: "serves 0 schedules" in said(folder))
    words = [COMMAND, "schedule", "serve", "--folder", str(folder.path)]
    second = subprocess.run(words, capture_output=True, text=True, check=False)
    assert second.returncode == 1
    assert second.stderr == (
        f"Error: One process serves a folder of schedules; another one serves {folder.path}.\n"
    )


def test_run_now_runs_here_and_ends_as_the_run_does(folder):
    add(folder, "daily", ["settings"], missed_days=0)
    add(folder, "wrong", ["run", "missing.yaml"], missed_days=0)
    codes = {}
    for name in ("daily", "wrong"):
        words = [COMMAND, "schedule", "run-now", name, "--folder", str(folder.path)]
        codes[name] = subprocess.run(words, capture_output=True, check=False).returncode
    assert codes == {"daily": 0, "wrong": 2}
    assert json.loads(folder.file("daily").read_text())["last"]["why"] == "asked for by run-now"

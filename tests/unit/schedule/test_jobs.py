"""Schedules on disk: whole after a crash at any moment, and changed by what is asked for alone."""

import os
import pathlib
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.schedule.cron import CronError
from pipeline.schedule.jobs import Definition, Job, JobError, JobFolder, LastRun
from pipeline.schedule.local import LocalCommands, UnknownScheduleError
from pipeline.schedule.server import next_run, why_now

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def definition(folder, **changes):
    values = {
        "name": "daily",
        "cron": "0 3 * * *",
        "timezone": "UTC",
        "command": ["settings"],
        "directory": str(folder.path),
        "out": str(folder.path / "out"),
    }
    return Definition(**{**values, **changes})


@pytest.fixture
def folder(tmp_path):
    return JobFolder(tmp_path / "schedules")


@pytest.fixture
def commands(folder):
    return LocalCommands(folder)


def test_creating_again_changes_nothing_and_another_definition_replaces(folder, commands):
    assert commands.create(definition(folder)).startswith("daily: created; next run ")
    before = folder.stamp("daily")
    assert "unchanged" in commands.create(definition(folder))
    assert folder.stamp("daily") == before
    assert "replaced" in commands.create(definition(folder, cron="0 4 * * *"))
    assert folder.read("daily").definition.cron == "0 4 * * *"
    assert folder.names() == ["daily"]


def test_a_wrong_cron_leaves_nothing_and_keeps_what_was(folder, commands):
    with pytest.raises(CronError):
        commands.create(definition(folder, cron="0 3"))
    assert not folder.path.exists()
    commands.create(definition(folder))
    with pytest.raises(CronError):
        commands.create(definition(folder, timezone="Nowhere"))
    assert folder.read("daily").definition.timezone == "UTC"


def test_a_replaced_schedule_stays_paused_until_it_is_resumed(folder, commands):
    commands.create(definition(folder))
    assert commands.pause("daily") == "daily: paused"
    assert commands.create(definition(folder, cron="0 4 * * *")) == "daily: replaced; paused"
    assert next_run(folder.read("daily")) is None
    assert commands.resume("daily").startswith("daily: resumed; next run ")
    assert commands.resume("daily") == "daily: not paused"


def test_what_was_due_during_a_pause_is_not_made_up(folder, commands):
    commands.create(definition(folder))
    longer_ago = {"considered": NOW - timedelta(days=9)}
    folder.update("daily", lambda job: job.model_copy(update=longer_ago))
    commands.pause("daily")
    commands.resume("daily")
    assert next_run(folder.read("daily")) > datetime.now(UTC)


def test_an_unknown_name_is_named_beside_those_there_are(folder, commands):
    commands.create(definition(folder))
    for change in (commands.pause, commands.resume, commands.delete):
        with pytest.raises(UnknownScheduleError, match=r"'weekly' in .*; there: daily\."):
            change("weekly")
    assert commands.delete("daily") == "daily: deleted"
    assert folder.names() == []


def test_a_crash_while_a_job_is_written_leaves_the_old_one(folder, commands, monkeypatch):
    commands.create(definition(folder))

    def crash(*_):
        raise SystemExit("power cut")

    monkeypatch.setattr(pathlib.Path, "replace", crash)
    with pytest.raises(SystemExit):
        commands.create(definition(folder, cron="0 4 * * *"))
    monkeypatch.undo()
    assert folder.read("daily").definition.cron == "0 3 * * *"
    assert folder.names() == ["daily"]
    assert "replaced" in commands.create(definition(folder, cron="0 4 * * *"))


def test_a_file_that_holds_something_else_is_named_and_can_be_deleted(folder, commands):
    folder.path.mkdir()
    folder.file("daily").write_text("{broken", encoding="utf-8")
    with pytest.raises(JobError, match=r"must hold a schedule; .*\(must be JSON; key must be"):
        commands.create(definition(folder))
    assert commands.delete("daily") == "daily: deleted"


def test_the_oldest_logs_of_a_schedule_give_way_and_no_other_ones(folder):
    start = datetime(2026, 11, 1, tzinfo=UTC)
    other = folder.new_log("daily-long", start)
    other.touch()
    for day in range(33):
        folder.new_log("daily", start + timedelta(days=day)).touch()
    kept = sorted(path.name for path in (folder.path / "logs").glob("daily-2*"))
    assert len(kept) == 30
    assert kept[0] == "daily-20261104T000000.log"
    assert other.exists()


@pytest.fixture
def job(folder):
    return Job(definition=definition(folder), created=NOW, considered=NOW - timedelta(hours=10))


def test_a_missed_run_is_planned_for_its_own_moment_and_says_how_many_it_stands_for(job):
    due = datetime(2026, 11, 25, 3, tzinfo=UTC)
    assert next_run(job) == due
    assert why_now(job, due + timedelta(seconds=1)) == "due 2026-11-25T03:00:00+00:00"
    late = "due 2026-11-25T03:00:00+00:00 and missed, made up once"
    assert why_now(job, NOW) == late
    assert why_now(job, NOW + timedelta(days=2)) == f"{late} with 2 later ones"


@pytest.mark.parametrize("state", ["running", "interrupted"])
def test_a_run_that_was_cut_off_goes_on_at_once(job, state):
    last = LastRun(state=state, why="due", started=NOW - timedelta(hours=9), log="")
    cut = job.model_copy(update={"last": last, "considered": NOW})
    assert next_run(cut) <= datetime.now(UTC)
    assert why_now(cut, NOW) == "goes on: the run of 2026-11-25T03:00:00+00:00 was cut off"
    # Unless a person has paused the schedule.
    assert next_run(cut.model_copy(update={"paused": True})) is None


def test_a_run_that_has_ended_is_not_repeated(job):
    last = LastRun(state="ended", why="due", started=NOW, log="", code=1)
    ended = job.model_copy(update={"last": last, "considered": NOW})
    assert next_run(ended) == datetime(2026, 11, 26, 3, tzinfo=UTC)


def test_a_schedule_is_kept_as_json_alone(folder, commands):
    commands.create(definition(folder))
    assert folder.file("daily").read_bytes().startswith(b"{")
    assert sorted(os.listdir(folder.path)) == [".lock", "daily.json"]

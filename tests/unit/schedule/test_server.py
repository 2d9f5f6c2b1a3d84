"""A fault of one schedule, or of one look at the folder, ends neither the others nor the server."""

from __future__ import annotations

import logging
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.schedule import server as server_module
from pipeline.schedule.jobs import Definition, Job, JobFolder
from pipeline.schedule.server import SchedulerDiedError, Server


@pytest.fixture
def folder(tmp_path: Path) -> JobFolder:
    """Two schedules, due at night."""
    folder, now = JobFolder(tmp_path), datetime.now(UTC)
    for name in ("first", "second"):
        definition = Definition(
            name=name,
            cron="0 3 * * *",
            timezone="UTC",
            command=["settings"],
            directory=str(tmp_path),
            out=str(tmp_path / f"out-{name}"),
        )
        job = Job(definition=definition, created=now, considered=now)
        folder.update(name, lambda _, job=job: job)
    return folder


@pytest.fixture
def server(folder: JobFolder, monkeypatch: pytest.MonkeyPatch) -> Server:
    """Looks at the folder fifty times a second."""
    monkeypatch.setattr(server_module, "POLL_SECONDS", 0.02)
    return Server(folder)


def planned(server: Server) -> list[str]:
    return sorted(job.id for job in server.scheduler.get_jobs())


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), KeyError("out"), TypeError()])
def test_a_schedule_that_cannot_be_planned_now_is_tried_again_and_holds_up_no_other(
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    def fail(job: Job) -> datetime | None:
        if job.definition.name == "first":
            raise error
        return stock(job)

    stock = server_module.next_run
    monkeypatch.setattr(server_module, "next_run", fail)
    with caplog.at_level(logging.ERROR, "authorprofile.schedule"):
        server.follow_folder()
        server.follow_folder()
    assert planned(server) == ["second"]
    assert [record.getMessage() for record in caplog.records] == [
        "first: cannot be planned now; tried again"
    ]
    monkeypatch.undo()
    server.follow_folder()
    assert planned(server) == ["first", "second"]


def serve(server: Server) -> tuple[threading.Thread, list[BaseException]]:
    """Serves in a thread; with what ends it."""
    ended: list[BaseException] = []

    def work() -> None:
        try:
            server.serve()
        except SchedulerDiedError as error:
            ended.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    return thread, ended


def until(condition: object) -> None:
    end = time.monotonic() + 60
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_folder_that_cannot_be_looked_at_for_a_while_is_followed_again(
    server: Server,
    folder: JobFolder,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(name: str) -> tuple[int, int]:
        raise PermissionError(13, "Permission denied")

    thread, ended = serve(server)
    until(lambda: planned(server) == ["first", "second"])
    monkeypatch.setattr(folder, "stamp", fail)
    until(lambda: "the folder cannot be followed" in caplog.text)
    assert planned(server) == ["first", "second"]
    monkeypatch.undo()
    folder.update("second", lambda _: None)
    until(lambda: planned(server) == ["first"])
    server.stop.set()
    thread.join(60)
    assert ended == []


def test_without_the_thread_that_wakes_at_the_moments_it_ends_and_says_so(server: Server) -> None:
    thread, ended = serve(server)
    until(lambda: planned(server) == ["first", "second"])
    gone = threading.Thread()
    gone.start()
    gone.join()
    server.scheduler._thread = gone
    thread.join(60)
    assert not thread.is_alive()
    assert "Start `authorprofile schedule serve` again" in str(ended[0])

"""What a person sees while a stage runs, and once it has ended."""

from __future__ import annotations

import io
import logging
import os
import pty
from pathlib import Path
from types import SimpleNamespace

from rich.console import Console

from pipeline.console import RunConsole, Waiting, show_outcome

INGEST = logging.getLogger("authorprofile.ingest")


def test_a_stage_under_way_shows_its_progress_and_what_it_has_written(tmp_path: Path) -> None:
    (tmp_path / "earlier").write_bytes(b"x" * 700)
    waiting = Waiting("ingest", tmp_path)
    assert "written" not in str(waiting.__rich__())
    (tmp_path / "Split-train").mkdir()
    (tmp_path / "Split-train" / "data.gz").write_bytes(b"x" * 2_500)
    waiting.measured -= 1
    waiting.progress = "100,000 records read of posts.jsonl"
    said, _, seconds = str(waiting.__rich__()).rpartition(", ")
    assert said == "ingest: 100,000 records read of posts.jsonl, 2.5 kB written"
    assert seconds.endswith(" s")


def test_a_stage_without_a_folder_yet_shows_no_size(tmp_path: Path) -> None:
    waiting = Waiting("ingest", tmp_path / "none")
    waiting.measured -= 1
    assert "written" not in str(waiting.__rich__())


def test_a_terminal_shows_progress_in_place_and_keeps_what_was_done(tmp_path: Path) -> None:
    INGEST.setLevel(logging.DEBUG)
    reader, writer = pty.openpty()
    with os.fdopen(writer, "w") as terminal, RunConsole(terminal, tmp_path) as console:
        console.stage_started("PostsExampleGen")
        INGEST.debug("100,000 records read")
        INGEST.info("123,456 posts read")
        console.stage_finished("PostsExampleGen")
        seen = os.read(reader, 100_000).decode()
    os.close(reader)
    assert "ingest: 100,000 records read, " in seen
    assert "ingest      \x1b[0m123,456 posts read" in seen


def test_a_log_file_keeps_every_line_with_its_stage_once(tmp_path: Path) -> None:
    INGEST.setLevel(logging.DEBUG)
    stream = io.StringIO()
    with RunConsole(stream, tmp_path) as console:
        console.stage_started("PostsExampleGen")
        INGEST.debug("100,000 records read")
        INGEST.warning("posts.jsonl:7: damaged")
        console.stage_finished("PostsExampleGen")
    lines = [line.rstrip() for line in stream.getvalue().splitlines()]
    assert lines[:2] == [
        "ingest      100,000 records read",
        "            posts.jsonl:7: damaged",
    ]


def test_the_last_line_says_where_the_report_is_whether_pushed_or_not(tmp_path: Path) -> None:
    report = str(tmp_path / "a folder with a long name" / "of a run" / "report.html")
    verdict = {"confidence": 0.95, "authors": 43, "split": "test", "heads": []}
    for pushed in (True, False):
        stream = io.StringIO()
        outcome = SimpleNamespace(
            verdict=verdict,
            hyperparameters={},
            check={},
            pushed=pushed,
            serving_path="/s/1",
            report=report,
        )
        show_outcome(Console(file=stream, width=60), outcome, {})
        assert stream.getvalue().splitlines()[-1] == f"Report:     {report}"

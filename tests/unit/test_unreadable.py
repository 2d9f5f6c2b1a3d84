"""A path that cannot be read: every command says so in the same line, which names it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apache_beam as beam
import click
import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from components.heads.declared import parse_heads
from components.ingest import audit_sources as audit
from components.ingest import join, reading
from components.ingest.opening import open_source
from components.ingest.readers import read_records
from components.ingest.rolling import Span
from components.ingest.settings import READ_BY_DEFAULT
from components.ingest.unreadable import SourceError
from components.retraining.look import look_at_span
from pipeline.audit import audit_command
from pipeline.bulk import bulk_command
from pipeline.causes import describe_cause
from pipeline.config import Config, load_config
from pipeline.deploy.data_checks import check_records
from pipeline.options import check_sources
from pipeline.predict import predict_command
from pipeline.spool import Spool, read_posts

HEADS = parse_heads({"age": {"kind": "regression"}})
RECORD = '{"author_id": "a", "text": "SECRET"}\n'


def dangling(path: Path) -> str:
    path.symlink_to(path.with_name("gone"))
    return "is a link to a file that is not there"


def folder(path: Path) -> str:
    path.mkdir()
    return "is a folder. Give the files in it, such as"


def pipe(path: Path) -> str:
    os.mkfifo(path)
    return "is a pipe or a device, not a file"


def device(path: Path) -> str:
    path.symlink_to("/dev/null")
    return "is a pipe or a device, not a file"


def unreadable(path: Path) -> str:
    # Its first page is mapped in no process: reading it fails, whoever asks.
    path.symlink_to("/proc/self/mem")
    return "cannot be read: Input/output error"


def loop(path: Path) -> str:
    path.symlink_to(path)
    return "cannot be read: Too many levels of symbolic links"


KINDS = [dangling, folder, pipe, device, unreadable, loop]


@pytest.fixture
def said(capfd: pytest.CaptureFixture[str]) -> Callable[[int], str]:
    def read(status: int) -> str:
        printed = capfd.readouterr()
        assert (status, printed.out) == (2, "")
        return printed.err.rstrip("\n")

    return read


def at_once(path: Path) -> str:
    """What `predict` without an output says of a file."""
    with pytest.raises(SourceError) as error, Spool() as spool, open_source(str(path)) as stream:
        read_posts(stream, spool, lambda *_: None, name=str(path))
    return str(error.value)


@pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__)
def test_every_command_says_in_the_same_line_what_cannot_be_read(
    tmp_path: Path, said: Callable[[int], str], make: Callable[[Path], str]
) -> None:
    (tmp_path / "labels.csv").write_text("author_id,age\na,34\n")
    (tmp_path / "posts-1.jsonl").write_text(RECORD)
    bad = tmp_path / "posts-2.jsonl"
    words = make(bad)
    pattern, labels = f"{tmp_path}/posts-*.jsonl", f"{tmp_path}/labels.csv"
    config = load_config(None, [], posts=[pattern], labels=[labels])
    with pytest.raises(click.UsageError) as before:
        check_sources(config)
    with pytest.raises(SourceError) as audited:
        audit.audit_sources([pattern], [labels], HEADS, READ_BY_DEFAULT, f"{tmp_path}/audit")
    lines = [
        str(before.value.message),
        str(audited.value),
        said(bulk_command(tmp_path / "no model", [pattern], tmp_path / "answers.csv")),
        said(bulk_command(tmp_path / "no model", [str(bad)], tmp_path / "answers.csv")),
        at_once(bad),
    ]
    if make is not unreadable:
        # That one opens, and the model is looked for before it is read.
        lines.append(said(predict_command(tmp_path / "no model", bad)))
    assert len(set(lines)) == 1
    assert lines[0].startswith(f"{bad} {words}")
    assert "\n" not in lines[0]


def test_a_folder_that_a_wildcard_happens_to_match_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("author_id,age\na,34\n")
    (tmp_path / "posts").mkdir()
    (tmp_path / "posts-1").write_text(RECORD)
    config = load_config(None, [], posts=[f"{tmp_path}/posts*"], labels=[f"{tmp_path}/labels.csv"])
    check_sources(config)


def test_a_file_that_goes_while_it_is_audited_is_named_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "labels.csv").write_text("author_id,age\na,34\n")
    posts = tmp_path / "posts.jsonl"
    posts.write_text(RECORD)
    monkeypatch.setattr(audit, "check_files", lambda *_: posts.unlink())
    with pytest.raises(Exception) as error:
        audit.audit_sources(
            [str(posts)], [f"{tmp_path}/labels.csv"], HEADS, READ_BY_DEFAULT, f"{tmp_path}/audit"
        )
    assert describe_cause(error.value) == (
        f"{posts} is not there, or not any more. Give files that stay where they are while they "
        "are read."
    )


GONE = "{} is not there, or not any more. Give files that stay where they are while they are read."
SHORTER = "{} became shorter while it was read. Give a file that stays as it is."


Printed = pytest.CaptureFixture[str]


def audited(config: Config, folder: Path, printed: Printed) -> str:
    assert audit_command(config) == 2
    return printed.readouterr().out.strip()


def joined_by_the_doctor(config: Config, folder: Path, printed: Printed) -> str:
    return next(check_records(config)).found


def looked_at(config: Config, folder: Path, printed: Printed) -> str:
    patterns = config.posts, config.labels
    options = PipelineOptions(list(audit.LOCAL_BEAM_ARGUMENTS))
    look_at_span(
        *(Span(0, None), patterns, HEADS, READ_BY_DEFAULT),
        *(f"{folder}/look", lambda: beam.Pipeline(options=options)),
    )
    fault: str = json.loads((folder / "look" / "look.json").read_text())["fault"]
    return fault


@pytest.mark.parametrize("read_by", [audited, joined_by_the_doctor, looked_at])
@pytest.mark.parametrize(("left", "line"), [(None, GONE), (10, SHORTER)])
def test_a_file_that_changes_while_it_is_read_is_told_without_words_of_the_engine(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: Printed,
    read_by: Callable[[Config, Path, Printed], str],
    left: int | None,
    line: str,
) -> None:
    (tmp_path / "labels.csv").write_text("author_id,age\na,34\n")
    posts = tmp_path / "posts.jsonl"
    posts.write_text(RECORD * 50)
    monkeypatch.setattr(reading, "PIECE_BYTES", 500)

    def change(*given: Any) -> str:
        if left is None:
            posts.unlink()
        else:
            os.truncate(posts, left)
        return reading.write_manifest(*given)

    monkeypatch.setattr(join, "write_manifest", change)
    config = load_config(
        *(None, [f"out={tmp_path}/out"], ["age"]),
        posts=[str(posts)],
        labels=[f"{tmp_path}/labels.csv"],
    )
    assert read_by(config, tmp_path, capfd) == line.format(posts)


def test_what_is_appended_while_a_file_is_read_is_left_for_the_next_time(tmp_path: Path) -> None:
    path = tmp_path / "posts.jsonl"
    path.write_text(RECORD * 20_000 + RECORD[:10])
    read = 0
    for _ in read_records(str(path), READ_BY_DEFAULT):
        # A writer that is faster than the reader: it would never come to an end.
        if read % 1000 == 0:
            with path.open("a") as file:
                file.write((RECORD[10:] if read == 0 else "") + RECORD * 3_000)
        read += 1
    assert read == 20_001


@pytest.mark.parametrize("left", [0, 100, 500_000])
def test_a_file_that_is_cut_short_while_it_is_read_is_named(tmp_path: Path, left: int) -> None:
    path = tmp_path / "posts.jsonl"
    path.write_text(RECORD * 20_000)
    with pytest.raises(SourceError, match=rf"^{path} became shorter while it was read\. Give"):
        for _ in read_records(str(path), READ_BY_DEFAULT):
            os.truncate(path, left)

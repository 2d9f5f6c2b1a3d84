"""`authorprofile predict` on many files and to an output, as a command, on the toy model."""

from __future__ import annotations

import io
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.bulk import bulk_command, is_bulk
from pipeline.predict import predict_posts
from tests.unit.serving.damage import list_digests

COMMAND = """
import os, pathlib, signal, sys
from components.serving.bulk import run, shards
from pipeline.bulk import bulk_command
run.bulk_shards = lambda sources: 4
whole = shards.write_whole

def die_at_the_third(path, records):
    if path.name == "00002.jsonl":
        path.with_suffix(".partial").write_text('{"authors"')
        os.kill(os.getpid(), signal.SIGKILL)
    whole(path, records)

if sys.argv[1] == "killed":
    shards.write_whole = die_at_the_third
sys.exit(bulk_command(pathlib.Path(sys.argv[2]), sys.argv[3:-1], pathlib.Path(sys.argv[-1])))
"""


def call(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", COMMAND, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def write_posts(path: Path) -> bytes:
    """40 authors, two posts each, the second halves after all first ones."""
    path.write_text(
        "".join(
            json.dumps({"author_id": f"author {n % 40}", "text": "w " * (n + 1)}) + "\n"
            for n in range(80)
        )
    )
    return path.read_bytes()


def test_a_command_killed_on_its_way_is_finished_by_the_same_with_what_a_stream_gives(
    toy_model: Path, tmp_path: Path
) -> None:
    posts, output = tmp_path / "posts.jsonl", tmp_path / "answers.jsonl"
    content = write_posts(posts)
    killed = call("killed", toy_model, posts, output)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    left = sorted(path.name for path in (tmp_path / "answers.jsonl.unfinished/answers").iterdir())
    assert left == ["00000.jsonl", "00001.jsonl", "00002.partial"]
    assert not output.exists()
    done = call("whole", toy_model, posts, output)
    assert done.returncode == 0, done.stderr
    said = done.stderr.splitlines()
    assert said[0] == "reading 1 file, 1 of them before"
    assert said[1].startswith("answering the authors of 80 posts, ")
    assert said[2:] == [
        "writing the output",
        "40 authors answered; 80 posts read: 80 used, 0 set aside",
    ]
    answers = io.StringIO()
    predict_posts(toy_model, io.BufferedReader(io.BytesIO(content)), answers, io.StringIO())
    assert output.read_text() == answers.getvalue()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answers.jsonl", "posts.jsonl"]


def test_tables_without_an_output_are_answered_on_standard_output(
    toy_model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "1.csv").write_text("author_id,text\na,you\n,secret\n")
    (tmp_path / "2.csv").write_text("author_id,text\nb,two three\n")
    assert bulk_command(toy_model, [str(tmp_path / "*.csv")], None) == 0
    printed = capfd.readouterr()
    answers = [json.loads(line) for line in printed.out.splitlines()]
    assert [(answer["author_id"], answer["age"]) for answer in answers] == [("a", 21), ("b", 22)]
    assert printed.err.splitlines() == [
        "reading 2 files",
        "answering the authors of 2 posts",
        "writing the output",
        "2 authors answered; 3 posts read: 2 used, 1 set aside",
        f"  {tmp_path}/1.csv: 2 read, 1 used, 1 set aside",
        "    1 author_id missing, first at line 3",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.csv", "2.csv"]


def test_a_timestamp_that_cannot_be_read_is_counted_and_its_post_answered(
    toy_model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "1.csv").write_text("author_id,text,timestamp\na.0,you,yesterday\n1.0,me,?\n")
    output = tmp_path / "answers.jsonl"
    assert bulk_command(toy_model, [str(tmp_path / "1.csv")], output) == 0
    answers = [json.loads(line) for line in output.read_text().splitlines()]
    assert [(answer["author_id"], answer["age"]) for answer in answers] == [("a.0", 21), ("1", 21)]
    assert capfd.readouterr().err.splitlines()[3:] == [
        "2 authors answered; 2 posts read: 2 used, 0 set aside",
        f"  {tmp_path}/1.csv: 2 read, 2 used, 0 set aside",
        "    1 timestamp not readable (a note), first at line 2",
        "    1 author_id normalised (a note), first at line 3",
    ]


def test_a_damaged_version_is_passed_over_and_named(
    toy_model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("9", "10"):
        shutil.copytree(toy_model, tmp_path / "serving" / name)
    # Found before it is loaded, and as it is loaded.
    list_digests(tmp_path / "serving" / "10")
    (tmp_path / "serving" / "10" / "saved_model.pb").write_text("broken")
    shutil.copytree(tmp_path / "serving" / "10", tmp_path / "serving" / "11")
    (tmp_path / "serving" / "11" / "assets.extra" / "SHA256SUMS").unlink()
    posts, output = tmp_path / "posts.csv", tmp_path / "answers.jsonl"
    posts.write_text("author_id,text\na,you\n")
    assert bulk_command(tmp_path / "serving", [str(posts)], output) == 0
    assert json.loads(output.read_text())["age"] == 21
    told = capfd.readouterr().err.splitlines()[:2]
    assert told[0].startswith("version 11 skipped: the model must load and have")
    assert told[1] == ("version 10 skipped: it is damaged: saved_model.pb has changed.")


def test_exit_codes_tell_wrong_usage_from_posts_or_a_model_that_fail(
    toy_model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    posts, taken = tmp_path / "posts.csv", tmp_path / "taken.csv"
    posts.write_text("author_id,text\na,you\n")
    (tmp_path / "empty.csv").touch()
    (tmp_path / "posts.txt").touch()
    taken.touch()
    broken = tmp_path / "broken"
    (broken / "assets").mkdir(parents=True)
    (broken / "assets/heads.json").write_bytes((toy_model / "assets/heads.json").read_bytes())
    (broken / "saved_model.pb").write_text("broken")
    new = tmp_path / "new.csv"
    cases = [
        (toy_model, "none*.csv", new, 2, "posts: no file matches"),
        (toy_model, "posts.txt", new, 2, "A file's ending names its format"),
        (toy_model, "posts.csv", tmp_path / "new.xlsx", 2, "the output's ending names its format"),
        (toy_model, "posts.csv", taken, 2, "the output must not exist yet"),
        (tmp_path, "posts.csv", new, 2, "model folder must hold"),
        (toy_model, "empty.csv", new, 1, "the files must hold at least one post; they are empty"),
        (broken, "posts.csv", new, 1, "the model must load and have a signature 'posts'"),
    ]
    for model, file, output, status, words in cases:
        assert bulk_command(model, [str(tmp_path / file)], output) == status, words
        printed = capfd.readouterr()
        assert (printed.out, words in printed.err) == ("", True), printed.err
    assert not new.exists()


def test_one_stream_of_posts_is_answered_at_once_and_all_else_through_beam(tmp_path: Path) -> None:
    plain = tmp_path / "posts[1].jsonl"
    plain.touch()
    at_once = [[], ["posts.jsonl"], ["posts.jsonl.gz"], ["letter"], [str(plain)]]
    assert not any(is_bulk(files, None) for files in at_once)
    through_beam = [["a.jsonl", "b.jsonl"], ["posts.csv.gz"], ["posts.parquet"], ["posts*.jsonl"]]
    assert all(is_bulk(files, None) for files in through_beam)
    assert is_bulk(["posts.jsonl"], tmp_path / "answers.csv")

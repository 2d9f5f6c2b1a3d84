"""A full disk is told in words, with exit code 1, wherever a command writes."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.full_disk import describe_full, is_full, spool_folder

COMMAND = str(Path(sys.executable).parent / "authorprofile")
SAID = "No space is left to write "
# A limit on a file's size stands for a disk: it needs no rights, and comes back as EFBIG. SQLite
# holds 64 MB before it writes.
LIMITED = """
import resource, sys
import pipeline.spool
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
pipeline.spool._SCHEMA = pipeline.spool._SCHEMA.replace("-65536", "-8")
from pipeline.cli import main
sys.argv = ["authorprofile", *sys.argv[1:]]
main()
"""


@pytest.fixture(name="posts", scope="module")
def many_posts(tmp_path_factory):
    path = tmp_path_factory.mktemp("posts") / "posts.jsonl"
    lines = (json.dumps({"author_id": str(n), "text": "you " * 200}) for n in range(300))
    path.write_text("\n".join(lines))
    return path


def run(words, out=subprocess.PIPE):
    return subprocess.run(
        words, stdout=out, stderr=subprocess.PIPE, text=True, check=False, stdin=subprocess.DEVNULL
    )


@pytest.mark.parametrize(
    "words",
    [
        ["settings"],
        ["predict", "--model", "MODEL", "POSTS"],
        ["predict", "--model", "MODEL", "POSTS", "POSTS"],
        ["models", "list", "--model", "VERSIONS"],
    ],
)
def test_a_full_standard_output_is_told(toy_model, posts, tmp_path, words):
    shutil.copytree(toy_model, tmp_path / "1700000000")
    given = {"MODEL": str(toy_model), "POSTS": str(posts), "VERSIONS": str(tmp_path)}
    with open("/dev/full", "w") as full:
        done = run([COMMAND, *(given.get(word, word) for word in words)], full)
    assert done.returncode == 1
    assert f"{SAID}to standard output: " in done.stderr
    assert "Free some, or write to another file." in done.stderr
    assert "Traceback" not in done.stderr and "Errno" not in done.stderr


# A command that no one foresaw to fail there, with real faults of the system.
UNFORESEEN = """
import os, sys
from pathlib import Path
from pipeline.chatter import divert_output
from pipeline.cli import cli, main
NAMED = OSError(28, os.strerror(28), "/out/work/part-1")
def write(descriptor):
    try:
        os.write(descriptor, b"x")
    finally:
        os.close(descriptor)
def full():
    write(os.open("/dev/full", os.O_WRONLY))
def left():
    reader, writer = os.pipe()
    os.close(reader)
    write(writer)
@cli.command()
def act():
    with divert_output(Path(sys.argv[2])) as (terminal, _):
        exec(ACT)
sys.argv[1:] = ["act", *sys.argv[1:]]
cli.commands["act"].params = []
cli.commands["act"].allow_extra_args = True
main()
"""


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    ("act", "said"),
    [
        ("print('x', file=terminal); full()", "a file of this command, perhaps a temporary one"),
        ("raise NAMED", "/out/work/part-1: the disk is full"),
        ("raise RuntimeError('a stage') from NAMED", "/out/work/part-1: the disk is full"),
        ("os.dup2(os.open('/dev/full', 1), 1); print('x', flush=True)", "a file of this command"),
        ("left()", "one closed the connection before"),
    ],
)
def test_a_fault_elsewhere_is_not_taken_for_one_of_standard_output(
    tmp_path, monkeypatch, act, said, unbuffered
):
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    done = run([sys.executable, "-c", f"ACT = {act!r}\n{UNFORESEEN}", str(tmp_path)])
    assert done.returncode == 1
    assert said in done.stderr and "standard output" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("act", ["print('x', file=terminal, flush=True)", "pass"])
def test_a_full_standard_output_is_told_beneath_the_log_too(tmp_path, monkeypatch, act, unbuffered):
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    code = f"ACT = {act!r}\n{UNFORESEEN}"
    if act == "pass":
        code = code.replace("        exec(ACT)", "        pass\n    print('x')")
    with open("/dev/full", "w") as full:
        done = run([sys.executable, "-c", code, str(tmp_path)], full)
    assert done.returncode == 1
    assert done.stderr.startswith(f"{SAID}to standard output: ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_has_read_enough_is_no_fault(monkeypatch, unbuffered):
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    reader, writer = os.pipe()
    os.close(reader)
    done = run([COMMAND, "settings"], writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


def test_a_full_folder_of_posts_that_are_read_is_told(toy_model, posts):
    words = ["predict", "--model", str(toy_model), str(posts)]
    done = run([sys.executable, "-c", LIMITED, *words])
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{SAID}the posts that were read, in {spool_folder()}: " in done.stderr
    assert "Traceback" not in done.stderr and "Errno" not in done.stderr


def test_what_was_done_before_the_disk_was_full_stays_for_the_next_call(toy_model, posts, tmp_path):
    words = ["predict", "--model", str(toy_model), str(posts), "--output"]
    words.append(str(tmp_path / "answers.jsonl"))
    cut_short = run([sys.executable, "-c", LIMITED, *words])
    assert cut_short.returncode == 1
    assert f"{SAID}the answers and what is kept until they are whole, in {tmp_path}: " in (
        cut_short.stderr
    )
    assert not (tmp_path / "answers.jsonl").exists()
    assert (tmp_path / "answers.jsonl.unfinished" / "job.json").is_file()


def caused(error, cause):
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OSError(errno.ENOSPC, "x"), True),
        (OSError(errno.EDQUOT, "x"), True),
        (OSError(errno.EFBIG, "x"), True),
        (OSError(errno.EACCES, "x"), False),
        (
            RuntimeError(f"OSError: [Errno 28] {os.strerror(errno.ENOSPC)} [while running 'x']"),
            True,
        ),
        (caused(ValueError("x"), OSError(errno.ENOSPC, "x")), True),
        (caused(ValueError("x"), KeyError("x")), False),
        (sqlite3.OperationalError("locked"), False),
    ],
)
def test_an_error_of_a_full_disk_is_told_from_others(error, full):
    assert is_full(error) is full


def test_sqlites_own_error_is_one():
    database = sqlite3.connect(":memory:")
    database.execute("PRAGMA max_page_count = 2")
    with pytest.raises(sqlite3.OperationalError) as full:
        database.executescript("CREATE TABLE a (b); INSERT INTO a VALUES (zeroblob(100000));")
    assert is_full(full.value)


def test_the_sentence_names_the_place_and_the_way_on():
    assert describe_full("the audit, in /out", "Free some.") == (
        "No space is left to write the audit, in /out: the disk is full, or a quota or the limit "
        "on a file's size is reached. Free some."
    )

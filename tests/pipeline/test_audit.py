"""`authorprofile audit` from end to end: counts, files, exit codes."""

from __future__ import annotations

import gzip
import json
import signal
import subprocess
import time

import pytest
from command import arguments, run_command

HEADS = ("--heads", "age,gender", "--set", "ingest.maximum_set_aside_share=0.5")


def write_records(folder, authors=60):
    """Posts of some authors, one unreadable and one without a label, and the authors' labels."""
    posts = [{"author_id": n, "text": f"secret {n}"} for n in range(authors)]
    lines = [json.dumps(post) for post in posts]
    lines += ['{"author_id": 0, "text": "secret', '{"author_id": "nobody", "text": "secret"}']
    with gzip.open(folder / "posts.jsonl.gz", "wt") as file:
        file.write("\n".join(lines))
    labels = [f"{n},{20 + n},{'female' if n % 4 < 2 else 'male'}" for n in range(authors)]
    (folder / "labels.csv").write_text("\n".join(["author_id,age,gender", *labels, "1,77,female"]))


def test_the_audit_counts_every_record_by_file_and_cause_and_names_its_line(tmp_path):
    write_records(tmp_path)
    done = run_command(
        "audit",
        *("--posts", tmp_path / "posts.jsonl.gz", "--labels", tmp_path / "labels.csv"),
        *("--out", tmp_path / "out", *HEADS),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert "The data passes every check that a run makes before training." in done.stdout
    audit = json.loads((tmp_path / "out/audit/audit.json").read_text())
    posts, labels = audit["files"]
    assert (posts["read"], posts["used"], labels["read"], labels["used"]) == (62, 59, 61, 59)
    assert posts["set_aside"] == {
        "author's labels conflict": {"records": 1, "first_line": 2},
        "no label record": {"records": 1, "first_line": 62},
        "not valid JSON": {"records": 1, "first_line": 61},
    }
    assert labels["set_aside"] == {"conflicting labels": {"records": 2, "first_line": 3}}
    assert sum(split["authors"] for split in audit["splits"].values()) == 59
    written = [
        line
        for path in (tmp_path / "out/audit").glob("set_aside-*.jsonl.gz")
        for line in gzip.decompress(path.read_bytes()).decode().splitlines()
    ]
    assert sorted(
        (record["file"].rpartition("/")[2], record["line"]) for record in map(json.loads, written)
    ) == [
        ("labels.csv", 3),
        ("labels.csv", 62),
        ("posts.jsonl.gz", 2),
        ("posts.jsonl.gz", 61),
        ("posts.jsonl.gz", 62),
    ]
    assert "secret" not in "".join(written) + done.stdout
    # Both files can be told apart, however long their folder's name is.
    shown = "".join(character for character in done.stdout if character not in " │\n")
    assert "labels.csv" in shown and "posts.jsonl.gz" in shown


def test_an_empty_file_ends_the_audit_with_code_1_and_says_what_was_counted(tmp_path):
    write_records(tmp_path)
    (tmp_path / "none.jsonl").touch()
    done = run_command(
        "audit",
        *("--posts", tmp_path / "none.jsonl", "--labels", tmp_path / "labels.csv"),
        *("--out", tmp_path / "out", *HEADS),
    )
    assert done.returncode == 1
    said = " ".join(done.stdout.split())
    assert "At least one author must have posts and a known label. Received: none." in said
    assert "posts: 0 read labels: 61 read no posts: 59, first at" in said
    assert "Traceback" not in done.stdout + done.stderr


def test_patterns_that_name_no_usable_file_end_the_audit_with_code_2(tmp_path):
    write_records(tmp_path)
    labels = ("--labels", tmp_path / "labels.csv", "--out", tmp_path / "out")
    done = run_command("audit", "--posts", tmp_path / "gone*.jsonl", *labels)
    assert (done.returncode, done.stdout) == (2, "")
    assert "posts: no file matches" in done.stderr
    (tmp_path / "posts.txt").touch()
    done = run_command("audit", "--posts", tmp_path / "posts.txt", *labels)
    assert (done.returncode, done.stdout) == (2, "")
    assert "A file's ending names its format" in done.stderr


def test_an_audit_that_cannot_be_written_says_so_without_a_traceback(tmp_path):
    write_records(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/audit").write_text("a file where the folder should be")
    done = run_command(
        "audit",
        *("--posts", tmp_path / "posts.jsonl.gz", "--labels", tmp_path / "labels.csv"),
        *("--out", tmp_path / "out", *HEADS),
    )
    assert done.returncode == 1
    assert done.stdout.startswith("audit failed: ")
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("labels_of", "code", "said"),
    [
        pytest.param(
            lambda n: {
                "age": -1 if n % 9 == 0 else 30 + n,
                "income": 100 * n - 5,
                "level": 1 + n % 4,
            },
            1,
            [
                "Each known label must be in the range of its head. Received:",
                "head 'age' (field 'age'): labels must lie between heads.age.minimum, 0, and "
                "heads.age.maximum, 120; 7 of 60 labels are below, first at",
                "The value -1 occurs 7 times: if it means unknown, add -1 to ingest.unknown.",
                "head 'income' (field 'income'): amounts must be 0 or more; 1 of 60 labels is "
                "below, first at",
                "head 'level' (field 'level'): groups must be numbered from 0 to 3, since "
                "heads.level.classes is 4; 15 of 60 labels are above, first at",
                "They seem to be numbered from 1: number them from 0.",
            ],
            id="out of range",
        ),
        pytest.param(
            lambda n: {"age": 20 + n, "income": 0 if n % 8 else 100 + n, "level": n % 4},
            1,
            [
                "Each head needs a known label in each split, and different ones in 'train' and "
                "in 'eval'. Received: head 'income' (field 'income') has all 3 known amounts of "
                "'eval' in one of its 10 groups, which are cut at the quantiles of 'train'; only 2 "
                "of 10 groups hold an author of 'train', since too few amounts differ: set "
                "heads.income.kind: regression for the number itself, or heads.income.given_as: "
                "group for groups of your own.",
            ],
            id="one group in eval",
        ),
        pytest.param(
            lambda n: {"age": 20 + n, "income": n % 4, "level": n % 4},
            0,
            [
                "head 'income' (field 'income'): only 4 of 10 groups hold an author of 'train', "
                "since too few amounts differ: set heads.income.classes: ",
                "The data passes every check that a run makes before training.",
            ],
            id="groups that stay empty",
        ),
    ],
)
def test_labels_that_a_run_refuses_are_told_before_it(tmp_path, labels_of, code, said):
    posts = [{"author_id": n, "text": "some text"} for n in range(60)]
    labels = [{"author_id": n, **labels_of(n)} for n in range(60)]
    for name, records in (("posts", posts), ("labels", labels)):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, records)))
    done = run_command(
        "audit",
        *("--posts", tmp_path / "posts.jsonl", "--labels", tmp_path / "labels.jsonl"),
        *("--out", tmp_path / "out", "--heads", "age,income,level"),
        settings=["heads.level={kind: classes, classes: 4, given_as: group}"],
    )
    assert done.returncode == code, done.stdout + done.stderr
    text = " ".join(done.stdout.split())
    for part in said:
        assert part in text


def test_an_interrupt_ends_the_audit_with_code_130_and_keeps_the_earlier_one(tmp_path):
    write_records(tmp_path, authors=100_000)
    (tmp_path / "out/audit").mkdir(parents=True)
    (tmp_path / "out/audit/audit.json").write_text("earlier")
    words = arguments(
        "audit",
        *("--posts", tmp_path / "posts.jsonl.gz", "--labels", tmp_path / "labels.csv"),
        *("--out", tmp_path / "out", *HEADS),
    )
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    while process.poll() is None and not list((tmp_path / "out/audit").glob("partial-*/*")):
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=300)
    assert (process.returncode, errors) == (130, "")
    assert output == "Interrupted; an earlier audit is kept as it was.\n"
    assert (tmp_path / "out/audit/audit.json").read_text() == "earlier"
    # A thread of the interrupted join may have written after the folder was cleared.
    (tmp_path / "out/audit/partial-left").mkdir(exist_ok=True)
    (tmp_path / "out/audit/partial-left/set_aside").write_text("half")
    write_records(tmp_path)
    assert subprocess.run(words, capture_output=True, check=False).returncode == 0
    names = {path.name.partition("-")[0] for path in (tmp_path / "out/audit").iterdir()}
    assert names == {"audit.json", "set_aside"}

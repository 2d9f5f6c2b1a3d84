"""Files of posts to an output of answers: formats, counts, unfinished work, on the toy model."""

from __future__ import annotations

import csv
import gzip
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from components.heads.classes import ServedClasses
from components.heads.served import ServedNumber
from components.ingest.sources import find_posts
from components.serving.assets import ServedHeads, read_served_heads
from components.serving.bulk import run
from components.serving.bulk.run import BulkSummary, NoPosts, predict_files
from components.serving.bulk.tables import FormatError, check_format, columns
from components.serving.bulk.work import OutputTaken, work_folder

POSTS = [
    {"author_id": "b", "text": "I went home, see"},
    {"author_id": "a", "text": "you"},
    {"author_id": "b", "text": "two"},
]
# b: five words in 16 + 1 + 3 = 20 bytes, group 0; a: one word in 3 bytes, group 3.
TABLE = [
    ["b", 25.0, 0, 0.7, 0.1, 0.1, 0.1, 0.8333333, 0.1666667],
    ["a", 21.0, 3, 0.1, 0.1, 0.1, 0.7, 0.5, 0.5],
]
COLUMNS = [
    "author_id",
    "age",
    "income_group",
    "income_p0",
    "income_p1",
    "income_p2",
    "income_p3",
    "gender_female",
    "gender_male",
]


class Steps(list[Any]):
    """Keeps what the progress was told."""

    def reading(self, files: int, finished: int) -> None:
        self.append(("reading", files, finished))

    def answering(self, posts: int, finished_posts: int, finished_authors: int) -> None:
        self.append(("answering", posts, finished_posts, finished_authors))

    def writing(self) -> None:
        self.append("writing")


class Killed(BaseException):
    """Stands for the end of the process."""


DEATHS = (Killed, RuntimeError)
"""Beam raises what ends a step of its own as a RuntimeError."""


@pytest.fixture
def four_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "bulk_shards", lambda sources: 4)


def predict(
    model: Path, files: list[Path], output: Path, force: bool = False, beam: Sequence[str] = ()
) -> tuple[BulkSummary, Steps]:
    served, steps = read_served_heads(model), Steps()
    sources = find_posts([str(file) for file in files])
    form = check_format(output, served)
    return predict_files(model, served, sources, output, form, steps, force, beam), steps


def write_jsonl(path: Path, records: list[Any]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def write_csv(path: Path, records: list[dict[str, str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(records[0]))
        table.writeheader()
        table.writerows(records)
    return path


def write_input(path: Path) -> Path:
    """POSTS in the format that the path's ending names."""
    if path.suffix == ".gz":
        plain = write_input(path.with_suffix(""))
        path.write_bytes(gzip.compress(plain.read_bytes()))
        plain.unlink()
    elif path.suffix == ".parquet":
        parquet.write_table(pyarrow.Table.from_pylist(POSTS), path)
    elif path.suffix == ".csv":
        write_csv(path, POSTS)
    else:
        write_jsonl(path, POSTS)
    return path


def read_table(path: Path) -> tuple[list[str], list[list[Any]]]:
    if path.suffix == ".parquet":
        table = parquet.read_table(path)
        return table.column_names, [list(row.values()) for row in table.to_pylist()]
    with path.open(encoding="utf-8", newline="") as file:
        names, *rows = csv.reader(file)
    return names, [[r[0], float(r[1]), int(r[2]), *map(float, r[3:])] for r in rows]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("p.jsonl", "answers.csv"),
        ("p.csv", "answers.parquet"),
        ("p.parquet", "answers.csv"),
        ("p.csv.gz", "answers.parquet"),
    ],
)
def test_every_format_of_posts_gives_the_same_table(
    toy_model: Path, tmp_path: Path, given: str, wanted: str
) -> None:
    summary, _ = predict(toy_model, [write_input(tmp_path / given)], tmp_path / wanted)
    assert read_table(tmp_path / wanted) == (COLUMNS, TABLE)
    assert (summary.authors, [(f.read, f.used) for f in summary.files]) == (2, [(3, 3)])
    assert sorted(os.listdir(tmp_path)) == sorted([given, wanted])


@pytest.mark.usefixtures("four_shards")
def test_an_author_of_several_files_is_answered_once_in_the_order_first_met(
    toy_model: Path, tmp_path: Path
) -> None:
    first = write_jsonl(tmp_path / "1.jsonl", POSTS[:1])
    others = [{"author_id": str(n), "text": "w " * (n + 1)} for n in range(20)]
    second = write_csv(tmp_path / "2.csv", [*others, *POSTS[1:]])
    predict(toy_model, [first, second], tmp_path / "answers.jsonl")
    answers = [json.loads(line) for line in (tmp_path / "answers.jsonl").open()]
    assert [(answer["author_id"], answer["age"]) for answer in answers] == [
        ("b", 25.0),
        *((str(n), 21.0 + n) for n in range(20)),
        ("a", 21.0),
    ]


@pytest.mark.usefixtures("four_shards")
def test_another_runner_gives_the_same_output_several_shards_at_once(
    toy_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "SHARDS_ELSEWHERE", 3)
    posts = [{"author_id": str(n % 20), "text": "w " * (n + 1)} for n in range(40)]
    given = write_jsonl(tmp_path / "1.jsonl", [*posts, {"text": "of nobody"}])
    here, steps = predict(toy_model, [given], tmp_path / "here.jsonl")
    assert steps == [("reading", 1, 0), ("answering", 40, 0, 0), "writing"]
    threads = [
        "--runner=components.local_runner.LocalRunner",
        "--direct_running_mode=multi_threading",
    ]
    threads += ["--direct_num_workers=2"]
    there, steps = predict(toy_model, [given], tmp_path / "there.jsonl", beam=threads)
    assert there == here
    assert (tmp_path / "there.jsonl").read_bytes() == (tmp_path / "here.jsonl").read_bytes()
    # Told anew after three of the four shards.
    reading, before, after, writing = steps
    assert (reading, before, writing) == (("reading", 1, 0), ("answering", 40, 0, 0), "writing")
    assert 0 < after[2] < 40 and 0 < after[3] < 20


@pytest.mark.usefixtures("four_shards")
def test_what_is_set_aside_is_counted_by_file_and_cause_and_listed_without_text(
    toy_model: Path, tmp_path: Path
) -> None:
    first = tmp_path / "1.jsonl"
    first.write_text(
        '{"author_id": "a", "post_id": 1, "text": "you"}\n'
        '{"text": "secret"}\nsecret\n{"author_id": "c", "text": " ", "post_id": "secret"}\n'
        '{"text": "secret"}\n'
    )
    second = write_csv(
        tmp_path / "2.csv",
        [
            {"author_id": "a", "post_id": "1", "text": "secret"},
            {"author_id": "d", "post_id": "1", "text": "you"},
        ],
    )
    summary, _ = predict(toy_model, [first, second], tmp_path / "answers.csv")
    counts = [
        (f.read, f.used, {c: (n.records, n.first_line) for c, n in f.set_aside.items()})
        for f in summary.files
    ]
    assert counts == [
        (
            5,
            1,
            {
                "author_id missing": (2, 2),
                "not valid JSON": (1, 3),
                "empty text": (1, 4),
            },
        ),
        (2, 1, {"duplicate post": (1, 2)}),
    ]
    listed = (tmp_path / "answers.csv.set_aside.jsonl").read_text()
    assert [json.loads(line) for line in listed.splitlines()] == [
        {"file": str(first), "line": 2, "cause": "author_id missing"},
        {"file": str(first), "line": 3, "cause": "not valid JSON"},
        {"file": str(first), "line": 4, "cause": "empty text"},
        {"file": str(first), "line": 5, "cause": "author_id missing"},
        {"file": str(second), "line": 2, "cause": "duplicate post"},
    ]
    assert "secret" not in listed
    assert [row[0] for row in read_table(tmp_path / "answers.csv")[1]] == ["a", "d"]


def test_a_file_that_breaks_off_is_told_and_what_came_before_is_answered(
    toy_model: Path, tmp_path: Path
) -> None:
    damaged = tmp_path / "p.jsonl.gz"
    damaged.write_bytes(gzip.compress(b'{"author_id": "a", "text": "you"}\n' * 3)[:-4])
    summary, _ = predict(toy_model, [damaged], tmp_path / "answers.csv")
    assert [(f.read, f.used) for f in summary.files] == [(4, 3)]
    assert summary.breaks() == [
        f"{damaged}:4: compressed data ends early or is damaged; nothing after it was read"
    ]


def test_files_without_a_post_are_an_error_and_leave_nothing(
    toy_model: Path, tmp_path: Path
) -> None:
    posts = write_jsonl(tmp_path / "p.jsonl", [{"text": "secret"}, {"text": "secret"}])
    with pytest.raises(NoPosts, match="none of their 2 records can be read") as error:
        predict(toy_model, [posts], tmp_path / "answers.csv")
    assert str(error.value).endswith("\n  author_id missing: 2")
    assert os.listdir(tmp_path) == ["p.jsonl"]


def test_an_output_that_exists_gives_way_by_force_alone(toy_model: Path, tmp_path: Path) -> None:
    posts, output = write_input(tmp_path / "p.jsonl"), tmp_path / "answers.csv"
    output.write_text("old")
    with pytest.raises(OutputTaken, match="the output must not exist yet"):
        predict(toy_model, [posts], output)
    assert (output.read_text(), sorted(os.listdir(tmp_path))) == ("old", ["answers.csv", "p.jsonl"])
    predict(toy_model, [posts], output, force=True)
    assert read_table(output)[1] == TABLE


def write_many(folder: Path) -> list[Path]:
    """40 authors with two posts each, one in either file."""
    return [
        write_jsonl(
            folder / f"{file}.jsonl",
            [{"author_id": f"author {n}", "text": "w " * (n + 1)} for n in range(40)],
        )
        for file in (1, 2)
    ]


def die_at(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ends the next call at a place, with half a file written there."""
    from components.serving.bulk import shards, spread

    def die_after(calls: int, real: Callable[..., Any], half: Callable[..., Any]) -> Any:
        done = []

        def call(*words: Any) -> Any:
            if len(done) == calls:
                half(*words)
                raise Killed("killed")
            done.append(words)
            return real(*words)

        return call

    def half_a_folder(*words: Any) -> None:
        (words[-1] / "shard-00001.jsonl").write_text('["author 1", [1,')

    def half_a_file(path: Path, *_: Any) -> None:
        path.with_suffix(".partial").write_text('{"authors"')

    def half_an_output(_: Any, path: Path, *__: Any) -> None:
        path.write_text("author_id,")

    if place == "reading":
        write = die_after(1, spread._write_source, half_a_folder)
        monkeypatch.setattr(spread, "_write_source", write)
    elif place == "answering":
        monkeypatch.setattr(shards, "write_whole", die_after(2, shards.write_whole, half_a_file))
    elif place == "writing":
        monkeypatch.setattr(run, "write_answers", die_after(0, run.write_answers, half_an_output))
    else:
        monkeypatch.setattr(run, "delete_work", die_after(0, run.delete_work, lambda work: None))


@pytest.mark.usefixtures("four_shards")
@pytest.mark.parametrize(
    ("place", "finished_files", "goes_on"),
    [("reading", 1, 0), ("answering", 2, 2), ("writing", 2, 4)],
)
def test_the_same_call_goes_on_where_a_killed_one_stopped(
    toy_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    finished_files: int,
    goes_on: int,
) -> None:
    files, output = write_many(tmp_path), tmp_path / "answers.csv"
    predict(toy_model, files, tmp_path / "whole.csv")
    with monkeypatch.context() as patched:
        die_at(place, patched)
        with pytest.raises(DEATHS, match="killed"):
            predict(toy_model, files, output)
    assert not output.exists()
    finished = sorted((work_folder(output) / "answers").glob("*.jsonl"))
    assert len(finished) == goes_on
    counts = [json.loads(path.open().readline()) for path in finished]
    authors = sum(count["authors"] for count in counts)
    _, steps = predict(toy_model, files, output)
    assert steps == [
        ("reading", 2, finished_files),
        ("answering", 80, 2 * authors, authors),
        "writing",
    ]
    assert output.read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert not work_folder(output).exists()


@pytest.mark.usefixtures("four_shards")
def test_a_call_killed_once_its_output_is_there_leaves_nothing_to_the_next(
    toy_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, output = write_many(tmp_path), tmp_path / "answers.csv"
    with monkeypatch.context() as patched:
        die_at("deleting", patched)
        with pytest.raises(DEATHS, match="killed"):
            predict(toy_model, files, output)
    assert work_folder(output).is_dir()
    whole = output.read_bytes()
    with pytest.raises(OutputTaken, match="the output must not exist yet"):
        predict(toy_model, files, output)
    assert (output.read_bytes(), work_folder(output).exists()) == (whole, False)


@pytest.mark.usefixtures("four_shards")
def test_unfinished_work_of_other_posts_goes_on_by_force_alone_and_from_the_start(
    toy_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, output = write_many(tmp_path), tmp_path / "answers.csv"
    with monkeypatch.context() as patched:
        die_at("answering", patched)
        with pytest.raises(DEATHS, match="killed"):
            predict(toy_model, files, output)
    write_jsonl(files[0], POSTS)
    with pytest.raises(OutputTaken, match="was begun with other files"):
        predict(toy_model, files[:1], output)
    _, steps = predict(toy_model, files[:1], output, force=True)
    assert steps[:2] == [("reading", 1, 0), ("answering", 3, 0, 0)]
    assert read_table(output)[1] == TABLE


def test_heads_that_would_share_a_column_are_refused_for_a_table_alone() -> None:
    served = ServedHeads(
        (
            ServedClasses(name="age", kind="classes", classes=2),
            ServedNumber(name="age_p1", kind="regression"),
        ),
        " ",
    )
    assert columns(served) == ["author_id", "age_group", "age_p0", "age_p1", "age_p1"]
    with pytest.raises(FormatError, match="age_p1 would be of two"):
        check_format(Path("answers.csv"), served)
    assert check_format(Path("answers.jsonl"), served) == ".jsonl"
    with pytest.raises(FormatError, match=r"\.jsonl, \.csv, \.parquet\. Received: answers\.txt"):
        check_format(Path("answers.txt"), served)
    assert check_format(Path("x" * 233 + ".jsonl"), served) == ".jsonl"
    for name in ("x" * 234, "ö" * 117):
        with pytest.raises(FormatError, match=r"may take 239 bytes, .*; it takes 240"):
            check_format(Path(f"{name}.jsonl"), served)

"""The join as one Beam transform, and the whole from files to audit."""

import bz2
import gzip
import json
from pathlib import Path

import apache_beam as beam
import pyarrow
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.util import assert_that, equal_to
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from components.heads.declared import parse_heads
from components.ingest.audit_sources import LOCAL_BEAM_ARGUMENTS, audit_sources
from components.ingest.join import JoinAuthors
from components.ingest.reading import label_row, post_row
from components.ingest.records import Label, Post
from components.ingest.settings import IngestSettings, SplitSettings

HEADS = parse_heads({"age": {"kind": "regression"}, "gender": {"kind": "binary"}})


def test_authors_come_out_joined_in_their_split():
    posts = [
        post_row(0, 1, Post("alice", "second", time_microseconds=2)),
        post_row(0, 2, Post("alice", "first", time_microseconds=1)),
        post_row(0, 3, Post("ivan", "hello")),
        post_row(0, 4, Post("nobody", "unlabelled")),
        post_row(0, 5, Post("7", "seven")),
    ]
    labels = [
        label_row(1, 2, Label("alice", (41.0, None))),
        label_row(1, 3, Label("ivan", (None, "male"))),
        label_row(1, 4, Label("7", (20.0, None))),
        label_row(1, 5, Label("7", (21.0, None))),
    ]
    with beam.Pipeline(options=PipelineOptions(list(LOCAL_BEAM_ARGUMENTS))) as pipeline:
        joined = {
            "posts": pipeline | "Posts" >> beam.Create(posts),
            "labels": pipeline | "Labels" >> beam.Create(labels),
        } | JoinAuthors(HEADS, SplitSettings())
        expected = {
            "train": [("alice", ("first", "second"), (41.0, None))],
            "eval": [("ivan", ("hello",), (None, "male"))],
            "test": [],
            "set_aside": [
                (0, 4, "no label record"),
                (0, 5, "author's labels conflict"),
                (1, 4, "conflicting labels"),
                (1, 5, "conflicting labels"),
            ],
        }
        for name, elements in expected.items():
            assert_that(joined[name], equal_to(elements), label=name)


@given(st.sets(st.text(st.characters(exclude_categories=["Cs"])), min_size=100, max_size=300))
# The first example that is tried is the simplest, a hundred single characters: two more at least.
@settings(
    max_examples=3,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_each_author_is_in_one_split_with_all_posts(author_ids):
    posts = [
        post_row(0, place + 1, Post(author_id, f"{turn}"))
        for turn in range(3)
        for place, author_id in enumerate(sorted(author_ids))
    ]
    labels = [label_row(1, 1, Label(author_id, (1.0, None))) for author_id in author_ids]

    def is_complete(authors):
        assert sorted(author[0] for author in authors) == sorted(author_ids)
        assert all(sorted(author[1]) == ["0", "1", "2"] for author in authors)

    with beam.Pipeline(options=PipelineOptions(list(LOCAL_BEAM_ARGUMENTS))) as pipeline:
        joined = {
            "posts": pipeline | "Posts" >> beam.Create(posts),
            "labels": pipeline | "Labels" >> beam.Create(labels),
        } | JoinAuthors(HEADS, SplitSettings())
        splits = (joined["train"], joined["eval"], joined["test"])
        assert_that(splits | beam.Flatten(), is_complete)


POSTS = """\
{"author_id": "alice", "text": "secret one", "post_id": 1}
{"author_id": "alice", "text": "secret again", "post_id": "1"}
{"author_id": "nobody", "text": "secret two"}

{"author_id": "ivan", "text": ["secret"]}
{"author_id": "ivan", "text": "secret three"}
{"author_id": "7", "text": "secret four"}
not json: secret
"""
LABELS = """\
author_id,age,gender
alice,41,
ivan,17,female
ivan,17,female
7,20,male
7,20,female
lurker,30,
alice,"41
"""


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    folder = tmp_path_factory.mktemp("audit")
    (folder / "posts.jsonl").write_text(POSTS, encoding="utf-8")
    (folder / "labels.csv").write_text(LABELS, encoding="utf-8")
    patterns = [f"{folder}/posts.jsonl"], [f"{folder}/labels.csv"]
    (folder / "out").mkdir()
    (folder / "out" / "set_aside-00007-of-00008.jsonl.gz").touch()
    summary = audit_sources(*patterns, HEADS, IngestSettings(), f"{folder}/out")
    return folder, summary


SOUND = {"out_of_range": {}, "codes": {}}


def test_the_audit_counts_each_file_and_cause(audited):
    folder, summary = audited
    assert json.loads((folder / "out" / "audit.json").read_text()) == summary.model_dump()
    assert summary.model_dump() == {
        "files": [
            {
                "kind": "posts",
                "file": f"{folder}/posts.jsonl",
                "read": 7,
                "used": 2,
                "set_aside": {
                    "author's labels conflict": {"records": 1, "first_line": 7},
                    "duplicate post": {"records": 1, "first_line": 2},
                    "no label record": {"records": 1, "first_line": 3},
                    "not valid JSON": {"records": 1, "first_line": 8},
                    "text is not a string": {"records": 1, "first_line": 5},
                },
                "notes": {},
            },
            {
                "kind": "labels",
                "file": f"{folder}/labels.csv",
                "read": 7,
                "used": 2,
                "set_aside": {
                    "conflicting labels": {"records": 2, "first_line": 5},
                    "duplicate label": {"records": 1, "first_line": 4},
                    "no posts": {"records": 1, "first_line": 7},
                    "not valid CSV": {"records": 1, "first_line": 8},
                },
                "notes": {},
            },
        ],
        "splits": {
            "train": {
                "authors": 1,
                "heads": {
                    "age": {"known": 1, "minimum": 41.0, "maximum": 41.0, "values": {}, **SOUND},
                    "gender": {"known": 0, "minimum": None, "maximum": None, "values": {}, **SOUND},
                },
            },
            "eval": {
                "authors": 1,
                "heads": {
                    "age": {"known": 1, "minimum": 17.0, "maximum": 17.0, "values": {}, **SOUND},
                    "gender": {
                        "known": 1,
                        "minimum": None,
                        "maximum": None,
                        "values": {"female": 1},
                        **SOUND,
                    },
                },
            },
            "test": {
                "authors": 0,
                "heads": {
                    "age": {"known": 0, "minimum": None, "maximum": None, "values": {}, **SOUND},
                    "gender": {"known": 0, "minimum": None, "maximum": None, "values": {}, **SOUND},
                },
            },
        },
        "cuts": {},
        "unknown_values": {
            "age": {"spelt_unknown": 0, "other": 0, "distinct": 0},
            "gender": {"spelt_unknown": 0, "other": 0, "distinct": 0},
        },
        "id_shapes": {
            "posts": {"small letters (5)": 2, "digits (1)": 1, "small letters (4)": 1}
            | {"small letters (6)": 1},
            "labels": {"digits (1)": 2, "small letters (4)": 2, "small letters (5)": 1}
            | {"small letters (6)": 1},
        },
    }


def read_set_aside(folder: Path) -> list[dict]:
    lines = []
    for path in sorted(folder.glob("set_aside-*.jsonl.gz")):
        lines += gzip.decompress(path.read_bytes()).decode().splitlines()
    return [json.loads(line) for line in lines]


def test_the_set_aside_file_names_places_and_never_the_text(audited):
    folder, _ = audited
    set_aside = read_set_aside(folder / "out")
    assert len(set_aside) == 10
    assert all(set(record) == {"kind", "file", "line", "cause"} for record in set_aside)
    assert {
        "kind": "posts",
        "file": f"{folder}/posts.jsonl",
        "line": 5,
        "cause": "text is not a string",
    } in set_aside
    assert "secret" not in json.dumps(set_aside)


def test_an_earlier_audit_gives_way(audited):
    folder, _ = audited
    names = sorted(path.name for path in (folder / "out").iterdir())
    assert names == ["audit.json", "set_aside-00000-of-00001.jsonl.gz"]


AUTHORS = st.sampled_from(["alice", "bob", "ivan", "7", "日本"])
GARBAGE = st.sampled_from(
    [b"\xff\xfe\x00", b"\x00" * 9, b"{", b"[]", b'{"author_id": true}', b"y" * 5_000_000]
)
GOOD_POST = st.builds(
    lambda author, text, post_id: json.dumps(
        {"author_id": author, "text": text, "post_id": post_id}
    ).encode(),
    AUTHORS,
    st.sampled_from(["hi", "", "a\u2028b\nc", "\ud800", "\x00", 7]),
    st.none() | st.integers(0, 2),
)
CSV_FIELD = st.sampled_from(["", "41", "nan", "x", '"4\n1"', '"a""b"', '"', "male", "é,"])
LABEL_ROW = st.builds(
    lambda author, age, gender: f"{author},{age},{gender}".encode(), AUTHORS, CSV_FIELD, CSV_FIELD
)
LABEL_GARBAGE = st.sampled_from(
    [b"7,\xff,", b"alice,\x00,", b'"', b"7", b"bob," + b"9" * 5_000_000]
)
RECORDED = st.tuples(AUTHORS, st.sampled_from([41.0, None, 20.0]))


def write_sources(folder: Path, posts: list[bytes], labels: list[bytes], rows) -> tuple:
    """Files of every format, plain, compressed, truncated, empty and with a BOM; their counts."""
    content = b"\xef\xbb\xbf" + b"\n".join(posts) + b"\n"
    (folder / "posts-1.jsonl").write_bytes(content)
    (folder / "posts-2.jsonl.bz2").write_bytes(bz2.compress(content.replace(b"\n", b"\r\n")))
    packed = gzip.compress(content)
    (folder / "posts-3.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    (folder / "posts-4.json").touch()
    (folder / "labels-1.csv").write_bytes(b"author_id,age,gender\r\n" + b"\r\n".join(labels))
    parquet.write_table(
        pyarrow.table({"author_id": [row[0] for row in rows], "age": [row[1] for row in rows]}),
        folder / "labels-2.parquet",
    )
    (folder / "labels-3.parquet").write_bytes(b"broken")
    (folder / "labels-4.tsv").write_bytes(b"\xef\xbb\xbf")
    return {
        "posts-1.jsonl": len(posts),
        "posts-2.jsonl.bz2": len(posts),
        "posts-4.json": 0,
        "labels-2.parquet": len(rows),
        "labels-3.parquet": 1,
        "labels-4.tsv": 0,
    }


@given(
    posts=st.lists(GOOD_POST | GARBAGE, max_size=40),
    labels=st.lists(LABEL_ROW | LABEL_GARBAGE, max_size=30),
    rows=st.lists(RECORDED, max_size=4),
)
@settings(
    max_examples=4,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_read_is_used_plus_set_aside_whatever_the_files_hold(tmp_path_factory, posts, labels, rows):
    folder = tmp_path_factory.mktemp("garbage")
    expected_read = write_sources(folder, posts, labels, rows)
    summary = audit_sources(
        [f"{folder}/posts-*"], [f"{folder}/labels-*"], HEADS, IngestSettings(), f"{folder}/out"
    )
    read = {Path(file.file).name: file.read for file in summary.files}
    assert {name: read[name] for name in expected_read} == expected_read
    for file in summary.files:
        set_aside = sum(count.records for count in file.set_aside.values())
        assert file.read == file.used + set_aside
    places = [(record["file"], record["line"]) for record in read_set_aside(folder / "out")]
    assert len(places) == len(set(places))
    assert len(places) == sum(file.read - file.used for file in summary.files)
    if summary.authors:
        assert all(summary.used(kind) >= summary.authors for kind in ("posts", "labels"))

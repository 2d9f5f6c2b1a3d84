"""What is unusual about records that are used all the same is counted, alike in every format."""

import io
import json
from datetime import datetime

import apache_beam as beam
import pyarrow
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.util import assert_that
from pyarrow import parquet

from components.heads.declared import parse_heads
from components.ingest.audit_sources import LOCAL_BEAM_ARGUMENTS, audit_sources
from components.ingest.records import Note
from components.ingest.settings import IngestSettings
from components.ingest.sources import SourceFile
from components.ingest.summary import JoinSummary
from components.ingest.tally import AddUp, PieceTally
from pipeline.audit import show_summary
from pipeline.terminal import Terminal

HEADS = parse_heads(
    {"age": {"kind": "regression"}, "sex": {"kind": "binary", "positive": 1, "negative": 0}}
)
NAN = float("nan")
MOMENT = datetime(2024, 3, 2, 16, 5)


def write_csv(folder):
    (folder / "posts.csv").write_text(
        "author_id,text,timestamp\n1,x,2024-03-02 16:05\n2,x,yesterday\n3,x,NaT\n4,x,\n5,x,1e30\n"
    )
    (folder / "labels.csv").write_text(
        "author_id, age, sex\n1.0,41,1.0\n2.0,,0.0\n3.0,?,2.0\n4.0,30,NA\n5.0,30,\n6.0,30, 2\n"
    )


def write_json(folder):
    posts = [("2024-03-02T16:05:00+00:00",), ("yesterday",), (NAN,), (None,), (10**30,)]
    labels = [(41, True), (None, 0), ("n/a", "2"), (30, NAN), (30, None), (30, 2.0)]
    for name, rows, fields in (
        ("posts", posts, ("timestamp",)),
        ("labels", labels, ("age", "sex")),
    ):
        lines = [
            json.dumps(
                {"author_id": number + (0 if name == "posts" else 0.0), "text": "x"}
                | dict(zip(fields, row, strict=True))
            )
            for number, row in enumerate(rows, 1)
        ]
        (folder / f"{name}.jsonl").write_text("\n".join(lines))


def write_parquet(folder):
    moments = [1_709_395_500_000_000, 2**62, None, None, -(2**62)]
    posts = {
        "author_id": pyarrow.array([1, 2, 3, 4, 5]),
        "text": ["x"] * 5,
        "timestamp": pyarrow.array(moments, pyarrow.timestamp("us")),
    }
    labels = {
        "author_id": pyarrow.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
        "age": pyarrow.array([41.0, None, NAN, 30.0, 30.0, 30.0]),
        "sex": pyarrow.array([1.0, 0.0, 2.0, NAN, None, 2.0]),
    }
    parquet.write_table(pyarrow.table(posts), folder / "posts.parquet")
    parquet.write_table(pyarrow.table(labels), folder / "labels.parquet")


@pytest.mark.parametrize(("write", "header"), [(write_csv, 1), (write_json, 0), (write_parquet, 0)])
def test_values_are_read_and_counted_alike_in_every_format(tmp_path, write, header):
    write(tmp_path)
    summary = audit_sources(
        [f"{tmp_path}/posts.*"], [f"{tmp_path}/labels.*"], HEADS, IngestSettings(), f"{tmp_path}/o"
    )
    posts, labels = summary.model_dump()["files"]
    # Author 5 has an age alone, and author 6 no post.
    assert (posts["read"], posts["used"], labels["read"], labels["used"]) == (5, 4, 6, 4)
    assert posts["set_aside"] == {"no known label": {"records": 1, "first_line": 3 + header}}
    assert posts["notes"] == {"timestamp not readable": {"records": 2, "first_line": 2 + header}}
    assert labels["notes"] == {
        "author_id normalised": {"records": 6, "first_line": 1 + header},
        "age: spelt as unknown": {"records": 1, "first_line": 3 + header},
        "sex: neither of its two values": {"records": 2, "first_line": 3 + header},
        "sex: spelt as unknown": {"records": 1, "first_line": 4 + header},
    }
    assert {head: counts.model_dump() for head, counts in summary.unknown_values.items()} == {
        "age": {"spelt_unknown": 1, "other": 0, "distinct": 0},
        "sex": {"spelt_unknown": 1, "other": 2, "distinct": 1},
    }
    values = [split.heads["sex"].values for split in summary.splits.values()]
    assert [sum(count.get(value, 0) for count in values) for value in ("1", "0")] == [1, 1]
    assert summary.id_shapes == {"posts": {"digits (1)": 5}, "labels": {"digits (1)": 6}}


def other_values(count: int, pieces: int) -> list[list]:
    """The entries of so many label records, each with a value of its own, each value twice."""
    tallies = [PieceTally(1, "labels") for _ in range(pieces)]
    for number in range(2 * count):
        notes = [Note("neither of its two values", "sex", number % count)]
        tallies[number % pieces].see(number + 2, "a", notes)
    return [tally.entries() for tally in tallies]


@pytest.mark.parametrize("pieces", [1, 3, 1000])
@pytest.mark.parametrize(
    ("values", "distinct", "text"), [(1, 1, "1"), (100, 100, "100"), (5000, 101, "more than 100")]
)
def test_distinct_values_are_counted_exactly_up_to_a_bound(values, distinct, text, pieces):
    def check(totals):
        ((total,),) = (totals,)
        # Digests of no more than a bound are ever held or shuffled.
        assert all(len(count) <= 3 + 101 for count in total.values())
        sources = (SourceFile("posts", "/p", 1), SourceFile("labels", "/l", 1))
        summary = JoinSummary.from_tally(total, sources, HEADS)
        counts = summary.unknown_values["sex"]
        assert (counts.other, counts.distinct, counts.distinct_text) == (2 * values, distinct, text)
        (note,) = summary.notes("labels")
        assert (note.records, note.place) == (2 * values, "/l:2")

    with beam.Pipeline(options=PipelineOptions(list(LOCAL_BEAM_ARGUMENTS))) as pipeline:
        entries = {"read": pipeline | beam.Create(other_values(values, pieces)) | beam.Reshuffle()}
        assert_that(entries | AddUp(), check)


def test_the_audits_console_shows_notes_and_unknown_values():
    tally = {
        ("read", 0): (9, None, None),
        ("used", 0): (9, None, None),
        ("note", 0, "timestamp not readable", ""): (3, 7, 9),
        ("note", 1, "spelt as unknown", "sex"): (1200, 2, 9),
        ("other values", "sex"): (30, None, None, *range(101)),
    }
    sources = (SourceFile("posts", "/p.csv", 1), SourceFile("labels", "/l.csv", 1))
    console = Terminal(file=io.StringIO(), width=120)
    show_summary(console, JoinSummary.from_tally(tally, sources, HEADS))
    shown = [line.replace("│", " ").split() for line in console.file.getvalue().splitlines()]
    assert ["/p.csv", "timestamp", "not", "readable", "3", "7"] in shown
    assert ["sex", "1,200", "30", "more", "than", "100"] in shown
    assert ["age", "0", "0", "0"] in shown


def test_notes_cost_no_element_each():
    tally = PieceTally(0, "posts")
    for line in range(1, 10_000):
        tally.see(line, "17", [Note("author_id normalised"), Note("timestamp not readable")])
    assert tally.entries() == [
        (("id shape", "posts", "digits (2)"), 100, None),
        (("note", 0, "author_id normalised", ""), 9_999, 1),
        (("note", 0, "timestamp not readable", ""), 9_999, 1),
    ]

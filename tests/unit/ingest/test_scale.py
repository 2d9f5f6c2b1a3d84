"""The join at a reduced scale of what breaks it: large files, many files, crowded authors."""

from __future__ import annotations

import codecs
import gzip
import io
import itertools
import json
import tracemalloc

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.util import assert_that
from hypothesis import given
from hypothesis import strategies as st

from components import disk_shuffle
from components.heads.declared import parse_heads
from components.ingest import crowds, join, reading
from components.ingest.audit_sources import LOCAL_BEAM_ARGUMENTS, audit_sources, load_summary
from components.ingest.join import IngestSources
from components.ingest.lines import count_lines, read_lines, read_lines_between
from components.ingest.matching import match_author
from components.ingest.readers import read_records_between
from components.ingest.settings import IngestSettings
from components.ingest.sources import SourceFile, find_sources
from components.ingest.unreadable import SourceError
from pipeline.config import load_config

HEADS = parse_heads({"age": {"kind": "regression"}})


@given(
    st.text("ab\n\r\ufeff", max_size=40).map(str.encode),
    st.lists(st.integers(1, 120), max_size=6),
)
def test_the_pieces_of_a_file_give_its_lines_each_once_with_its_number(content, cuts):
    edges = sorted({0, len(content), *(cut for cut in cuts if cut < len(content))})
    number, lines = 1, []
    for start, end in itertools.pairwise(edges):
        file = io.BytesIO(content)
        lines += read_lines_between(file, start, end, number, maximum_bytes=5)
        number += count_lines(io.BytesIO(content), start, end)
    assert lines == list(read_lines(io.BytesIO(content), 5))


def test_lines_are_counted_where_they_begin():
    assert count_lines(io.BytesIO(b"ab\ncd\n"), 0, 3) == 1
    assert count_lines(io.BytesIO(b"ab\ncd\n"), 0, 4) == 2
    assert count_lines(io.BytesIO(b"ab\ncd\n"), 4, 6) == 0
    assert count_lines(io.BytesIO(b"ab\ncd\nef"), 3, 8) == 2


def write_posts(path, lines):
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")


def write_labels(folder, authors):
    rows = "".join(f"{author},{20 + number}\n" for number, author in enumerate(authors))
    (folder / "labels.csv").write_text("author_id,age\n" + rows, encoding="utf-8")


def audit(folder, out, **settings):
    """The summary and the sorted lines of what was set aside."""
    summary = audit_sources(
        [f"{folder}/posts*"],
        [f"{folder}/labels.csv"],
        HEADS,
        IngestSettings(**settings),
        str(out),
    )
    aside = [
        line
        for file in out.glob("set_aside-*.gz")
        for line in gzip.decompress(file.read_bytes()).decode().splitlines()
    ]
    return summary, sorted(aside)


def test_a_large_file_is_read_in_pieces_to_the_same_counts_and_line_numbers(tmp_path, monkeypatch):
    lines = [json.dumps({"author_id": f"a{n % 7}", "text": "x" * (n % 90)}) for n in range(400)]
    lines[100] = lines[307] = "no JSON"
    lines[200] = ""
    write_posts(tmp_path / "posts.jsonl", lines)
    write_labels(tmp_path, [f"a{n}" for n in range(6)])
    whole = audit(tmp_path, tmp_path / "whole")
    monkeypatch.setattr(reading, "PIECE_BYTES", 1000)
    large = find_sources([f"{tmp_path}/posts*"], [f"{tmp_path}/labels.csv"])[0]
    assert reading.is_large(large)
    assert reading.can_be_cut("posts", large.path, IngestSettings())
    assert audit(tmp_path, tmp_path / "cut") == whole
    (posts, _) = whole[0].files
    assert posts.read == 399
    assert posts.set_aside["not valid JSON"].first_line == 101


JSON_LINES = b'{"author_id": "a", "text": "t"}\n' * 9
CUT_BY_CONTENT = {
    "plain": ("a.jsonl", JSON_LINES, True),
    "plain by another name": ("a.csv.gz", JSON_LINES, True),
    "with a mark": ("a.jsonl", codecs.BOM_UTF8 + JSON_LINES, True),
    "compressed": ("a.jsonl.gz", gzip.compress(JSON_LINES), False),
    "compressed by another name": ("a.jsonl", gzip.compress(JSON_LINES), False),
    "UTF-16": ("a.jsonl", JSON_LINES.decode().encode("utf-16"), False),
    "carriage returns": ("a.jsonl", JSON_LINES.replace(b"\n", b"\r"), False),
    "a table": ("a.jsonl", b'author_id,text\na,"b\nc"\n', False),
}


@pytest.mark.parametrize("file", CUT_BY_CONTENT)
def test_a_large_file_is_cut_where_its_lines_are_its_bytes_and_else_read_whole(
    tmp_path, monkeypatch, file
):
    name, content, cut = CUT_BY_CONTENT[file]
    path = tmp_path / f"posts-{name}"
    path.write_bytes(content)
    write_labels(tmp_path, ["a"])
    monkeypatch.setattr(reading, "PIECE_BYTES", 20)
    source = find_sources([str(path)], [f"{tmp_path}/labels.csv"])[0]
    assert reading.is_large(source)
    large = reading.Piece(0, "posts", source.path, 0, source.size_bytes)
    tags = {getattr(piece, "tag", "whole") for piece in reading._cut(large, IngestSettings())}
    assert tags == {"cut" if cut else "whole"}
    summary, _ = audit(tmp_path, tmp_path / "audit")
    assert [(f.read, f.used) for f in summary.files] == [(9 - 8 * (file == "a table"),) * 2, (1, 1)]


@pytest.mark.parametrize("size", [0, 5, 31, 100])
def test_a_file_that_became_shorter_than_its_pieces_is_refused_by_name(tmp_path, size):
    path = tmp_path / "posts.jsonl"
    path.write_bytes(JSON_LINES[:size])
    with pytest.raises(SourceError, match=rf"{path} became shorter while it was read"):
        list(read_records_between(str(path), 0, len(JSON_LINES), 1, IngestSettings()))


def test_what_a_file_grows_by_is_read_neither_twice_nor_half(tmp_path, monkeypatch):
    lines = [json.dumps({"author_id": "a", "text": f"post {n}"}) for n in range(40)]
    write_posts(tmp_path / "posts.jsonl", lines)
    write_labels(tmp_path, ["a"])
    monkeypatch.setattr(reading, "PIECE_BYTES", 100)
    listed = find_sources([f"{tmp_path}/posts*"], [f"{tmp_path}/labels.csv"])
    # The last line was half written when the file was listed.
    half = (listed[0]._replace(size_bytes=listed[0].size_bytes - 10), listed[1])
    with (tmp_path / "posts.jsonl").open("a") as file:
        file.writelines(line + "\n" for line in lines)
    with beam.Pipeline(options=PipelineOptions(list(LOCAL_BEAM_ARGUMENTS))) as pipeline:
        _ = pipeline | IngestSources(half, HEADS, IngestSettings(), str(tmp_path / "audit"))
    posts = load_summary(str(tmp_path / "audit")).files[0]
    assert (posts.read, posts.used) == (40, 40)


def test_two_thousand_small_files_are_counted_one_by_one(tmp_path):
    for number in range(2000):
        posts = [json.dumps({"author_id": f"a{number % 50}", "text": f"post {number}"})]
        write_posts(tmp_path / f"posts-{number:04}.jsonl", posts + ["{"] * (number == 1234))
    write_labels(tmp_path, [f"a{n}" for n in range(50)])
    summary, aside = audit(tmp_path, tmp_path / "audit")
    assert (summary.read("posts"), summary.used("posts"), summary.authors) == (2001, 2000, 50)
    assert [(file.read, file.used) for file in summary.files[1233:1236]] == [(1, 1), (2, 1), (1, 1)]
    assert [json.loads(line)["line"] for line in aside] == [2]


def test_the_graph_grows_with_no_file(tmp_path):
    sizes = []
    for files in (1, 3000):
        sources = [SourceFile("posts", f"/data/posts-{n:05}.jsonl", 10) for n in range(files)]
        pipeline = beam.Pipeline(options=PipelineOptions(list(LOCAL_BEAM_ARGUMENTS)))
        _ = pipeline | IngestSources(sources, HEADS, IngestSettings(), str(tmp_path / "same"))
        sizes.append(pipeline.to_runner_api().ByteSize())
    assert sizes[1] - sizes[0] < 1000


CROWD = [
    *({"author_id": "crowd", "text": f"{n}", "timestamp": f"2024-01-01T00:00:{n % 60:02}Z"}
      for n in range(300, 0, -1)),
    *({"author_id": "crowd", "text": f"again {n}", "post_id": n % 40} for n in range(120)),
    *({"author_id": "nobody", "text": f"{n}"} for n in range(90)),
    *({"author_id": "few", "text": f"{n}"} for n in range(5)),
]  # fmt: skip


def watch_dropping(monkeypatch, way, told):
    """Tells a file whenever texts are dropped this way; Beam may work on a copy of it."""

    def watched(*given, **named):
        told.write_text(way.__name__)
        return way(*given, **named)

    monkeypatch.setattr(join, way.__name__, watched)


@pytest.mark.parametrize("way", [crowds.drop_unread, crowds.DropUnreadTexts])
def test_texts_that_no_one_will_read_are_dropped_to_the_same_join(tmp_path, monkeypatch, way):
    posts = [*CROWD[::2], *CROWD[1::2]]
    write_posts(tmp_path / "posts-1.jsonl", [json.dumps(post) for post in posts[:250]])
    write_posts(tmp_path / "posts-2.jsonl", [json.dumps(post) for post in posts[250:]])
    write_labels(tmp_path, ["crowd", "few"])
    plain = audit(tmp_path, tmp_path / "plain", maximum_posts=60)
    monkeypatch.setattr(join, "CROWD_BYTES", 0)
    monkeypatch.setattr(disk_shuffle, "CROWDED_BYTES", 0)
    monkeypatch.setattr(disk_shuffle, "holds_shuffle", lambda _: way is crowds.drop_unread)
    watch_dropping(monkeypatch, way, tmp_path / "told")
    assert audit(tmp_path, tmp_path / "trimmed", maximum_posts=60) == plain
    assert (tmp_path / "told").read_text() == way.__name__
    causes = {total.cause: total.records for total in plain[0].causes("posts")}
    assert causes == {"beyond maximum_posts": 280, "no label record": 90, "duplicate post": 80}


def test_a_crowded_author_keeps_the_first_texts_and_every_place():
    posts = [("crowd", (0, n, 100 - n, None, f"text {n}")) for n in range(50)]
    posts += [("few", (1, n, None, None, f"text {n}")) for n in range(3)]

    def is_trimmed(found):
        kept = {(author, row[1]) for author, row in found if row[4]}
        assert sorted(row[1] for author, row in found if author == "crowd") == list(range(50))
        # The latest lines have the earliest times.
        crowded = {("crowd", line) for line in (47, 48, 49)}
        assert kept == crowded | {("few", 0), ("few", 1), ("few", 2)}

    def is_joined(found):
        assert sorted(found) == [
            ("crowd", ("text 49", "text 48", "text 47"), (40.0,)),
            ("few", ("text 0", "text 1", "text 2"), (20.0,)),
        ]

    labels = [("crowd", (2, 1, (40.0,))), ("few", (2, 2, (20.0,)))]
    with beam.Pipeline(options=PipelineOptions(list(LOCAL_BEAM_ARGUMENTS))) as pipeline:
        trimmed = pipeline | "Posts" >> beam.Create(posts) | crowds.DropUnreadTexts(3)
        assert_that(trimmed, is_trimmed)
        joined = {
            "posts": trimmed,
            "labels": pipeline | "Labels" >> beam.Create(labels),
        } | join.JoinAuthors(HEADS, IngestSettings().splits, (), 3)
        authors = [joined[split] for split in ("train", "eval", "test")] | beam.Flatten()
        assert_that(authors, is_joined, label="Joined")


def test_the_first_posts_in_order_are_used_and_the_others_set_aside():
    posts = [(0, n, time, None, f"{n}") for n, time in ((1, 30), (2, None), (3, 10), (4, 20))]
    outcome = match_author(posts, [(1, 1, (40.0,))], most=3)
    assert outcome.texts == ("3", "4", "1")
    assert outcome.used_sources == (1, 0, 0, 0)
    assert outcome.set_aside == ((0, 2, "beyond maximum_posts"),)


def test_how_many_posts_are_used_does_not_depend_on_how_much_text_is_read():
    given = {"posts": ["p"], "labels": ["l"]}
    assert load_config(None, ["ingest.maximum_posts=1"], **given).ingest.maximum_posts == 1


@pytest.mark.parametrize("trimmed", [False, True])
def test_an_author_of_very_many_posts_weighs_little_once_the_texts_are_dropped(trimmed):
    text = "" if trimmed else "x" * 1000
    places = 50_000
    tracemalloc.start()
    rows = [(0, n, None, None, text + str(n) if text else crowds.NO_TEXT) for n in range(places)]
    outcome = match_author(rows, [(1, 1, (40.0,))], most=10)
    peak = tracemalloc.get_traced_memory()[1] / places
    tracemalloc.stop()
    assert len(outcome.set_aside) == places - 10
    assert (peak < 500) == trimmed, f"{peak:.0f} bytes a post"

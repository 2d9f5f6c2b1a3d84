"""Posts of every form come back author by author."""

from __future__ import annotations

import gzip
import io
import json
from collections import Counter

import pytest

from components.ingest.settings import READ_BY_DEFAULT, IngestSettings
from components.ingest.sources import SourceError
from components.serving.answering import Author
from pipeline.spool import InputError, Spool, read_posts


def read(
    content: bytes, settings: IngestSettings = READ_BY_DEFAULT
) -> tuple[list[Author], Counter[str], list[tuple[int, str]]]:
    """Authors, causes counted, and the lines reported."""
    reported: list[tuple[int, str]] = []
    with Spool() as spool:
        read_posts(
            io.BufferedReader(io.BytesIO(content)),
            spool,
            lambda n, cause: reported.append((n, cause)),
            settings,
        )
        return list(spool.authors()), spool.set_aside, reported


def lines(*records: dict[str, object]) -> bytes:
    """JSON Lines."""
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def test_posts_are_grouped_by_author_in_the_order_first_seen() -> None:
    content = lines(
        {"author_id": "b", "text": "one"},
        {"author_id": "a", "text": "two \U0001f44d"},
        {"author_id": "b", "text": "three\x00你"},
        {"author_id": 7, "text": "four"},
    )
    assert read(content)[0] == [
        Author("b", ["one", "three\x00你"]),
        Author("a", ["two \U0001f44d"]),
        Author("7", ["four"]),
    ]


def test_posts_follow_their_timestamps_and_else_the_post_read_before() -> None:
    content = lines(
        {"author_id": "a", "text": "third", "timestamp": "2020-01-01T12:00:00Z"},
        {"author_id": "a", "text": "behind the third"},
        {"author_id": "a", "text": "second", "timestamp": "2020-01-01T12:30:00+02:00"},
        {"author_id": "a", "text": "first", "timestamp": "2019-01-01T00:00:00Z"},
        {"author_id": "a", "text": "as late as the third", "timestamp": "2020-01-01T12:00:00Z"},
    )
    assert read(content)[0] == [
        Author("a", ["first", "second", "third", "behind the third", "as late as the third"])
    ]


def test_a_post_id_given_again_is_set_aside_for_the_same_author_only() -> None:
    content = lines(
        {"author_id": "a", "text": "one", "post_id": 1},
        {"author_id": "a", "text": "one again", "post_id": "1"},
        {"author_id": "b", "text": "another", "post_id": 1},
    )
    authors, _, reported = read(content)
    assert authors == [Author("a", ["one"]), Author("b", ["another"])]
    assert reported == [(2, "duplicate post")]


@pytest.mark.parametrize("compress", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_raw_text_is_one_author_without_an_id_and_a_post_a_line(compress: type) -> None:
    content = compress(b"\xef\xbb\xbfI went home.\r\n\n   \n[1] caf\xc3\xa9\n{not json}")
    assert read(content)[0] == [Author(None, ["I went home.", "[1] café", "{not json}"])]


def test_raw_text_in_another_encoding_is_read_once_that_is_set_and_refused_until_then() -> None:
    content = b"I went home.\ncaf\xe9\n"
    with pytest.raises(SourceError, match=r"standard input is not valid UTF-8\. .*ingest.encoding"):
        read(content)
    windows = IngestSettings(encoding="windows-1252")
    assert read(content, windows)[0] == [Author(None, ["I went home.", "café"])]


def test_what_is_no_text_far_into_raw_text_is_set_aside() -> None:
    content = b"I went home.\n" * 10_000 + b"caf\xe9\nnothing\x00\n"
    assert read(content)[2] == [
        (10_001, "not valid UTF-8: set ingest.encoding"),
        (10_002, "holds a NUL character"),
    ]


@pytest.mark.parametrize("compress", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_lines_that_cannot_be_read_are_set_aside_by_number_and_cause(compress: type) -> None:
    good = b'{"author_id": "a", "text": "good"}\n'
    faults = [
        b'{"author_id": "a", "text": "cut',
        b'{"author_id": "a", "text": "caf\xe9"}',
        b'{"text": "nobody"}',
        b'["a", "list"]',
        b'{"author_id": "a", "text": "\\ud800"}',
        b'{"author_id": "a", "text": "' + b"x" * READ_BY_DEFAULT.maximum_record_bytes + b'"}',
        b"[" * 100_000,
    ]
    content = b"\xef\xbb\xbf\n" + b"\n".join(faults) + b"\n" + good
    authors, set_aside, reported = read(compress(content))
    assert authors == [Author("a", ["good"])]
    assert reported == [
        (2, "not valid JSON"),
        (3, "not valid UTF-8: set ingest.encoding"),
        (4, "author_id missing"),
        (5, "not a JSON object"),
        (6, "text is not valid Unicode"),
        (7, "longer than maximum_record_bytes"),
        (8, "not valid JSON"),
    ]
    assert set_aside.total() == 7


@pytest.mark.parametrize(
    "content", [b"", b" \n\r\n\t\n", gzip.compress(b"")], ids=["nothing", "blanks", "gzip"]
)
def test_an_empty_input_is_an_error(content: bytes) -> None:
    with pytest.raises(InputError, match="at least one post; it is empty"):
        read(content)


def test_an_input_without_a_readable_post_is_an_error() -> None:
    with pytest.raises(InputError, match="none of its 2 lines can be read"):
        read(b'{"author_id": "a"}\n{"author_id": "b"}\n')


def test_a_gzip_input_that_ends_early_is_an_error() -> None:
    content = gzip.compress(b'{"author_id": "a", "text": "good"}\n' * 9)[:-9]
    with pytest.raises(InputError, match="gzip input must be whole"):
        read(content)

r"""Reads posts for prediction and hands them back author by author, on disk meanwhile.

Enters: a byte stream, gzip or plain. Where its first line that is not blank starts with `{`, it is
JSON Lines, one post a line; else it is raw text of one author, one post a line. Leaves: each author
with all posts, authors in the order they were first seen. Called by `predict`.

    {"author_id": "a", "text": "Hi."}
    {"author_id": "b", "text": "Hm."}      ->  Author("a", [b"Hi.", b"Yes."]), Author("b", [b"Hm."])
    {"author_id": "a", "text": "Yes."}

Memory: 64 MB of SQLite's cache, one line, and the posts of the author who is read. The rest is in a
temporary database file that has no name and goes with the process, however it ends.
"""

from __future__ import annotations

import gzip
import io
import itertools
import json
import operator
import sqlite3
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

from components.ingest.records import RecordError, parse_post

MAXIMUM_LINE_BYTES = 4 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"
_GZIP_MAGIC = b"\x1f\x8b"
_SCHEMA = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -65536;
CREATE TABLE authors (author_id BLOB UNIQUE, author INTEGER PRIMARY KEY);
CREATE TABLE posts (author INTEGER, time_microseconds INTEGER, text BLOB);
"""


class InputError(ValueError):
    """The input as a whole cannot be read; the message holds the rule."""


class Author(NamedTuple):
    """An author and the posts, UTF-8, in order; no id where the input was raw text."""

    author_id: str | None
    posts: list[bytes]


class Spool:
    """Posts on disk, in at one end, out by author at the other. A context manager."""

    def __init__(self) -> None:
        self.posts = 0
        self.set_aside: Counter[str] = Counter()
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.executescript(_SCHEMA)
        self._database.execute("BEGIN")

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def add(self, author_id: str | None, text: str, time_microseconds: int | None = None) -> None:
        """Takes one post."""
        key = b"" if author_id is None else author_id.encode()
        self._database.execute("INSERT OR IGNORE INTO authors (author_id) VALUES (?)", [key])
        self._database.execute(
            "INSERT INTO posts SELECT author, ?, ? FROM authors WHERE author_id = ?",
            [time_microseconds, text.encode(), key],
        )
        self.posts += 1

    def authors(self) -> Iterator[Author]:
        """Every author, in the order first seen, posts by time where given, else as read."""
        rows = self._database.execute(
            "SELECT author_id, text FROM posts JOIN authors USING (author)"
            " ORDER BY author, time_microseconds, posts.rowid"
        )
        for author_id, posts in itertools.groupby(rows, key=operator.itemgetter(0)):
            yield Author(author_id.decode() or None, [text for _, text in posts])


def read_posts(source: io.BufferedReader, spool: Spool, report: Callable[[int, str], None]) -> None:
    """Reads a stream into the spool; a line that cannot be read is counted and reported.

    Args:
        source: JSON Lines or raw text, UTF-8, gzip or plain.
        spool: takes the posts.
        report: is told the number and the fault of each line set aside, never its text.

    Raises:
        InputError: the input is empty, damaged, or holds no post that can be read.
    """
    lines = _lines(_plain(source))
    first = next(lines, None)
    take = _take_json if first and first[1].startswith(b"{") else _take_text
    for number, line in itertools.chain([first] if first else [], lines):
        try:
            if len(line) > MAXIMUM_LINE_BYTES:
                raise RecordError(f"longer than {MAXIMUM_LINE_BYTES} bytes")
            take(line, spool)
        except RecordError as error:
            spool.set_aside[str(error)] += 1
            report(number, str(error))
    if not spool.posts:
        lines_read = sum(spool.set_aside.values())
        found = f"none of its {lines_read} lines can be read" if lines_read else "it is empty"
        raise InputError(
            f"the input must hold at least one post; {found}. Give JSON Lines with author_id and "
            "text, or raw text, one post a line."
        )


def _plain(source: io.BufferedReader) -> io.BufferedReader | gzip.GzipFile:
    return gzip.GzipFile(fileobj=source) if source.peek(2)[:2] == _GZIP_MAGIC else source


def _lines(source: io.BufferedReader | gzip.GzipFile) -> Iterator[tuple[int, bytes]]:
    """Numbers and lines that are not blank; of a line too long, enough to see that it is."""
    number = 0
    try:
        while line := source.readline(MAXIMUM_LINE_BYTES + 2):
            number += 1
            rest = line
            while rest and not rest.endswith(b"\n"):
                rest = source.readline(MAXIMUM_LINE_BYTES)
            line = (line.removeprefix(_BOM) if number == 1 else line).strip()
            if line:
                yield number, line
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(
            f"gzip input must be whole; it is damaged or ends early after line {number} "
            f"({error}). Give the whole file."
        ) from None


def _take_json(line: bytes, spool: Spool) -> None:
    try:
        record = json.loads(line.decode())
    except UnicodeDecodeError:
        raise RecordError("not valid UTF-8") from None
    except (ValueError, RecursionError):
        raise RecordError("not valid JSON") from None
    if not isinstance(record, dict):
        raise RecordError("not a JSON object")
    post = parse_post(record)
    spool.add(post.author_id, post.text, post.time_microseconds)


def _take_text(line: bytes, spool: Spool) -> None:
    spool.add(None, line.decode(errors="replace"))

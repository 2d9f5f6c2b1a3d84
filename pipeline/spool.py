r"""Reads posts for prediction and hands them back author by author, on disk meanwhile.

Enters: a byte stream, gzip or plain. Where its first line that is not blank starts with `{`, it is
JSON Lines, one post a line; else it is raw text of one author, one post a line. Leaves: each author
with all posts, in order as training has them, authors in the order first seen. Called by `predict`.

    {"author_id": "a", "text": "Hi."}
    {"author_id": "b", "text": "Hm."}      ->  Author("a", ["Hi.", "Yes."]), Author("b", ["Hm."])
    {"author_id": "a", "text": "Yes."}

Memory: 64 MB of SQLite's cache, one line, and the posts of the author who is read. The rest is in a
temporary database file that has no name and goes with the process, however it ends.
"""

from __future__ import annotations

import io
import itertools
import operator
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator

from components.ingest.json_lines import parse_json_line
from components.ingest.lines import DAMAGED, Fault, Line, read_lines
from components.ingest.matching import DUPLICATE_POST, order_posts
from components.ingest.records import Post, RecordError, parse_post
from components.serving.answering import Author

MAXIMUM_LINE_BYTES = 4 * 1024 * 1024
_GZIP_MAGIC = b"\x1f\x8b"
_SCHEMA = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -65536;
CREATE TABLE authors (author INTEGER PRIMARY KEY, author_id TEXT UNIQUE);
CREATE TABLE posts (
    post INTEGER PRIMARY KEY, author INTEGER, time_microseconds INTEGER, post_id TEXT, text TEXT,
    UNIQUE (author, post_id)
);
"""
_RAW_TEXT = ""
"""Stands for the author of raw text; no record has it, since a blank author_id is a fault."""


class InputError(ValueError):
    """The input as a whole cannot be read; the message holds the rule."""


class Spool:
    """Posts on disk, in at one end, out by author at the other. A context manager."""

    def __init__(self) -> None:
        self.posts = 0
        self.set_aside: Counter[str] = Counter()
        self.notes: Counter[str] = Counter()
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.executescript(_SCHEMA)
        self._database.execute("BEGIN")

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def add(self, post: Post) -> None:
        """Takes one post. Raises RecordError where the author has the post_id already."""
        self._database.execute(
            "INSERT OR IGNORE INTO authors (author_id) VALUES (?)", [post.author_id]
        )
        added = self._database.execute(
            "INSERT OR IGNORE INTO posts (author, time_microseconds, post_id, text)"
            " SELECT author, ?, ?, ? FROM authors WHERE author_id = ?",
            [post.time_microseconds, post.post_id, post.text, post.author_id],
        )
        if not added.rowcount:
            raise RecordError(DUPLICATE_POST)
        self.posts += 1
        self.notes.update(note.what for note in post.notes)

    def authors(self) -> Iterator[Author]:
        """Every author, in the order first seen."""
        rows = self._database.execute(
            "SELECT author_id, post, time_microseconds, post_id, text"
            " FROM posts JOIN authors USING (author) ORDER BY author, post"
        )
        for author_id, posts in itertools.groupby(rows, key=operator.itemgetter(0)):
            ordered = order_posts([(0, *post[1:]) for post in posts])
            yield Author(author_id or None, [post[4] for post in ordered])


def read_posts(source: io.BufferedReader, spool: Spool, report: Callable[[int, str], None]) -> None:
    """Reads a stream into the spool; a line that cannot be read is counted and reported.

    Args:
        source: JSON Lines or raw text, UTF-8, gzip or plain.
        spool: takes the posts.
        report: is told the number and the fault of each line set aside, never its text.

    Raises:
        InputError: the input is empty, damaged, or holds no post that can be read.
    """
    lines = _lines(source)
    first = next(lines, None)
    is_json = isinstance(first, tuple) and first[1].lstrip().startswith(b"{")
    parse = _parse_json if is_json else _parse_text
    for line in itertools.chain([first] if first else [], lines):
        try:
            spool.add(parse(line))
        except RecordError as error:
            spool.set_aside[error.cause] += 1
            report(line.line if isinstance(line, Fault) else line[0], error.cause)
    if not spool.posts:
        lines_read = sum(spool.set_aside.values())
        found = f"none of its {lines_read} lines can be read" if lines_read else "it is empty"
        raise InputError(
            f"the input must hold at least one post; {found}. Give JSON Lines with author_id and "
            "text, or raw text, one post a line."
        )


def _lines(source: io.BufferedReader) -> Iterator[Line | Fault]:
    """Lines that are not blank. Raises InputError where compressed data breaks."""
    compression = ".gz" if source.peek(2)[:2] == _GZIP_MAGIC else ""
    for line in read_lines(source, compression, MAXIMUM_LINE_BYTES):
        if isinstance(line, Fault) and line.cause == DAMAGED:
            raise InputError(
                f"gzip input must be whole; at line {line.line} it ends early or is damaged. "
                "Give the whole file."
            )
        if isinstance(line, Fault) or line[1].strip():
            yield line


def _content(line: Line | Fault) -> bytes:
    if isinstance(line, Fault):
        raise RecordError(line.cause)
    return line[1]


def _parse_json(line: Line | Fault) -> Post:
    record = line if isinstance(line, Fault) else parse_json_line(*line)
    if isinstance(record, Fault):
        raise RecordError(record.cause)
    return parse_post(record.fields)


def _parse_text(line: Line | Fault) -> Post:
    return Post(_RAW_TEXT, _content(line).decode(errors="replace").strip())

r"""Reads posts for prediction and hands them back author by author, on disk meanwhile.

Enters: a byte stream, read by the reader of training: JSON Lines, CSV or Parquet, plain or
compressed; else raw text of one author, one post a line. Leaves: each author with all posts, in
order as training has them, authors in the order first seen.

    {"author_id": "a", "text": "Hi."}
    {"author_id": "b", "text": "Hm."}      ->  Author("a", ["Hi.", "Yes."]), Author("b", ["Hm."])
    {"author_id": "a", "text": "Yes."}

Memory: 64 MB of SQLite's cache, one record, and the posts of the author who is read. The rest is in
a temporary database file that has no name and goes with the process, however it ends.
"""

from __future__ import annotations

import itertools
import operator
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from typing import IO

from components.ingest.forms import REQUIRED_FIELDS, Form
from components.ingest.lines import BREAKS, DAMAGED, Fault, RawRecord
from components.ingest.matching import DUPLICATE_POST, order_posts
from components.ingest.opening import named, open_content
from components.ingest.readers import read_content
from components.ingest.records import Post, RecordError, parse_post
from components.ingest.settings import READ_BY_DEFAULT, IngestSettings
from components.serving.answering import Author

STANDARD_INPUT = "standard input"
_COMPRESSIONS = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz", ".zst": "zstd"}
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


def read_posts(
    source: IO[bytes],
    spool: Spool,
    report: Callable[[int, str], None],
    settings: IngestSettings = READ_BY_DEFAULT,
    name: str = STANDARD_INPUT,
) -> Form:
    """Reads a stream into the spool; a record that cannot be read is counted and reported.

    Args:
        source: posts; need not seek.
        spool: takes the posts.
        report: is told the number and the fault of each line set aside, never its text.
        settings: of reading.
        name: path of the source, or what else to call it.

    Returns:
        As what it was read.

    Raises:
        SourceError: the input is no file of posts.
        InputError: the input is empty, damaged, or holds no post that can be read.
    """
    required = REQUIRED_FIELDS["posts"]
    content = open_content(source, name, settings, required, raw_text=True)
    with named(name):
        for record in read_content(content, settings, required):
            try:
                spool.add(_post_of(record, content.form, settings))
            except RecordError as error:
                spool.set_aside[error.cause] += 1
                report(record.line, error.cause)
    if not spool.posts:
        lines_read = sum(spool.set_aside.values())
        found = f"none of its {lines_read} lines can be read" if lines_read else "it is empty"
        raise InputError(
            f"the input must hold at least one post; {found}. Give JSON Lines, CSV or Parquet with "
            "author_id and text, or raw text, one post per line."
        )
    return content.form


def _post_of(record: RawRecord | Fault, form: Form, settings: IngestSettings) -> Post:
    if isinstance(record, RawRecord):
        if form.format == "raw_text":
            return Post(_RAW_TEXT, record.fields["text"])
        return parse_post(record.fields, settings)
    if record.cause == DAMAGED:
        raise InputError(
            f"{_COMPRESSIONS[form.compression]} input must be whole; at line {record.line} it ends "
            "early or is damaged. Give the whole file."
        )
    if record.cause in BREAKS:
        raise InputError(
            f"the input must be readable to its end; at line {record.line}: {record.cause}. "
            "Give it whole and sound."
        )
    raise RecordError(record.cause)

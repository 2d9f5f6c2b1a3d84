"""Files as people have them: each is read alike, or refused in the same words, by every command."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import json
import lzma
import os
import re
import tarfile
import tempfile
import zipfile
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pyarrow
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from components.heads.declared import parse_heads
from components.ingest.audit_sources import audit_sources
from components.ingest.forms import form_of
from components.ingest.readers import check_files, read_records
from components.ingest.settings import READ_BY_DEFAULT, IngestSettings
from components.ingest.sources import ENDINGS, find_posts
from components.ingest.unreadable import Refused, SourceError
from components.serving.bulk.spread import _write_source
from pipeline.spool import InputError, Spool, read_posts

POSTS = [
    {"author_id": "a", "text": "Café, „Grüße“"},
    {"author_id": "b", "text": 'two; "three"'},
    {"author_id": "a", "text": "four | five"},
]
AUTHORS = {"a": ["Café, „Grüße“", "four | five"], "b": ['two; "three"']}
LINES = "".join(json.dumps(post, ensure_ascii=False) + "\n" for post in POSTS)
BYTES = LINES.encode()


class Read(NamedTuple):
    """What a file gives beside AUTHORS, and by which settings."""

    content: bytes
    aside: dict[str, int] = {}
    settings: IngestSettings = READ_BY_DEFAULT


def table(delimiter: str = ",", above: str = "", columns: str = "", end: str = "\n") -> str:
    """POSTS as CSV, with what may stand above the header and behind each row."""
    rows = ['author_id{0}"text"', 'a{0}"Café, „Grüße“"']
    rows += ['b{0}"two; ""three"""', 'a{0}"four | five"']
    return above + "".join(row.format(delimiter) + columns + end for row in rows)


def parquet_bytes() -> bytes:
    file = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(POSTS), file)
    return file.getvalue()


def zipped(name: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, BYTES)
    return file.getvalue()


def tarred() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        member = tarfile.TarInfo("posts.jsonl")
        member.size = len(BYTES)
        archive.addfile(member, io.BytesIO(BYTES))
    return file.getvalue()


ZSTD = pyarrow.compress(BYTES, codec="zstd", asbytes=True)
READ = {
    "posts.jsonl": Read(BYTES),
    "mark.jsonl": Read(codecs.BOM_UTF8 + BYTES),
    "utf-16-le.jsonl": Read(codecs.BOM_UTF16_LE + LINES.encode("utf-16-le")),
    "utf-16-be.jsonl": Read(codecs.BOM_UTF16_BE + LINES.encode("utf-16-be")),
    "utf-32-le.jsonl": Read(codecs.BOM_UTF32_LE + LINES.encode("utf-32-le")),
    "utf-32-be.jsonl": Read(codecs.BOM_UTF32_BE + LINES.encode("utf-32-be")),
    "no-mark.jsonl": Read(LINES.encode("utf-16-le"), settings=IngestSettings(encoding="utf-16-le")),
    "windows.jsonl": Read(
        LINES.encode("windows-1252"), settings=IngestSettings(encoding="windows-1252")
    ),
    "mark-wins.jsonl": Read(
        codecs.BOM_UTF8 + BYTES, settings=IngestSettings(encoding="windows-1252")
    ),
    "crlf.jsonl": Read(BYTES.replace(b"\n", b"\r\n")),
    "cr.jsonl": Read(BYTES.replace(b"\n", b"\r")),
    "gzip.jsonl": Read(gzip.compress(BYTES)),
    "two-gzips.jsonl.gz": Read(gzip.compress(BYTES[:40]) + gzip.compress(BYTES[40:])),
    "plain.jsonl.gz": Read(BYTES),
    "posts.jsonl.bz2": Read(bz2.compress(BYTES)),
    "posts.jsonl.xz": Read(lzma.compress(BYTES)),
    "posts.jsonl.zst": Read(ZSTD),
    "xz.jsonl.bz2": Read(lzma.compress(BYTES)),
    "zstd": Read(ZSTD),
    "utf-16.jsonl.gz": Read(gzip.compress(LINES.encode("utf-16"))),
    "posts": Read(BYTES),
    "posts.txt": Read(BYTES),
    "comment.txt": Read(b"# exported by a tool\n\n" + BYTES, {"comment": 1}),
    "comment.jsonl": Read(b"// exported by a tool\n" + BYTES, {"comment": 1}),
    "json-lines.csv": Read(BYTES),
    "posts.csv": Read(table().encode()),
    "semicolon.csv": Read(table(";").encode()),
    "tab.csv": Read(table("\t").encode()),
    "pipe.csv": Read(table("|").encode()),
    "comma.tsv": Read(table().encode()),
    "caret.csv": Read(table("^").encode(), settings=IngestSettings(delimiter="^")),
    "excel.csv": Read(table(";", "sep=;\n").encode(), {"row above the header": 1}),
    "excel-caret.csv": Read(table("^", "sep=^\r\n").encode(), {"row above the header": 1}),
    "unicode-text.txt": Read(table("\t", end="\r\n").encode("utf-16")),
    "table.txt": Read(table(";").encode()),
    "table.jsonl": Read(table().encode()),
    "table": Read(gzip.compress(table().encode())),
    "cr.csv": Read(table(end="\r").encode()),
    "windows.csv": Read(
        table(";").encode("windows-1252"), settings=IngestSettings(encoding="cp1252")
    ),
    "title.csv": Read(
        table(above="Our export, of today\n\n# of us\n").encode(), {"row above the header": 2}
    ),
    "columns.csv": Read(
        (table(columns=",,") + ",,,\n" * 900).encode(),
        {"columns without a name": 1, "empty row": 900},
    ),
    "more-columns.csv": Read(table().replace('five"', 'five",,').encode()),
    "index.csv": Read(
        "".join(f"{n or ''},{row}\n" for n, row in enumerate(table().splitlines())).encode(),
        {"columns without a name": 1},
    ),
    "twice.csv": Read((table() + "author_id,text\n").encode(), {"header repeated": 1}),
    "posts.parquet": Read(parquet_bytes()),
    "posts.pq": Read(parquet_bytes()),
    "parquet.csv": Read(parquet_bytes()),
    "parquet": Read(parquet_bytes()),
    "posts.parquet.gz": Read(gzip.compress(parquet_bytes())),
}
BY_ENDING = {"comma.tsv", "caret.csv"}

SECRET = "SECRET"
ARRAY = json.dumps([{"author_id": "a", "text": SECRET}] * 2)
PRETTY = json.dumps({"author_id": "a", "text": SECRET}, indent=2)
REFUSED = {
    "posts.zip": (zipped("posts.jsonl"), "is a zip archive"),
    "posts.jsonl.zip": (zipped("posts.jsonl"), "Unpack it"),
    "zip.jsonl": (zipped("posts.jsonl"), "is a zip archive"),
    "posts.xlsx": (zipped("xl/workbook.xml"), "or an Office document.*Save a sheet as CSV"),
    "posts.xls": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "is an old Office document"),
    "posts.tar.gz": (tarred(), "is a tar archive"),
    "twice.jsonl.gz": (gzip.compress(gzip.compress(BYTES)), "is compressed twice"),
    "posts.jsonl.lz4": (b"\x04\x22\x4d\x18" + bytes(9), "is compressed with LZ4"),
    "posts.json": (ARRAY.encode(), r"is a JSON array.*jq -c '\.\[\]'"),
    "array": (("\n" + ARRAY).encode("utf-16"), "is a JSON array"),
    "array.jsonl": (f"[\n{PRETTY}\n]".encode(), "is a JSON array"),
    "empty.json": (b"[]\n", "is a JSON array"),
    "array.csv": (ARRAY.encode(), "is a JSON array"),
    "pretty.json": (PRETTY.encode(), r"objects span several lines.*jq -c \."),
    "pretty": ((PRETTY + "\n" + PRETTY).encode(), "objects span several lines"),
    "pretty-2": (f'{{"author_id": "a",\n"text": "{SECRET}"}}'.encode(), "span several lines"),
    "posts.html": (f"<!DOCTYPE html><p>{SECRET}".encode(), "is HTML or XML"),
    "posts.xml": (f"\n<?xml version='1.0'?>{SECRET}".encode(), "is HTML or XML"),
    "posts.pdf": (b"%PDF-1.7" + bytes(9), "is a PDF document"),
    "posts.rtf": (b"{\\rtf1 SECRET}", "is an RTF document"),
    "posts.db": (b"SQLite format 3\x00" + bytes(9), "is an SQLite database"),
    "posts.avro": (b"Obj\x01" + bytes(9), "is an Avro file"),
    "posts.feather": (b"ARROW1\x00\x00", "is an Arrow or Feather file"),
    "no-mark.jsonl": (LINES.encode("utf-16-le"), "NUL.*ingest.encoding to utf-16-le"),
    "no-mark.csv": (table().encode("utf-16-be"), "NUL.*ingest.encoding"),
    "no-mark": (SECRET.encode("utf-16-le"), "NUL.*ingest.encoding"),
    "image": (b"\x89PNG\r\n\x1a\n\xff\xfe", "is not valid UTF-8.*ingest.encoding"),
    "nul.txt": (b"SECRET\n\x00\n", "holds NUL"),
    "user.csv": (
        b"user_id;body;date\n1;SECRET;2\n",
        r"Missing: author_id, text\. Found \(separated by semicolon\): user_id, body, date\. Ren",
    ),
    "no-text.csv": (
        b"author_id\tbody\na\tSECRET\n",
        r"Missing: text\. Found \(separated by tab\): author_id, body\.",
    ),
    "capitals.csv": (
        b"Author_ID,text\na,SECRET\n",
        r"Missing: author_id\. Found .*: Author_ID, text\. Capitals and spaces count: rename "
        r"'Author_ID'\.$",
    ),
    "capitals.tsv": (
        b"author id\tTEXT\na\tSECRET\n",
        r"Missing: author_id, text\. .* Capitals and spaces count: rename 'author id' and "
        r"'TEXT'\.$",
    ),
    "both.csv": (
        b"Author_ID,body\na,SECRET\n",
        r"Capitals and spaces count: rename 'Author_ID'\. Rename what holds the other, or set ing",
    ),
    "capitals": (
        b"Author_ID;Text\na;SECRET\n",
        r"semicolon\): Author_ID, Text\. Capitals and spaces count: rename 'Author_ID' and 'Text'",
    ),
    "capitals.txt": (b"AUTHOR_ID,text\na,SECRET\n", r"count: rename 'AUTHOR_ID'\.$"),
    "no-text": (b"author_id,body\na,SECRET\n", r"author_id and text\. Missing: text\."),
    "no-header.csv": (b"a,SECRET,34\nb,SECRET,7\n", "data: 3 columns separated by comma"),
    "names.csv": (b"SECRET,OTHER\n", "looks like data: 2 columns"),
    "caret.csv": (table("^").encode(), "data: 1 column separated by.*ingest.delimiter"),
}


def spread(path: Path, settings: IngestSettings, folder: Path) -> tuple[dict, Counter]:
    """Posts by author and causes, as `predict --output`, audit and run read a file."""
    folder.mkdir()
    check_files(find_posts([str(path)]), settings)
    _write_source(0, str(path), settings, 1, folder)
    authors: dict[str, list[str]] = {}
    shard = folder / "shard-00000.jsonl"
    rows = shard.read_text("utf-8").split("\n")[:-1] if shard.exists() else []
    for author, row in map(json.loads, rows):
        authors.setdefault(author, []).append(row[4])
    aside = folder / "set_aside.jsonl"
    faults = aside.read_text("utf-8").split("\n")[:-1] if aside.exists() else []
    causes = Counter(json.loads(line)[1] for line in faults)
    counts = json.loads((folder / "counts.json").read_text())
    assert counts["read"] == counts["posts"] + causes.total() == len(rows) + len(faults)
    return authors, causes


def spool(stream: io.BufferedReader, settings: IngestSettings, name: str) -> tuple[dict, Counter]:
    """The same, as `predict` without an output reads a stream."""
    with Spool() as posts:
        read_posts(stream, posts, lambda line, cause: None, settings, name)
        return {author: list(texts) for author, texts in posts.authors()}, posts.set_aside


def piped(content: bytes) -> io.BufferedReader:
    """A stream that cannot seek and gives what it has bit by bit."""

    class Pipe(io.RawIOBase):
        rest = io.BytesIO(content)

        def readable(self) -> bool:
            return True

        def readinto(self, buffer) -> int:
            return self.rest.readinto(memoryview(buffer)[:7])

    return io.BufferedReader(Pipe())


@pytest.mark.parametrize("name", READ)
def test_a_file_gives_every_command_the_same_posts_and_causes(tmp_path, name):
    content, aside, settings = READ[name]
    path = tmp_path / name
    path.write_bytes(content)
    expected = (AUTHORS, Counter(aside))
    assert spread(path, settings, tmp_path / "work") == expected
    with path.open("rb") as stream:
        assert spool(stream, settings, str(path)) == expected
    if name not in BY_ENDING:
        assert spool(piped(content), settings, "standard input") == expected


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_is_none_of_posts_is_refused_by_every_command_in_the_same_words(tmp_path, name):
    content, words = REFUSED[name]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SourceError, match=words) as early:
        check_files(find_posts([str(path)]), READ_BY_DEFAULT)
    with pytest.raises(SourceError) as output:
        _write_source(0, str(path), READ_BY_DEFAULT, 1, tmp_path)
    with path.open("rb") as stream, pytest.raises(SourceError) as at_once:
        spool(stream, READ_BY_DEFAULT, str(path))
    assert str(early.value) == str(output.value) == str(at_once.value)
    assert str(early.value).startswith(f"{path} ")
    assert SECRET not in str(early.value)
    assert "\n" not in str(early.value)


@pytest.mark.parametrize(
    "content",
    [
        "I went home.\n",
        "Dear user, hello\nthis; that\n",
        "[1] a note\n",
        "ORCs and BZh9 and Obj\n",
        "#tag first\nmore\n",
        "<3 you\n",
        "'sep=;' is nothing",
    ],
)
def test_text_that_is_no_table_is_one_author_at_once_and_refused_with_an_output(tmp_path, content):
    path = tmp_path / "letter.txt"
    path.write_text(content)
    with path.open("rb") as stream:
        assert spool(stream, READ_BY_DEFAULT, str(path)) == ({None: content.splitlines()}, {})
    with pytest.raises(SourceError, match="must hold JSON Lines, CSV with a header that names"):
        check_files(find_posts([str(path)]), READ_BY_DEFAULT)


def test_parquet_without_a_column_tells_those_that_it_has(tmp_path):
    path = tmp_path / "posts.parquet"
    parquet.write_table(pyarrow.table({"user": ["a"], "text": [SECRET]}), path)
    words = r"must have the columns author_id and text\. Missing: author_id\. Found: user, text\."
    with pytest.raises(SourceError, match=r"posts\.parquet " + words):
        _write_source(0, str(path), READ_BY_DEFAULT, 1, tmp_path)
    parquet.write_table(pyarrow.table({"Author_ID": ["a"], "text": [SECRET]}), path)
    with pytest.raises(SourceError, match=r"Capitals and spaces count: rename 'Author_ID'\.$"):
        _write_source(0, str(path), READ_BY_DEFAULT, 1, tmp_path)


@pytest.mark.parametrize(
    ("encoding", "width", "wrong"),
    [
        ("UTF-8", "utf-8", b"\xff"),
        ("windows-1252", "windows-1252", b"\x81"),
        ("UTF-16", "utf-16-le", b"\x00\xd8"),
        ("UTF-32", "utf-32-le", b"\xff" * 4),
    ],
)
def test_what_the_encoding_does_not_allow_is_the_fault_of_its_line_and_names_the_setting(
    tmp_path, encoding, width, wrong
):
    path = tmp_path / "posts.jsonl"
    text = LINES + '{"author_id": "a", "text": "@"}\n'
    path.write_bytes(text.encode(encoding).replace("@".encode(width), wrong))
    causes = {f"not valid {encoding}: set ingest.encoding": 1}
    settings = IngestSettings(encoding=encoding)
    assert spread(path, settings, tmp_path / "work") == (AUTHORS, causes)
    with path.open("rb") as stream:
        assert spool(stream, settings, str(path)) == (AUTHORS, causes)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
@pytest.mark.parametrize("ending", ["jsonl", "csv", "txt"])
def test_a_file_without_the_byte_order_mark_that_is_set_is_refused_by_name(
    tmp_path, encoding, ending
):
    path = tmp_path / f"posts.{ending}"
    path.write_bytes(LINES.encode(f"{encoding}-le"))
    with pytest.raises(SourceError, match=rf"\.{ending} must begin with a byte-order mark, since"):
        check_files(find_posts([str(path)]), IngestSettings(encoding=encoding))
    path.write_text(LINES, encoding=encoding)
    check_files(find_posts([str(path)]), IngestSettings(encoding=encoding))


def test_half_a_character_that_an_encoding_can_spell_is_the_fault_of_its_line(tmp_path):
    path = tmp_path / "posts.jsonl"
    text = LINES + '{"author_id": "a", "text": "Z"}\n'
    path.write_bytes(text.encode("utf-7").replace(b"Z", b"+2AA-"))
    causes = {"not valid utf-7: set ingest.encoding": 1}
    assert spread(path, IngestSettings(encoding="utf-7"), tmp_path / "work") == (AUTHORS, causes)


@pytest.mark.parametrize("name", ["idna", "punycode", "rot13", "base64", "undefined", "nothing"])
def test_what_is_no_encoding_of_files_is_refused(name):
    with pytest.raises(ValueError, match="must be an encoding of text that Python knows"):
        IngestSettings(encoding=name)


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("user_id,body", r"Found \(separated by comma\): user_id, body\. Rename"),
        (
            "Author_ID,Text",
            r"Found .*: Author_ID, Text\. Capitals and spaces count: rename .Author_ID.\.$",
        ),
        (",user id,,text", r"Found .*: user id, text\. Rename"),
        ("id," + ",".join(f"c{n}" for n in range(29)), r"Found .*: id, c0,.* c18 and 10 more\."),
        (f"id,{SECRET * 9}", "looks like data: 2 columns"),
        (f"id,1{SECRET}", "looks like data: 2 columns"),
        (f"{SECRET},{SECRET}", "looks like data: 2 columns"),
    ],
)
def test_columns_are_named_where_the_first_row_is_a_header_and_counted_else(header, told):
    with pytest.raises(Refused, match=told) as error:
        form_of(header.encode(), True, "posts.csv", READ_BY_DEFAULT, ("author_id",))
    assert SECRET not in str(error.value)


@pytest.mark.parametrize(
    ("end", "inner", "place"),
    [
        *(("\r", inner, "text") for inner in ("\n", "\r\n")),
        *(("\n", "\r", place) for place in ("header", "text")),
        *(("\r\n", inner, place) for inner in "\r\n" for place in ("header", "text")),
    ],
)
def test_ends_of_lines_are_told_from_those_within_quotes(tmp_path, end, inner, place):
    path = tmp_path / "posts.csv"
    column, text = (f'"my{inner}column"', "x") if place == "header" else ("column", f'"x{inner}y"')
    rows = ["author_id,text," + column, *(f"a{number},{text},1" for number in range(9)), "b,z,1"]
    path.write_bytes("".join(row + end for row in rows).encode())
    posts = list(read_records(str(path), READ_BY_DEFAULT, ("author_id", "text")))
    assert [post.fields["author_id"] for post in posts] == [*(f"a{n}" for n in range(9)), "b"]
    assert posts[0].fields["text"].split() == text.strip('"').split()


def test_only_a_bounded_first_block_is_looked_at(tmp_path):
    # A title above the header that fills the block: each row tells what it lacks.
    path = tmp_path / "posts.csv"
    path.write_bytes(b"x" * 100_000 + b"\n" + table().encode())
    check_files(find_posts([str(path)]), READ_BY_DEFAULT)


@pytest.mark.parametrize("content", [b"", b"\n \r\n", codecs.BOM_UTF8, codecs.BOM_UTF16_LE])
@pytest.mark.parametrize("name", ["posts.jsonl", "posts.csv", "posts.csv.gz"])
def test_a_file_without_anything_has_no_records(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    folder = tmp_path / "work"
    folder.mkdir()
    check_files(find_posts([str(path)]), READ_BY_DEFAULT)
    _write_source(0, str(path), READ_BY_DEFAULT, 1, folder)
    assert json.loads((folder / "counts.json").read_text())["read"] == 0
    assert sorted(os.listdir(folder)) == ["counts.json"]


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        *(("encoding", name) for name in ("none", "hex", "idna", "punycode", "undefined")),
        *(("delimiter", text) for text in (",,", '"')),
    ],
)
def test_a_setting_that_no_file_can_have_is_refused(setting, value):
    with pytest.raises(ValueError, match="must be"):
        IngestSettings(**{setting: value})


@pytest.mark.parametrize("usual", "\t,")
@pytest.mark.parametrize("other", ";|,\t")
@pytest.mark.parametrize("cell", ['"seen{0}author_id{0}text"', "seen{0}author_id{0}text"])
def test_a_post_that_looks_like_a_header_by_another_delimiter_is_none(tmp_path, usual, other, cell):
    if usual == other:
        return
    path = tmp_path / ("posts.csv" if other == "," else "posts.tsv")
    path.write_text(f"author_id{usual}text\na{usual}{cell.format(other)}\n")
    (post,) = read_records(str(path), READ_BY_DEFAULT, ("author_id", "text"))
    assert post.fields == {"author_id": "a", "text": cell.format(other).strip('"')}


def test_a_header_that_is_longer_than_the_first_block_is_read(tmp_path):
    path = tmp_path / "posts.csv"
    between = [f"column_{number}" for number in range(9_000)]
    path.write_text(f"author_id,{','.join(between)},text\na,{',' * len(between)}hello\n")
    (post,) = read_records(str(path), READ_BY_DEFAULT, ("author_id", "text"))
    assert (post.fields["author_id"], post.fields["text"]) == ("a", "hello")


def test_what_a_table_holds_beside_its_records_is_counted_by_the_audit_and_is_no_fault(tmp_path):
    for name, file in READ.items():
        if file.settings == READ_BY_DEFAULT:
            (tmp_path / f"posts-{name}").write_bytes(file.content)
    labels = "Survey;;\n\nauthor_id;age;;\na;34;;\nb;45;;\n" + ";;;\n" * 900
    (tmp_path / "labels.csv").write_bytes(labels.encode("utf-16"))
    summary = audit_sources(
        [f"{tmp_path}/posts-*"],
        [f"{tmp_path}/labels.csv"],
        parse_heads({"age": {"kind": "regression"}}),
        READ_BY_DEFAULT,
        f"{tmp_path}/audit",
    )
    for file in summary.files:
        assert file.read == file.used + sum(count.records for count in file.set_aside.values())
    assert {file.used for file in summary.files[:-1]} == {3}
    assert {cause: n.records for cause, n in summary.files[-1].set_aside.items()} == {
        "columns without a name": 1,
        "empty row": 900,
        "row above the header": 1,
    }
    assert summary.files[-1].set_aside["empty row"].first_line == 6
    assert (summary.fault_share("posts"), summary.fault_share("labels")) == (0, 0)


FRAGMENTS = [
    *("author_id,text\n", "author_id;text\n", "a,b\n", "a;b\n", "a,b,\n", ",,,\n", "a\n", '"a\n'),
    *('{"author_id": "a", "text": "t"}\n', '{"author_id": "a"}\n', "{\n", "[\n", "# note\n", "\n"),
    *("sep=;\n", "\r", "\0", "\ufeff", "é", "<html>"),
]


@given(
    st.lists(st.sampled_from(FRAGMENTS), max_size=12),
    st.sampled_from(["utf-8", "utf-16", "utf-16-le", "latin-1"]),
    st.sampled_from(["posts.jsonl", "posts.csv", "posts.tsv", "posts.parquet"]),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_a_file_holds_every_command_says_the_same_of_it(
    tmp_path, fragments, encoding, name
):
    content = "".join(fragments).encode(encoding, "replace")
    path = tmp_path / name
    path.write_bytes(content)
    assert outcome(lambda: spread_anew(path)) == outcome(
        lambda: spool(io.BufferedReader(io.BytesIO(content)), READ_BY_DEFAULT, str(path))
    )


def spread_anew(path: Path) -> tuple[dict, Counter]:
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        return spread(path, READ_BY_DEFAULT, Path(folder) / "work")


def outcome(read):
    """Posts and causes; what is refused in its words, and no post at all alike in either path."""
    try:
        authors, causes = read()
    except SourceError as error:
        return str(error)
    except InputError:
        return "no post"
    return (authors, causes) if authors else "no post"


def test_the_table_of_what_is_read_names_every_ending_setting_and_format():
    readme = (Path(__file__).parents[3] / "data/README.md").read_text("utf-8")
    rows = readme.split("## What is read")[1].split("\n## ")[0]
    named = set(re.findall(r"\.\w+", ENDINGS)) - {".gz", ".bz2", ".xz", ".zst"}
    named |= {"gzip", "bzip2", "xz", "zstd", "UTF-16", "UTF-32", "byte-order mark", "sep=;"}
    named |= {"ingest.encoding", "ingest.delimiter", "standard input", ".txt", "raw text"}
    named |= {"zip", "7z", "RAR", "tar", "LZ4", ".Z", "twice", "JSON array", "several lines"}
    named |= {"HTML", "XML", "PDF", "RTF", "Office", "SQLite", "Avro", "Arrow", "HDF5", "NUL"}
    named |= {"comma", "semicolon", "tab", "pipe", "title", "header met again", "without a name"}
    assert sorted(name for name in named if name not in rows) == []

"""Files in several encodings and with several delimiters in one run: none is read as another."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.heads.declared import parse_heads
from components.ingest import reading
from components.ingest.audit_sources import audit_sources
from components.ingest.lines import Fault
from components.ingest.readers import read_records
from components.ingest.settings import IngestSettings
from pipeline.spool import Spool, read_posts

WORDS = {
    "windows-1252": ["Grüße, „Café“", "Spaß…", "ÉTÉ"],
    "latin-1": ["à l'été", "Straße»", "ñ"],
    "iso-8859-2": ["Łódź i Kraków", "Úžasné", "ě"],
    "koi8-r": ["Привет, как дела", "её", "Ж"],
    "windows-1251": ["Привет, как дела", "Я…", "ж"],
    "mac-roman": ["crème brûlée, là-bas", "l’école", "é"],
    "cp874": ["ชาย", "หญิง", "สวัสดีครับ"],
    "gbk": ["男", "女", "你好，世界"],
    "gb18030": ["男", "女", "你好，世界"],
    "shift_jis": ["日本語テキスト", "ソ能表", "ｱ"],
    "euc-kr": ["한국어 텍스트", "가", "하"],
    "big5": ["功蓋許", "你好", "中"],
    "iso2022_jp": ["日本語テキスト", "能", "表"],
    "utf-7": ["Grüße", "日本", "é"],
    "utf-16-le": ["Grüße", "日本", "é"],
    "utf-16-be": ["Grüße", "日本", "é"],
    "utf-32-le": ["Grüße", "日本", "é"],
    "cp500": ["Grüße", "plain", "é"],
}
"""Words of each encoding, of which some have bytes that are valid UTF-8 too."""
LINE_BY_LINE = ["windows-1252", "koi8-r", "cp874", "gbk", "shift_jis"]
REQUIRED = ("author_id", "text")
FORMATS = ["jsonl", "csv", "txt"]


def written(texts: list[str], format_name: str) -> str:
    """Posts of one author; as raw text the author is nameless."""
    if format_name == "jsonl":
        rows = [json.dumps({"author_id": "a", "text": text}, ensure_ascii=False) for text in texts]
    elif format_name == "csv":
        rows = ["author_id,text", *('a,"' + text.replace('"', '""') + '"' for text in texts)]
    else:
        rows = texts
    return "".join(row + "\n" for row in rows)


def texts_of(path: Path, read_by: IngestSettings) -> list[str]:
    """As `predict` reads a stream, and as every command reads a file."""
    faults: list[str] = []
    with Spool() as posts, path.open("rb") as stream:
        read_posts(stream, posts, lambda _, cause: faults.append(cause), read_by, str(path))
        texts = [text for author in posts.authors() for text in author.posts]
    assert faults == []
    if path.suffix != ".txt":
        assert [
            record.fields["text"] for record in read_records(str(path), read_by, REQUIRED)
        ] == texts
    return texts


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize("encoding", WORDS)
def test_one_setting_reads_a_file_in_its_encoding_and_one_in_utf8(tmp_path, encoding, format_name):
    for name, end in itertools.product((encoding, "utf-8"), ("\n", "\r\n", "\r")):
        path = tmp_path / f"posts.{format_name}"
        path.write_bytes(written(WORDS[encoding], format_name).replace("\n", end).encode(name))
        assert texts_of(path, IngestSettings(encoding=encoding)) == WORDS[encoding]


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize("encoding", LINE_BY_LINE)
def test_of_a_file_that_begins_with_ascii_each_line_tells_its_encoding(
    tmp_path, encoding, format_name
):
    first = ["plain text of some length"] * 5_000
    text = WORDS[encoding][0]
    for name in (encoding, "utf-8"):
        path = tmp_path / f"{name}.{format_name}"
        path.write_bytes(written([*first, text], format_name).encode(name))
        assert path.stat().st_size > 2 * 64 * 1024 or format_name == "txt"
        assert texts_of(path, IngestSettings(encoding=encoding)) == [*first, text]


@pytest.mark.parametrize("format_name", FORMATS)
def test_a_damaged_character_before_any_other_makes_a_file_no_other_encodings(
    tmp_path, format_name
):
    texts = ["broken \ufffd", *["plain text of some length"] * 5_000, "Grüße"]
    path = tmp_path / f"posts.{format_name}"
    path.write_bytes(written(texts, format_name).encode().replace("\ufffd".encode(), b"\xff"))
    assert texts_of(path, IngestSettings(encoding="latin-1")) == ["broken ÿ", *texts[1:]]


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize("encoding", LINE_BY_LINE)
def test_a_line_of_a_utf8_file_that_is_none_is_read_by_the_setting(tmp_path, encoding, format_name):
    texts = ["Grüße, Ελλάδα, 日本語, ещё раз" * 9, WORDS[encoding][0]]
    rows = [row.encode() for row in written(texts, format_name).splitlines(keepends=True)]
    rows[-1] = rows[-1].decode().encode(encoding)
    path = tmp_path / f"posts.{format_name}"
    path.write_bytes(b"".join(rows))
    assert texts_of(path, IngestSettings(encoding=encoding)) == texts


@pytest.mark.parametrize(
    ("encoding", "labels", "posts"),
    [
        ("windows-1252", "windows-1252", "utf-8"),
        ("windows-1252", "utf-8", "windows-1252"),
        ("cp874", "cp874", "utf-8"),
        ("utf-16-le", "utf-16-le", "utf-8"),
    ],
)
def test_authors_of_posts_and_labels_meet_whichever_of_the_two_is_in_utf8(
    tmp_path, encoding, labels, posts
):
    authors = WORDS[encoding]
    rows = [json.dumps({"author_id": one, "text": one}, ensure_ascii=False) for one in authors]
    (tmp_path / "posts.jsonl").write_bytes("\n".join(rows).encode(posts))
    table = "author_id,sex\n" + "".join(f'"{one}","{authors[0]}"\n' for one in authors)
    (tmp_path / "labels.csv").write_bytes(table.encode(labels))
    head = {"kind": "binary", "positive": authors[0], "negative": "other"}
    summary = audit_sources(
        [f"{tmp_path}/posts.jsonl"],
        [f"{tmp_path}/labels.csv"],
        parse_heads({"sex": head}),
        IngestSettings(encoding=encoding),
        f"{tmp_path}/audit",
    )
    assert [(file.read, file.used) for file in summary.files] == [(3, 3), (3, 3)]


@pytest.mark.parametrize("encoding", ["windows-1252", "gbk", "utf-8"])
def test_a_large_file_of_json_lines_is_cut_in_whichever_encoding(tmp_path, monkeypatch, encoding):
    path = tmp_path / "posts.jsonl"
    set_to = "windows-1252" if encoding == "utf-8" else encoding
    path.write_bytes(written(WORDS[set_to] * 9, "jsonl").encode(encoding))
    read_by = IngestSettings(encoding=set_to)
    monkeypatch.setattr(reading, "PIECE_BYTES", 50)
    whole = reading.Piece(0, "posts", str(path), 0, path.stat().st_size)
    pieces = [piece.value for piece in reading._cut(whole, read_by)]
    counted = [reading._count_piece(piece) for piece in pieces]
    read = reading._ReadPiece((), read_by)
    records = [
        record
        for piece in reading._number_lines((0, [counts for _, counts in counted]))
        for record in read._records(piece)
    ]
    assert len(pieces) > 9
    assert records == list(read_records(str(path), read_by))
    assert [record.fields["text"] for record in records] == WORDS[set_to] * 9


SURE = {name: words[0] * 20 for name, words in WORDS.items()}
"""Much text that no other encoding has, so that the first block tells."""


@pytest.mark.parametrize("encoding", WORDS)
@given(data=st.data())
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=15
)
def test_any_text_reads_back_the_same(tmp_path, encoding, data):
    near = st.characters(max_codepoint=0x4FF)
    drawn = st.text(st.one_of(near, st.characters(), st.sampled_from(SURE[encoding])))
    sure = drawn.map(lambda text: "t" + text.encode(encoding, "ignore").decode(encoding))
    texts = [SURE[encoding], *data.draw(st.lists(sure, max_size=5))]
    for name in (encoding, "utf-8"):
        path = tmp_path / "posts.jsonl"
        path.write_bytes(written(texts, "jsonl").encode(name))
        records = list(read_records(str(path), IngestSettings(encoding=encoding), REQUIRED))
        assert [record.fields["text"] for record in records] == texts


@given(content=st.binary(min_size=1), encoding=st.sampled_from(list(WORDS)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_bytes_give_records_and_faults_by_line_and_nothing_else(tmp_path, content, encoding):
    path = tmp_path / "posts.jsonl"
    path.write_bytes(b'{"author_id": "a", "text": "t"}\n' + content)
    first, *others = read_records(str(path), IngestSettings(encoding=encoding), REQUIRED)
    assert isinstance(first, Fault) or first.fields == {"author_id": "a", "text": "t"}
    lines = [record.line for record in others]
    assert lines == sorted(set(lines))


@pytest.mark.parametrize("found", [*",;\t|", "^"])
@pytest.mark.parametrize("told", [*",;\t|", "^"])
def test_a_table_is_read_by_the_delimiter_of_its_header_whatever_is_set_for_others(
    tmp_path, told, found
):
    rows = f'author_id{found}text\na{found}"one, two; three"\n'
    path = tmp_path / "posts.csv"
    path.write_text(rows)
    if found == "^" != told:
        with pytest.raises(ValueError, match=r"set ingest\.delimiter"):
            list(read_records(str(path), IngestSettings(delimiter=told), REQUIRED))
        return
    (record,) = read_records(str(path), IngestSettings(delimiter=told), REQUIRED)
    assert record.fields == {"author_id": "a", "text": "one, two; three"}

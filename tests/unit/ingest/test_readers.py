"""Files to records and faults, whatever is in them."""

import base64
import bz2
import errno
import gzip
import io
import json
import lzma
import random
import re
import tracemalloc
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import numpy
import pyarrow
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from components.ingest.ids import read_id
from components.ingest.lines import Fault, RawRecord
from components.ingest.opening import named, open_content
from components.ingest.parquet import read_parquet
from components.ingest.readers import read_content, read_records
from components.ingest.records import Note, Post, RecordError, parse_post
from components.ingest.settings import IngestSettings
from components.ingest.unreadable import SourceError

SMALL = IngestSettings(maximum_record_bytes=1024)
PACK = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda content: pyarrow.compress(content, codec="zstd", asbytes=True),
}


@pytest.fixture
def read(tmp_path):
    def read_file(name: str, content: bytes, ingest: IngestSettings = SMALL):
        path = tmp_path / name
        path.write_bytes(content)
        return list(read_records(str(path), ingest))

    return read_file


def record(line: int, **fields) -> RawRecord:
    return RawRecord(line, fields)


@pytest.mark.parametrize("ending", [".jsonl", ".ndjson.gz", ".json.bz2", ".jsonl.xz"])
def test_json_lines_give_records_with_their_lines(read, ending):
    content = b'\xef\xbb\xbf{"a": 1}\r\n\n  \n{"a": "\xc3\xa9"}'
    packed = PACK["." + ending.split(".")[2] if ending.count(".") == 2 else ""](content)
    assert read("file" + ending, packed) == [record(1, a=1), record(4, a="é")]


@pytest.mark.parametrize("ending", [".jsonl", ".csv.gz", ".tsv.xz", ".parquet"])
def test_an_empty_file_has_no_records(read, ending):
    packed = PACK["." + ending.split(".")[2] if ending.count(".") == 2 else ""](b"")
    assert read("file" + ending, packed) == []


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        (b"{", "not valid JSON"),
        (b'{"a": 1} x', "not valid JSON"),
        (b"\x00\x00", "not valid JSON"),
        (b'{"a": ' + b"[" * 1000, "not valid JSON"),
        (b'{"a": "\xff"}', "not valid UTF-8: set ingest.encoding"),
        ('{"a": 1}'.encode("utf-16"), "not valid UTF-8: set ingest.encoding"),
        (b"[1]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b'{"a": 1, "a": 2}', "a field is given twice"),
        (b'{"a": "' + b"x" * 1017 + b'"}', "longer than maximum_record_bytes"),
    ],
)
def test_a_line_that_is_no_object_is_one_fault(read, line, cause):
    assert read("file.jsonl", b'{"a": 1}\n' + line + b'\n{"a": 2}\n') == [
        record(1, a=1),
        Fault(2, cause),
        record(3, a=2),
    ]


def test_a_line_of_just_the_longest_size_is_read(read):
    line = b'{"a": "' + b"x" * 1015 + b'"}'
    assert len(line) == 1024
    assert read("file.jsonl", line + b"\r\n" + line) == [
        record(1, a="x" * 1015),
        record(2, a="x" * 1015),
    ]


def test_a_line_of_5_megabytes_is_one_fault_by_default(read):
    content = b'{"a": "' + b"x" * 5_000_000 + b'"}\n{"a": 1}'
    assert read("file.jsonl", content, IngestSettings()) == [
        Fault(1, "longer than maximum_record_bytes"),
        record(2, a=1),
    ]


def test_a_long_line_is_skipped_in_bounded_memory(tmp_path):
    path = tmp_path / "file.jsonl.gz"
    with gzip.open(path, "wb") as file:
        for _ in range(64):
            file.write(b"x" * 1_000_000)
        file.write(b'\n{"a": 1}\n')
    tracemalloc.start()
    records = list(read_records(str(path), SMALL))
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert records == [Fault(1, "longer than maximum_record_bytes"), record(2, a=1)]
    assert peak_bytes < 2_000_000


@pytest.mark.parametrize("ending", [".gz", ".bz2", ".xz", ".zst"])
def test_truncated_data_gives_the_records_before_the_break(read, ending):
    # Random digits do not compress away, so that many records lie before the break.
    digits = random.Random(7)
    lines = [json.dumps({"a": digits.getrandbits(256)}).encode() for _ in range(20_000)]
    packed = PACK[ending](b"\n".join(lines))
    records = read("file.jsonl" + ending, packed[: len(packed) * 9 // 10])
    *before, last = records
    assert len(before) > 5_000
    assert before == [
        record(place + 1, **json.loads(line)) for place, line in enumerate(lines[: len(before)])
    ]
    assert last == Fault(len(before) + 1, "compressed data ends early or is damaged")


@pytest.mark.parametrize("ending", ["", ".gz", ".bz2", ".xz", ".zst"])
@pytest.mark.parametrize("compression", sorted(PACK))
def test_the_content_tells_the_compression_whatever_the_ending_says(read, ending, compression):
    packed = PACK[compression](b'{"a": 1}\n' * 100)
    expected = [record(line, a=1) for line in range(1, 101)]
    assert read("file.jsonl" + ending, packed) == expected


@pytest.mark.parametrize("compression", [one for one in sorted(PACK) if one])
def test_streams_packed_one_after_the_other_are_one_file(read, compression):
    first, second = (PACK[compression](b'{"a": %d}\n' % number) for number in (1, 2))
    content = [record(1, a=1), record(2, a=2)]
    assert read("file.jsonl" + compression, first + second) == content
    if compression != ".zst":
        # Zeros fill up what is written in blocks; xz has them in its specification.
        assert read("file.jsonl" + compression, first + bytes(8) + second + bytes(4)) == content


@pytest.mark.parametrize("compression", [".gz", ".bz2", ".xz"])
@pytest.mark.parametrize("damage", ["header", "middle", "garbage"])
def test_a_damaged_stream_behind_a_sound_one_is_a_fault(read, compression, damage):
    first, second = (PACK[compression](b'{"a": %d}\n' % number) for number in (1, 2))
    place = {"header": 0, "middle": len(second) // 2}.get(damage)
    broken = b"garbage" * 9
    if place is not None:
        broken = second[:place] + bytes([second[place] ^ 0xFF]) + second[place + 1 :]
    *before, last = read("file.jsonl" + compression, first + broken)
    assert before[0] == record(1, a=1)
    assert last == Fault(len(before) + 1, "compressed data ends early or is damaged")


def test_a_missing_file_stops_the_run(tmp_path):
    with pytest.raises(OSError):
        list(read_records(f"{tmp_path}/gone.jsonl", SMALL))


class FailingDisk(io.RawIOBase):
    """A file whose storage fails once its content is read."""

    def __init__(self, content: bytes = b"") -> None:
        self._content = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        if size := self._content.readinto(buffer):
            return size
        raise OSError(errno.EIO, "Input/output error")


@pytest.mark.parametrize("compression", sorted(PACK))
@pytest.mark.parametrize("lines", [1, 100_000])
def test_a_failing_disk_stops_the_run(compression, lines):
    packed = PACK[compression](b'{"a": 1}\n' * lines)[: -2 if compression else None]
    with pytest.raises(OSError, match=r"file\.jsonl cannot be read: Input/output error"):
        read_all(io.BufferedReader(FailingDisk(packed)))


def read_all(stream):
    with named("file.jsonl"):
        return list(read_content(open_content(stream, "file.jsonl", SMALL), SMALL))


def test_a_parquet_file_on_a_failing_disk_stops_the_run():
    with pytest.raises(OSError, match="Input/output error"):
        list(read_parquet(io.BufferedReader(FailingDisk()), 1024))


def test_csv_takes_quotes_newlines_and_blank_lines(read):
    content = b'\xef\xbb\xbf a ,b\r\n1,"x, ""y""\r\nz"\r\n\r\n2,\n'
    assert read("file.csv", content) == [record(2, a="1", b='x, "y"\nz'), record(5, a="2", b="")]


def test_tsv_is_split_at_tabs(read):
    assert read("file.tsv", b"a\tb\n1,0\t2\n") == [record(2, a="1,0", b="2")]


@pytest.mark.parametrize(
    ("row", "cause"),
    [
        (b"1", "fewer columns than the header"),
        (b"1,2,3", "more columns than the header"),
        (b'1,"2"x', "not valid CSV"),
        (b'1,"2', "not valid CSV"),
        (b"1,\xff", "not valid UTF-8: set ingest.encoding"),
        (b"1,\x00", "holds a NUL character"),
        (b" , ", "empty row"),
        (b",,,", "empty row"),
        (b"a,b", "header repeated"),
        (b"1," + b"x" * 1024, "longer than maximum_record_bytes"),
    ],
)
def test_a_row_that_cannot_be_read_is_one_fault(read, row, cause):
    assert read("file.csv", b"a,b\n1,2\n" + row + b"\n3,4\n") == [
        record(2, a="1", b="2"),
        Fault(3, cause),
        record(4, a="3", b="4"),
    ]


def test_an_unfinished_quote_at_the_end_is_one_fault(read):
    assert read("file.csv", b'a,b\n1,2\n3,"4') == [
        record(2, a="1", b="2"),
        Fault(3, "not valid CSV"),
    ]


def test_a_stray_quote_does_not_swallow_the_rows_below_it(read):
    rows = b"".join(b"%d,x\n" % number for number in range(500))
    records = read("file.csv", b'a,b\n7,"x\n' + rows)
    assert records[0] == Fault(2, "longer than maximum_record_bytes")
    assert records[1:] == [record(3 + number, a=str(number), b="x") for number in range(500)]


def test_a_long_line_inside_quotes_is_skipped_alone(read):
    content = b'a,b\n1,"x\n' + b"y" * 3000 + b"\n2,z\n"
    assert read("file.csv", content) == [
        Fault(2, "not valid CSV"),
        Fault(3, "longer than maximum_record_bytes"),
        record(4, a="2", b="z"),
    ]


def test_a_csv_field_may_be_longer_than_the_modules_own_limit(read):
    text = "x" * 200_000
    assert read("file.csv", f"a\n{text}\n".encode(), IngestSettings()) == [record(2, a=text)]


@pytest.mark.parametrize("header", [b"a,a", b"a, a", b'a,"b', b"a,\xff", b"a," + b"b" * 2000])
def test_a_file_without_a_sound_header_is_one_fault(read, header):
    fault = Fault(2, "header cannot be read or names a column twice")
    assert read("file.csv", b"\n" + header + b"\n1,2\n3,4\n") == [fault]


def write_parquet(tmp_path, table, **options) -> str:
    path = f"{tmp_path}/file.parquet"
    parquet.write_table(table, path, **options)
    return path


def test_parquet_rows_are_counted_from_1(tmp_path):
    table = pyarrow.table(
        {
            "author_id": [1, 2, None],
            "text": pyarrow.array([b"\xc3\xa9", None, b"x"], pyarrow.binary()),
            "timestamp": pyarrow.array([0, None, 1], pyarrow.timestamp("s")),
        }
    )
    assert list(read_records(write_parquet(tmp_path, table), SMALL)) == [
        record(1, author_id=1, text="é", timestamp=datetime(1970, 1, 1)),
        record(2, author_id=2, text=None, timestamp=None),
        record(3, author_id=None, text="x", timestamp=datetime(1970, 1, 1, 0, 0, 1)),
    ]


def fault_of(given: RawRecord | Fault) -> str:
    """The cause of a record of posts, be it the reader's or found when it is parsed."""
    if isinstance(given, Fault):
        return given.cause
    with pytest.raises(RecordError) as raised:
        parse_post(given.fields)
    return raised.value.cause


def test_a_parquet_row_that_cannot_be_read_is_one_fault(tmp_path):
    texts = pyarrow.array([b"ok", b"\xff\xfe", b"x" * 1025], pyarrow.binary())
    for column in (texts, texts.view(pyarrow.string())):
        table = pyarrow.table({"text": column, "author_id": ["a"] * 3})
        given = list(read_records(write_parquet(tmp_path, table), SMALL))
        assert [item.line for item in given] == [1, 2, 3]
        assert given[0] == record(1, text="ok", author_id="a")
        assert [fault_of(item) for item in given[1:]] == [
            "not valid UTF-8",
            "longer than maximum_record_bytes",
        ]


UUIDS = [UUID(int=number) for number in (5, 6)]


@pytest.mark.parametrize(
    ("ids", "read_as"),
    [
        (pyarrow.array([17, 18], pyarrow.uint64()), ["17", "18"]),
        (pyarrow.array([17.0, 18.0], pyarrow.float64()), ["17", "18"]),
        (pyarrow.array(numpy.array([17, 18], "float16")), ["17", "18"]),
        (pyarrow.array([Decimal("17.00"), Decimal(18)], pyarrow.decimal128(9, 2)), ["17", "18"]),
        (pyarrow.array([Decimal(10**50), None], pyarrow.decimal256(60, 0)), [f"{10**50}", None]),
        (pyarrow.array([u.bytes for u in UUIDS], pyarrow.uuid()), [str(u) for u in UUIDS]),
        (pyarrow.array([b"au1", b"au2"], pyarrow.binary(3)), ["au1", "au2"]),
        (pyarrow.array([b"au1\0\0", b"au234"], pyarrow.binary(5)), ["au1", "au234"]),
        (pyarrow.array([b"\x9f\x01", b"\0\x07"], pyarrow.binary(2)), ["9f01", "0007"]),
        (pyarrow.array([b"\x9f\x01", b"au2"], pyarrow.binary()), ["9f01", "au2"]),
        (pyarrow.array([b"\x9f\x01", b"au2"], pyarrow.large_binary()), ["9f01", "au2"]),
        (pyarrow.array(["au1", "au2"]).dictionary_encode(), ["au1", "au2"]),
        (pyarrow.array([b"\x9f\x01", b"au2"]).dictionary_encode(), ["9f01", "au2"]),
        (pyarrow.array(["au1", "au2"], pyarrow.large_string()), ["au1", "au2"]),
    ],
    ids=lambda value: str(getattr(value, "type", "")),
)
def test_ids_of_every_parquet_type_are_read(tmp_path, ids, read_as):
    table = pyarrow.table({"author_id": ids})
    records = read_records(write_parquet(tmp_path, table), SMALL)
    assert [read_id(item.fields["author_id"])[0] for item in records] == read_as


# COPY (SELECT UUIDS[0]::UUID AS author_id, 'x' AS text) TO ... (FORMAT parquet) of DuckDB 2.0:
# marked as a UUID by Parquet's own type, which Arrow does not write.
UUID_OF_DUCKDB = """
UEFSMRUAFSAVJCwVAhUAFQYVBgAAEDwAAAAAAAAAAAAAAAAAAAAFFQAVChUOLBUCFQAVBhUGAAAFEAEAAAB4FQIZPDUAGA1k
dWNrZGJfc2NoZW1hFQQAFQ4VIBUAGAlhdXRob3JfaWRs7AAAABUMJQAYBHRleHQlAAAWAhkcGSwmABwVDhkVABkYCWF1dGhv
cl9pZBUCFgIWQhZGJgg8GBAAAAAAAAAAAAAAAAAAAAAFGBAAAAAAAAAAAAAAAAAAAAAFFgAoEAAAAAAAAAAAAAAAAAAAAAUY
EAAAAAAAAAAAAAAAAAAAAAUREQAZHBUAFQAVAgAAACYAHBUMGRUAGRgEdGV4dBUCFgIWLBYwJk48GAF4GAF4FgAoAXgYAXgR
EQAZHBUAFQAVAgAAABZuFgImCBZ2ACgoRHVja0RCIHZlcnNpb24gdjIuMC4xIChidWlsZCA4ZDc4MTE0ZTkwKRksHAAAHAAA
ACoBAABQQVIx
"""


def test_a_uuid_is_one_whoever_wrote_the_parquet_file(read):
    content = base64.b64decode(UUID_OF_DUCKDB)
    assert read("file.parquet", content) == [record(1, author_id=UUIDS[0], text="x")]


def test_text_of_a_dictionary_of_bytes_is_text(tmp_path):
    values = pyarrow.array([b"au1", b"\xff", b"au1"]).dictionary_encode()
    table = pyarrow.table({"author_id": ["a"] * 3, "text": values})
    given = list(read_records(write_parquet(tmp_path, table), SMALL))
    assert [given[place].fields["text"] for place in (0, 2)] == ["au1", "au1"]
    assert fault_of(given[1]) == "not valid UTF-8"


@pytest.mark.parametrize("zone", ["Mars/Base", "x", "+99:99"])
def test_a_time_zone_that_nobody_knows_costs_the_time_alone(tmp_path, zone):
    times = pyarrow.array([1, None], pyarrow.timestamp("us", zone))
    table = pyarrow.table({"author_id": ["a", "b"], "text": ["x", "y"], "timestamp": times})
    records = read_records(write_parquet(tmp_path, table), SMALL)
    assert [parse_post(item.fields) for item in records] == [
        Post("a", "x", notes=(Note("timestamp not readable"),)),
        Post("b", "y"),
    ]


def test_a_parquet_value_that_cannot_be_read_costs_the_field_alone(tmp_path):
    table = pyarrow.table(
        {
            "author_id": ["a", "b"],
            "text": ["x", "y"],
            "timestamp": pyarrow.array([2**62, 1_000_000], pyarrow.timestamp("us")),
            "picture": [b"\x89PNG\xff", b"\xff\xd8"],
        }
    )
    records = read_records(write_parquet(tmp_path, table), SMALL)
    assert [parse_post(item.fields) for item in records] == [
        Post("a", "x", notes=(Note("timestamp not readable"),)),
        Post("b", "y", time_microseconds=1_000_000),
    ]


def test_a_damaged_parquet_file_gives_the_rows_before_the_break(tmp_path):
    texts = [f"post {number}" for number in range(2000)]
    path = write_parquet(tmp_path, pyarrow.table({"text": texts}), row_group_size=1000)
    start = parquet.ParquetFile(path).metadata.row_group(1).column(0).dictionary_page_offset
    with open(path, "r+b") as file:
        file.seek(start)
        file.write(b"\x00" * 500)
    *before, last = read_records(path, SMALL)
    assert before == [record(row + 1, text=f"post {row}") for row in range(1000)]
    assert last == Fault(1001, "not readable as Parquet")


@pytest.mark.parametrize("compression", [one for one in sorted(PACK) if one])
def test_compressed_parquet_that_is_cut_short_is_refused_in_words(tmp_path, read, compression):
    digits = random.Random(7)
    table = pyarrow.table({"text": [str(digits.getrandbits(256)) for _ in range(15_000)]})
    with open(write_parquet(tmp_path, table), "rb") as file:
        packed = PACK[compression](file.read())
    with pytest.raises(SourceError, match=r"is compressed Parquet, .* ends early or is damaged"):
        read("file.parquet" + compression, packed[: len(packed) * 9 // 10])


@pytest.mark.parametrize("content", [b"x", b"PAR1" * 10, b'{"a": 1}\n' * 50])
def test_a_file_that_is_not_parquet_is_one_fault(read, content):
    assert read("file.parquet", content) == [Fault(1, "not readable as Parquet")]


def test_a_repeated_parquet_column_makes_the_file_one_fault(tmp_path):
    column = pyarrow.array(["x"])
    table = pyarrow.Table.from_arrays([column, column], names=["text", "text"])
    fault = Fault(1, "header cannot be read or names a column twice")
    assert list(read_records(write_parquet(tmp_path, table), SMALL)) == [fault]


def test_a_parquet_column_whose_name_is_not_utf8_makes_the_file_one_fault(tmp_path):
    table = pyarrow.table({"author_id": ["a"], "name": ["x"]})
    path = write_parquet(tmp_path, table, store_schema=False)
    with open(path, "rb") as file:
        content = file.read()
    with open(path, "wb") as file:
        file.write(content.replace(b"name", b"nam\xff"))
    fault = Fault(1, "header cannot be read or names a column twice")
    assert list(read_records(path, SMALL)) == [fault]


NO_NUL = st.characters(exclude_characters="\0")
LINES = {
    b'{"n": 0}': "record",
    b'{"author_id": "a", "text": "t"}': "record",
    b'{"n": 1}': "record",
    b"": "nothing",
    b" \t": "nothing",
    b"\xff\x00\xfe": "fault",
    b"\x00": "fault",
    b'{"a": 1': "fault",
    b"12": "fault",
    b"y" * 1500: "fault",
}


@given(st.lists(st.sampled_from(list(LINES))), st.sampled_from(sorted(PACK)), st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_each_line_of_json_lines_is_one_record_or_one_fault(read, lines, compression, crlf):
    # A first line tells the format; what is no text from its start is refused as a whole.
    lines = [b'{"n": 0}', *lines]
    content = (b"\r\n" if crlf else b"\n").join(lines)
    expected = [
        (place + 1, LINES[line]) for place, line in enumerate(lines) if LINES[line] != "nothing"
    ]
    given = read("file.jsonl" + compression, PACK[compression](content))
    assert [
        (item.line, "fault" if isinstance(item, Fault) else "record") for item in given
    ] == expected


@given(
    st.lists(
        st.lists(st.text(st.characters(exclude_characters="\0")), min_size=2, max_size=2),
        max_size=5,
    ),
    st.sampled_from([",", "\t"]),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_survives_csv(read, rows, delimiter):
    quoted = ([f'"{field.replace(chr(34), chr(34) * 2)}"' for field in row] for row in rows)
    content = "\n".join(["a" + delimiter + "b", *(delimiter.join(row) for row in quoted)])
    given = read("file.csv" if delimiter == "," else "file.tsv", content.encode("utf-8", "replace"))
    expected = [
        {"a": first.replace("\r\n", "\n"), "b": second.replace("\r\n", "\n")}
        if (first + second).strip()
        else "empty row"
        for first, second in (
            [field.encode("utf-8", "replace").decode() for field in row] for row in rows
        )
    ]
    found = [item.cause if isinstance(item, Fault) else item.fields for item in given]
    assert found == expected


@given(
    st.binary(max_size=3000),
    st.sampled_from([".jsonl", ".csv", ".tsv", ".jsonl.gz", ".csv.bz2", ".csv.xz", ".parquet"]),
    st.booleans(),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_garbage_stops_a_reader_or_counts_twice(read, content, ending, is_packed):
    compression = "." + ending.split(".")[2] if ending.count(".") == 2 else ""
    try:
        given = read("file" + ending, PACK[compression](content) if is_packed else content)
    except SourceError as error:
        # What no line of is text is refused as a whole.
        assert re.search(r"file\S+ (holds NUL|is )", str(error))
        return
    lines = [item.line for item in given]
    assert lines == sorted(set(lines))
    assert all(line >= 1 for line in lines)

"""Raw fields to posts, labels and splits."""

import re
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from functools import partial
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas import NaT

from components.heads.declared import parse_heads
from components.ingest import times
from components.ingest.ids import INEXACT
from components.ingest.lines import Unreadable
from components.ingest.records import (
    Label,
    Note,
    Post,
    RecordError,
    parse_label,
    parse_post,
    split_of,
)
from components.ingest.settings import UNKNOWN, IngestSettings, SplitSettings
from components.ingest.times import TimeError, read_time

HEADS = parse_heads(
    {"age": {"kind": "regression"}, "income": {"kind": "classes"}, "gender": {"kind": "binary"}}
)

COMMA = "age is not a number: it has a comma; write decimals with a point, thousands without a mark"
ALIKE = "missing: a field is named so but for capitals or spaces, which count"
CODED = parse_heads(
    {
        "band": {"kind": "classes", "given_as": "group"},
        "smoker": {"kind": "binary", "positive": True, "negative": False},
    }
)


def cause_of(parse, *arguments) -> str:
    with pytest.raises(RecordError) as raised:
        parse(*arguments)
    return raised.value.cause


def test_a_post_holds_its_fields():
    raw = {"author_id": "a", "text": " hi ", "post_id": 5, "timestamp": "1970-01-01T00:00:01Z"}
    assert parse_post(raw) == Post("a", " hi ", "5", 1_000_000)


NORMALISED = (Note("author_id normalised"),)


@pytest.mark.parametrize(
    ("given", "author_id", "notes"),
    [
        (17, "17", ()),
        ("17", "17", ()),
        ("017", "017", ()),
        ("1e3", "1e3", ()),
        ("17.5", "17.5", ()),
        ("v1.0", "v1.0", ()),
        ("Ash", "Ash", ()),
        (9_007_199_254_740_993, "9007199254740993", ()),
        pytest.param(10**400, f"1{'0' * 400}", (), id="a number too large for a float"),
        (UUID(int=5), "00000000-0000-0000-0000-000000000005", ()),
        (b"\x9f\x01" * 8, "9f01" * 8, ()),
        (17.0, "17", NORMALISED),
        (1e3, "1000", NORMALISED),
        ("17.0", "17", NORMALISED),
        ("017.000", "017", NORMALISED),
        ("-5.0", "-5", NORMALISED),
        ("9007199254740991.0", "9007199254740991", NORMALISED),
        (Decimal("17.00"), "17", NORMALISED),
        (" au1", "au1", NORMALISED),
        ("\ufeffau1\xa0\t", "au1", NORMALISED),
    ],
)
def test_an_id_is_one_however_files_write_it_and_what_is_changed_is_noted(given, author_id, notes):
    post = parse_post({"author_id": given, "text": "x"})
    assert (post.author_id, post.notes) == (author_id, notes)
    label = parse_label({"author_id": given}, HEADS)
    assert (label.author_id, label.notes) == (author_id, notes)
    assert parse_post({"author_id": "a", "text": "x", "post_id": given}).post_id == author_id


@pytest.mark.parametrize(
    ("raw", "cause"),
    [
        ({"text": "x"}, "author_id missing"),
        ({"author_id": None, "text": "x"}, "author_id missing"),
        ({"author_id": " ", "text": "x"}, "author_id missing"),
        ({"author_id": True, "text": "x"}, "author_id is neither text nor a whole number"),
        ({"author_id": 1.5, "text": "x"}, "author_id is neither text nor a whole number"),
        ({"author_id": float("nan"), "text": "x"}, "author_id missing"),
        ({"author_id": "\u200b\xa0", "text": "x"}, "author_id missing"),
        ({"author_id": float("inf"), "text": "x"}, "author_id is neither text nor a whole number"),
        (
            {"author_id": Decimal("1.5"), "text": "x"},
            "author_id is neither text nor a whole number",
        ),
        ({"author_id": 2.0**53, "text": "x"}, f"author_id {INEXACT}"),
        ({"author_id": "9007199254740993.0", "text": "x"}, f"author_id {INEXACT}"),
        ({"author_id": Unreadable("not valid UTF-8"), "text": "x"}, "not valid UTF-8"),
        ({"author_id": "a\ud800", "text": "x"}, "author_id is not valid Unicode"),
        ({"author_id": "a"}, "text missing"),
        ({"author_id": "a", "Text": "x"}, f"text {ALIKE}"),
        ({"Author_Id ": "a", "text": "x"}, f"author_id {ALIKE}"),
        ({"author_id": "a", "text": float("nan")}, "text missing"),
        ({"author_id": "a", "text": 3}, "text is not a string"),
        ({"author_id": "a", "text": b"\xff"}, "not valid UTF-8"),
        ({"author_id": "a", "text": Unreadable("not valid UTF-8")}, "not valid UTF-8"),
        ({"author_id": "a", "text": "\n\t "}, "empty text"),
        ({"author_id": "a", "text": "\ud83d"}, "text is not valid Unicode"),
        (
            {"author_id": "a", "text": "x", "post_id": [1]},
            "post_id is neither text nor a whole number",
        ),
    ],
)
def test_a_post_that_cannot_be_used_says_why(raw, cause):
    assert cause_of(parse_post, raw) == cause


@pytest.mark.parametrize(
    ("timestamp", "microseconds"),
    [
        ("1970-01-02T00:00:00Z", 86_400_000_000),
        ("1970-01-01T01:00:00.5+01:00", 500_000),
        ("1969-12-31t19:00:00-05:00", 0),
        ("1970-01-01 00:00:00.0000019z", 1),
        ("1970-01-01T00:00:60Z", 60_000_000),
        ("0001-01-01T00:00:00+23:59", -62_135_683_140_000_000),
        (datetime(1970, 1, 1, 2, tzinfo=timezone(timedelta(hours=1))), 3_600_000_000),
        (datetime(1970, 1, 1, 2), 7_200_000_000),
        ("", None),
        (None, None),
    ],
)
def test_timestamps_count_microseconds_in_utc(timestamp, microseconds):
    post = parse_post({"author_id": "a", "text": "x", "timestamp": timestamp})
    assert post.time_microseconds == microseconds


@pytest.mark.parametrize(
    "timestamp",
    [
        "yesterday",
        "03/02/2024",
        "1970-02-30T00:00:00Z",
        "1970-01-01T24:00:00Z",
        "1970-01-01T00:00:00+24:00",
        "1970-01-01T00:00:00+00:60",
        "1970-01-01T00:00:00Z\nx",
        "Sat Foo 02 16:05:00 2024",
        "20240302160500",
        4_102_444_800,
        10**30,
        float("inf"),
        True,
        [1],
        b"\xff",
        Unreadable("a value cannot be read"),
    ],
)
def test_a_timestamp_that_cannot_be_read_costs_the_time_and_is_noted(timestamp):
    raw = {"author_id": "a", "text": "x", "timestamp": timestamp}
    assert parse_post(raw) == Post("a", "x", notes=(Note("timestamp not readable"),))


# 1,709,395,500 s: 2024-03-02 16:05 in UTC, as `date -d @1709395500` gives it.
MARCH = 1_709_395_500_000_000


@pytest.mark.parametrize(
    "timestamp",
    [
        "2024-03-02T16:05:00",
        "2024-03-02 16:05",
        " 2024-03-02T17:05:00+0100 ",
        "2024-03-02T17:05:00+01",
        "2024-03-02 16:05:00 +0000",
        "2024-03-02 16:05:00 UTC",
        "2024-03-02T16:05:00,000Z",
        "20240302T160500Z",
        "Sat, 02 Mar 2024 17:05:00 +0100",
        "2 Mar 2024 16:05:00 GMT",
        "Sat Mar 02 16:05:00 +0000 2024",
        "Sat Mar  2 16:05:00 2024",
        1_709_395_500,
        1_709_395_500.0,
        Decimal("1709395500"),
        "1709395500",
        "1.7093955e9",
        1_709_395_500_000,
        "1709395500000",
        1_709_395_500_000_000,
        1_709_395_500_000_000_000,
    ],
)
def test_common_forms_of_a_time_are_read(timestamp):
    raw = {"author_id": "a", "text": "x", "timestamp": timestamp}
    assert parse_post(raw) == Post("a", "x", time_microseconds=MARCH)


@pytest.mark.parametrize("timestamp", ["2024-03-02", "20240302", 20240302, date(2024, 3, 2)])
def test_a_date_alone_is_its_midnight(timestamp):
    post = parse_post({"author_id": "a", "text": "x", "timestamp": timestamp})
    assert post == Post("a", "x", time_microseconds=1_709_337_600_000_000)


@pytest.mark.parametrize(
    ("timestamp", "hours"),
    [
        ("2024-03-02T16:05:00", 1),
        ("2024-07-02 16:05", 2),
        ("2024-07-02", 2),
        (date(2024, 7, 2), 2),
        (datetime(2024, 7, 2, 16, 5), 2),
        ("Tue Jul  2 16:05:00 2024", 2),
        ("2024-07-02T16:05:00Z", 0),
        ("2024-07-02T16:05:00+09:00", 9),
        (1_709_395_500, 0),
    ],
)
def test_a_time_without_a_zone_is_of_the_zone_that_is_set(timestamp, hours):
    raw = {"author_id": "a", "text": "x", "timestamp": timestamp}
    berlin = parse_post(raw, IngestSettings(timezone="Europe/Berlin")).time_microseconds
    local = {"timestamp": str(timestamp).removesuffix("Z").removesuffix("+09:00")}
    assert parse_post(raw | local).time_microseconds - berlin == hours * 3_600_000_000


@pytest.mark.parametrize("name", ["Mars/Base", "", "Europe", "../UTC", "/etc/passwd", "x" * 300])
def test_a_zone_that_does_not_exist_is_refused(name):
    with pytest.raises(ValueError, match="must be a name of the IANA database"):
        IngestSettings(timezone=name)


@pytest.mark.parametrize("zone", ["", "Z", "+00:00", "-05:30", "+23:59", "+24:00", "+05:60"])
@pytest.mark.parametrize("part", ["", ".1", ".000001", ".123456", ".1234567"])
@pytest.mark.parametrize(
    "local",
    [
        "2024-03-02T16:05:00",
        "2024-03-31 02:30:00",
        "2016-12-31T23:59:60",
        "2024-02-30T00:00:00",
        "2024-03-02T24:00:00",
        "0001-01-01T00:00:00",
        "9999-12-31T23:59:59",
    ],
)
def test_the_usual_form_of_a_time_is_read_as_all_forms_are(monkeypatch, local, part, zone):
    def read() -> int | None:
        try:
            return read_time(f"{local}{part}{zone}", ZoneInfo("Europe/Berlin"))
        except TimeError:
            return None

    at_once = read()
    monkeypatch.setattr(times, "_USUAL", re.compile("nothing"))
    assert at_once == read()


@pytest.mark.parametrize("listed", ["1970-01-01T00:00:00Z", "0001-01-01 00:00:00"])
def test_a_time_that_is_listed_as_unknown_is_unknown(listed):
    settings = IngestSettings(unknown=[listed])
    assert parse_post({"author_id": "a", "text": "x", "timestamp": listed}, settings) == Post(
        "a", "x"
    )


@pytest.mark.parametrize(
    "timestamp", ["NaT", "nan", "NULL", "n/a", float("nan"), NaT, " ", "\u200b"]
)
def test_an_unknown_timestamp_is_none_and_no_note(timestamp):
    assert parse_post({"author_id": "a", "text": "x", "timestamp": timestamp}) == Post("a", "x")


@given(st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2200, 1, 1)))
def test_timestamps_agree_with_the_standard_library(moment):
    moment = moment.replace(tzinfo=UTC)
    raw = {"author_id": "a", "text": "x", "timestamp": moment.isoformat()}
    expected = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert parse_post(raw).time_microseconds == expected


def test_absent_empty_and_null_labels_are_unknown():
    raw = {"author_id": "a", "age": "", "income": None}
    assert parse_label(raw, HEADS) == Label("a", (None, None, None))


@pytest.mark.parametrize(
    "spelling",
    [
        "NA",
        "n/a",
        "#N/A",
        "<NA>",
        "NaN",
        "nan",
        "NULL",
        "None",
        "?",
        " - ",
        "ＮＡ",
        float("nan"),
        Decimal("NaN"),
    ],
)
def test_a_spelling_of_unknown_is_unknown_to_every_head_and_noted(spelling):
    label = parse_label({"author_id": "a", "age": spelling, "gender": spelling}, HEADS)
    assert label == Label(
        "a",
        (None, None, None),
        (Note("spelt as unknown", "age"), Note("spelt as unknown", "gender")),
    )


@pytest.mark.parametrize("post_id", ["", "NaN", "null", "None", float("nan"), None])
def test_an_unknown_post_id_is_none_so_that_it_repeats_no_other(post_id):
    assert parse_post({"author_id": "a", "text": "x", "post_id": post_id}) == Post("a", "x")


@pytest.mark.parametrize("given", ["keine  angabe", *UNKNOWN])
@pytest.mark.parametrize("listed", ["Keine Angabe", "-1"])
def test_spellings_of_unknown_that_are_set_come_beside_the_usual_ones(listed, given):
    settings = IngestSettings(unknown=[listed, "Keine Angabe"])
    label = parse_label({"author_id": "a", "age": given, "gender": given}, HEADS, settings)
    assert label.values == (None, None, None)
    assert label.notes == (Note("spelt as unknown", "age"), Note("spelt as unknown", "gender"))
    with pytest.raises(RecordError, match="age is not a number"):
        parse_label({"author_id": "a", "age": "keine Angabe"}, HEADS)


@pytest.mark.parametrize("declared", ["NA", "-1"])
def test_a_value_that_a_binary_head_declares_wins_over_what_is_set(declared):
    heads = parse_heads({"one": {"kind": "binary", "positive": declared, "negative": "b"}})
    settings = IngestSettings(unknown=["na", -1])
    assert parse_label({"author_id": "a", "one": declared}, heads, settings).values == (declared,)


@pytest.mark.parametrize("given", [-1, -1.0, Decimal("-1.00"), "-1", "-1.0", " -1 "])
@pytest.mark.parametrize("listed", [-1, -1.0, "-1", "-1.0"])
def test_a_number_may_stand_for_unknown_and_compares_as_one(listed, given):
    settings = IngestSettings.model_validate({"unknown": [listed, None]})
    label = parse_label({"author_id": "a", "age": given, "gender": given}, HEADS, settings)
    assert label.values == (None, None, None)
    assert label.notes == (Note("spelt as unknown", "age"), Note("spelt as unknown", "gender"))
    assert parse_label({"author_id": "a", "age": 1}, HEADS, settings).values[0] == 1.0
    assert settings.unknown[1] == "null"
    assert IngestSettings.model_validate_json(settings.model_dump_json()) == settings
    raw = {"author_id": "a", "text": "x", "timestamp": given}
    assert parse_post(raw, settings) == Post("a", "x")


@pytest.mark.parametrize(
    ("declared", "given"), [("NA", "na"), ("none", "None"), ("?", "?"), ("-", " -")]
)
def test_a_declared_value_is_no_spelling_of_unknown(declared, given):
    heads = parse_heads({"region": {"kind": "binary", "positive": declared, "negative": "EU"}})
    assert parse_label({"author_id": "a", "region": given}, heads) == Label("a", (declared,))


def test_a_third_value_is_noted_by_a_digest_that_is_the_same_for_the_same_value():
    one, same, other = (
        parse_label({"author_id": "a", "gender": value}, HEADS).notes
        for value in ("unstated", " Unstated", "other")
    )
    assert one == same != other
    assert one == (Note("neither of its two values", "gender", one[0].digest),)


@pytest.mark.parametrize("digits", ["1" * 1_100_000, "9" * 1_100_000 + ".5", "1e9999", "0e-9999"])
def test_a_third_value_may_be_a_number_of_any_length(digits):
    (note,) = parse_label({"author_id": "a", "gender": digits}, HEADS).notes
    assert note.what == "neither of its two values"


def test_a_label_holds_a_value_for_each_head():
    raw = {"author_id": 7, "age": "41", "income": 50_000, "gender": "male"}
    assert parse_label(raw, HEADS) == Label("7", (41.0, 50_000.0, "male"))


@pytest.mark.parametrize(
    ("raw", "cause"),
    [
        ({"age": 3}, "author_id missing"),
        ({"author_id": "a", "age": "old"}, "age is not a number"),
        ({"author_id": "a", "age": "4_1"}, "age is not a number"),
        ({"author_id": "a", "age": "41,5"}, COMMA),
        ({"author_id": "a", "age": " -41,5 "}, COMMA),
        ({"author_id": "a", "age": "４１，５"}, COMMA),
        ({"author_id": "a", "age": "41,500"}, COMMA),
        ({"author_id": "a", "age": "1.234.567,8"}, COMMA),
        ({"author_id": "a", "age": "41, male"}, "age is not a number"),
        ({"author_id": "a", "age": ","}, "age is not a number"),
        ({"Author_ID": "a", "age": 41}, f"author_id {ALIKE}"),
        ({"AUTHOR ID": "a", "age": 41}, f"author_id {ALIKE}"),
        ({"author_id": "", "Author_ID": "a", "age": 41}, "author_id missing"),
        ({"author_id": "a", "age": "inf"}, "age is not a finite number"),
        ({"author_id": "a", "age": True}, "age is not a number"),
        ({"author_id": "a", "age": Unreadable("a value cannot be read")}, "a value cannot be read"),
        ({"author_id": "a", "income": 1e39}, "income is too large a number"),
        ({"author_id": "a", "gender": ["f"]}, "gender is neither text, a number nor a boolean"),
    ],
)
def test_a_label_that_cannot_be_used_says_why(raw, cause):
    assert cause_of(parse_label, raw, HEADS) == cause


def test_a_group_number_beyond_int64_is_a_fault():
    heads = parse_heads({"band": {"kind": "classes", "given_as": "group"}})
    assert cause_of(parse_label, {"author_id": "a", "band": 1e30}, heads) == (
        "band is too large a number"
    )


# First 8 bytes as `printf alice | b2sum -l 64` gives them: 4dea..., of 2^64 a share of 0.304.
@pytest.mark.parametrize(
    ("author_id", "split"),
    [
        ("alice", "train"),  # 4deaec0cce54da89: 0.304
        ("bob", "train"),  # 0.457
        ("ivan", "eval"),  # 0.837
        ("7", "test"),  # 0.904
        ("日本", "test"),  # 0.907
    ],
)
def test_an_authors_split_never_changes(author_id, split):
    assert split_of(author_id, SplitSettings()) == split


ANY_VALUE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.text(st.characters()),
    st.binary(max_size=20),
    st.uuids(),
    st.datetimes(timezones=st.none() | st.timezones()),
    st.dates(),
    st.times(),
    st.timedeltas(),
    st.lists(st.integers(), max_size=2),
    st.just(Unreadable("a value cannot be read")),
    st.from_regex(r"[+-]?[0-9]{1,400}(\.[0-9]{0,9})?(e[+-]?[0-9]{1,9})?", fullmatch=True),
)
INT64 = range(-(2**63), 2**63)


@given(ANY_VALUE, ANY_VALUE, ANY_VALUE)
@settings(max_examples=100)
def test_whatever_a_field_holds_is_read_or_a_fault_of_its_record(author_id, value, other):
    for parse, raw in (
        (parse_post, {"author_id": author_id, "text": "x", "post_id": other, "timestamp": value}),
        (parse_post, {"author_id": "a", "text": other, "timestamp": value}),
        (partial(parse_label, heads=HEADS), {"author_id": "a", "age": value, "gender": other}),
        (partial(parse_label, heads=CODED), {"author_id": "a", "band": value, "smoker": other}),
    ):
        try:
            parsed = parse(raw)
        except RecordError as error:
            assert error.cause.isascii()
            continue
        parsed.author_id.encode()
        if isinstance(parsed, Post):
            assert parsed.time_microseconds is None or parsed.time_microseconds in INT64
        else:
            assert all(value is None or value == value for value in parsed.values)


README = Path(__file__).parents[3] / "data/README.md"


def documented(row: str) -> list[list[str]]:
    """What stands in backticks in the cells "read" and "not read" of a row."""
    (line,) = (one for one in README.read_text().splitlines() if one.startswith(f"| {row} |"))
    return [re.findall("`([^`]+)`", cell) for cell in line.split(" | ")[1:]]


def test_the_documented_spellings_of_unknown_are_the_default():
    read, _ = documented("unknown label, time or `post_id`")
    assert read[:-1] == list(UNKNOWN)
    assert read[-1] == "ingest.unknown"


def test_the_documented_forms_of_a_time_are_read_and_the_others_are_not():
    read, not_read = documented("time")
    forms = [one for one in read if one[0].isdigit() or one.startswith("Sat")]
    assert len(forms) >= 3
    for form in forms + not_read:
        post = parse_post({"author_id": "a", "text": "x", "timestamp": form})
        assert (post.time_microseconds is None) == (form in not_read), form


def test_splits_take_their_shares():
    splits = [split_of(f"author-{number}", SplitSettings()) for number in range(20_000)]
    shares = {name: splits.count(name) / len(splits) for name in ("train", "eval", "test")}
    assert shares == pytest.approx({"train": 0.8, "eval": 0.1, "test": 0.1}, abs=0.01)


@given(st.integers())
def test_an_authors_split_is_one_whether_the_id_is_a_number_or_text(number):
    splits = {
        split_of(parse_post({"author_id": author_id, "text": "x"}).author_id, SplitSettings())
        for author_id in (number, str(number))
    }
    assert len(splits) == 1

"""Raw fields to posts, labels and splits."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.heads import parse_heads
from components.ingest.records import (
    Label,
    Post,
    RecordError,
    parse_label,
    parse_post,
    split_of,
)
from components.ingest.settings import SplitSettings

HEADS = parse_heads(
    {"age": {"kind": "regression"}, "income": {"kind": "classes"}, "gender": {"kind": "binary"}}
)


def cause_of(parse, *arguments) -> str:
    with pytest.raises(RecordError) as raised:
        parse(*arguments)
    return raised.value.cause


def test_a_post_holds_its_fields():
    raw = {"author_id": "a", "text": " hi ", "post_id": 5, "timestamp": "1970-01-01T00:00:01Z"}
    assert parse_post(raw) == Post("a", " hi ", "5", 1_000_000)


def test_whole_numbers_are_ids_in_decimal_text():
    assert parse_post({"author_id": 12, "text": "x"}).author_id == "12"


@pytest.mark.parametrize(
    ("raw", "cause"),
    [
        ({"text": "x"}, "author_id missing"),
        ({"author_id": None, "text": "x"}, "author_id missing"),
        ({"author_id": " ", "text": "x"}, "author_id missing"),
        ({"author_id": True, "text": "x"}, "author_id is neither text nor a whole number"),
        ({"author_id": 1.0, "text": "x"}, "author_id is neither text nor a whole number"),
        ({"author_id": "a\ud800", "text": "x"}, "author_id is not valid Unicode"),
        ({"author_id": "a"}, "text missing"),
        ({"author_id": "a", "text": 3}, "text is not a string"),
        ({"author_id": "a", "text": "\n\t "}, "empty text"),
        ({"author_id": "a", "text": "\ud83d"}, "text is not valid Unicode"),
        (
            {"author_id": "a", "text": "x", "post_id": [1]},
            "post_id is neither text nor a whole number",
        ),
        ({"author_id": "a", "text": "x", "timestamp": "yesterday"}, "timestamp is not RFC 3339"),
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
        "1970-01-01T00:00:00",
        "1970-01-01",
        "1970-02-30T00:00:00Z",
        "1970-01-01T24:00:00Z",
        "1970-01-01T00:00:00+24:00",
        "1970-01-01T00:00:00+00:60",
        "1970-01-01T00:00:00Z\nx",
        1_700_000_000,
    ],
)
def test_other_timestamps_are_faults(timestamp):
    raw = {"author_id": "a", "text": "x", "timestamp": timestamp}
    assert cause_of(parse_post, raw) == "timestamp is not RFC 3339"


@given(st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2200, 1, 1)))
def test_timestamps_agree_with_the_standard_library(moment):
    moment = moment.replace(tzinfo=UTC)
    raw = {"author_id": "a", "text": "x", "timestamp": moment.isoformat()}
    expected = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert parse_post(raw).time_microseconds == expected


def test_absent_empty_and_null_labels_are_unknown():
    raw = {"author_id": "a", "age": "", "income": None}
    assert parse_label(raw, HEADS) == Label("a", (None, None, None))


def test_a_label_holds_a_value_for_each_head():
    raw = {"author_id": 7, "age": "41", "income": 50_000, "gender": "male"}
    assert parse_label(raw, HEADS) == Label("7", (41.0, 50_000.0, "male"))


@pytest.mark.parametrize(
    ("raw", "cause"),
    [
        ({"age": 3}, "author_id missing"),
        ({"author_id": "a", "age": "old"}, "age is not a number"),
        ({"author_id": "a", "age": "nan"}, "age is not a finite number"),
        ({"author_id": "a", "income": 1e39}, "income is too large a number"),
        ({"author_id": "a", "gender": ["f"]}, "gender is neither text nor a number"),
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

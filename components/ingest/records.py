"""Posts and labels: one raw record in, one typed record or the reason why not out.

Enters: a mapping as a reader gives it (JSON values, CSV text, Parquet values). Leaves: a `Post` or
a `Label`, or a `RecordError` whose cause is a short stable text that never quotes the record.
Called by `join` for each record. Knows nothing of TFX, Beam or TensorFlow.

| field | post | label | accepted |
|---|---|---|---|
| author_id | required | required | text that is not blank, or a whole number, as decimal text |
| text | required | | text that is not blank |
| post_id | optional | | text or a whole number |
| timestamp | optional | | RFC 3339 text; a Parquet timestamp (UTC where it names no zone) |
| a head's field | | optional | what the head reads; absent, empty or null is unknown |
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from components.heads import LabelError, LabelValue
from components.ingest.settings import SplitSettings

Split = Literal["train", "eval", "test"]
SPLITS: tuple[Split, ...] = ("train", "eval", "test")

_EPOCH = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)
_RFC_3339 = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?"
    r"(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))"
)
_LARGEST_FLOAT32 = 3.4028234663852886e38
_LARGEST_INT64 = 2**63 - 1


class RecordError(ValueError):
    """A record that cannot be used; `cause` is a short stable text without the record's content."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


@dataclass(frozen=True, slots=True)
class Post:
    """One post. `time_microseconds` counts from 1970 in UTC; None where no timestamp is given."""

    author_id: str
    text: str
    post_id: str | None = None
    time_microseconds: int | None = None


@dataclass(frozen=True, slots=True)
class Label:
    """What is known of one author: a value for each declared head, in their order, or None."""

    author_id: str
    values: tuple[LabelValue | None, ...]


def parse_post(raw: Mapping[str, Any]) -> Post:
    """A post from its raw fields.

    Example:
        {"author_id": 7, "text": "hi", "timestamp": "1970-01-01T00:00:01Z"}
        -> Post(author_id="7", text="hi", post_id=None, time_microseconds=1000000)

    Raises:
        RecordError: a required field is missing or a field has the wrong form.
    """
    author_id = _parse_id(raw, "author_id")
    if author_id is None:
        raise RecordError("author_id missing")
    return Post(
        author_id=author_id,
        text=_parse_text(raw.get("text")),
        post_id=_parse_id(raw, "post_id"),
        time_microseconds=_parse_time(raw.get("timestamp")),
    )


def parse_label(raw: Mapping[str, Any], heads: tuple[Any, ...]) -> Label:
    """An author's label values from the raw fields, one for each head.

    Example:
        {"author_id": "a", "age": "41", "gender": ""} with heads age, gender
        -> Label(author_id="a", values=(41.0, None))

    Raises:
        RecordError: author_id is missing or a head's field has the wrong form.
    """
    author_id = _parse_id(raw, "author_id")
    if author_id is None:
        raise RecordError("author_id missing")
    return Label(author_id, tuple(_parse_value(raw.get(head.field), head) for head in heads))


def split_of(author_id: str, splits: SplitSettings) -> Split:
    """The split of an author, from the hash of the id alone: the same in every run and process.

    The first 8 bytes of BLAKE2b (RFC 7693) of the id, as a share of all there are, fall into the
    share of `train`, `eval` or `test`, in this order.
    """
    digest = hashlib.blake2b(author_id.encode(), digest_size=8).digest()
    share = int.from_bytes(digest, "big") / 2**64
    if share < splits.train:
        return "train"
    return "eval" if share < splits.train + splits.eval else "test"


def _parse_id(raw: Mapping[str, Any], field: str) -> str | None:
    value = raw.get(field)
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise RecordError(f"{field} is neither text nor a whole number")
    if not value.strip():
        return None
    return _checked_unicode(value, field)


def _parse_text(value: Any) -> str:
    if value is None:
        raise RecordError("text missing")
    if not isinstance(value, str):
        raise RecordError("text is not a string")
    if not value.strip():
        raise RecordError("empty text")
    return _checked_unicode(value, "text")


def _checked_unicode(value: str, field: str) -> str:
    # JSON can spell half of a surrogate pair ("\ud800"), which no encoding can write.
    try:
        value.encode()
    except UnicodeEncodeError:
        raise RecordError(f"{field} is not valid Unicode") from None
    return value


def _parse_value(value: Any, head: Any) -> LabelValue | None:
    try:
        parsed: LabelValue | None = head.parse(value)
    except LabelError as error:
        raise RecordError(str(error)) from None
    # Examples hold float32 and int64: a larger number would turn infinite or stop the run there.
    largest = _LARGEST_FLOAT32 if isinstance(parsed, float) else _LARGEST_INT64
    if isinstance(parsed, float | int) and abs(parsed) > largest:
        raise RecordError(f"{head.field} is too large a number")
    return parsed


def _parse_time(value: Any) -> int | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, datetime):
        return _microseconds_of(value)
    match = _RFC_3339.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise RecordError("timestamp is not RFC 3339")
    return _microseconds(match)


def _microseconds_of(value: datetime) -> int:
    try:
        naive = value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)
        return int((naive - _EPOCH) // _MICROSECOND)
    except (OverflowError, ValueError):
        raise RecordError("timestamp is out of range") from None


def _microseconds(match: re.Match[str]) -> int:
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    fraction, sign, offset_hours, offset_minutes = match.groups()[6:]
    offset = timedelta(hours=int(offset_hours or 0), minutes=int(offset_minutes or 0))
    leap = second == 60
    try:
        local = datetime(year, month, day, hour, minute, 59 if leap else second)
    except ValueError:
        raise RecordError("timestamp is not RFC 3339") from None
    if offset >= timedelta(days=1) or int(offset_minutes or 0) > 59:
        raise RecordError("timestamp is not RFC 3339")
    # Counted without building the UTC date, which may lie outside the years 1 to 9999.
    count = (local - _EPOCH) // _MICROSECOND + int((fraction or "")[:6].ljust(6, "0"))
    shift = offset // _MICROSECOND
    return count + leap * 1_000_000 - (-shift if sign == "-" else shift)

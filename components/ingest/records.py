"""Posts and labels: one raw record in, one typed record or the reason why not out.

Enters: a mapping as a reader gives it (JSON values, CSV text, Parquet values). Leaves: a `Post` or
a `Label`, or a `RecordError` whose cause is a short stable text that never quotes the record.
What is unusual about a record that is used all the same goes with it as notes, to be counted.
Knows nothing of TFX, Beam or TensorFlow.

| field | post | label | accepted |
|---|---|---|---|
| author_id | required | required | see `ids` |
| text | required | | text that is not blank |
| post_id | optional | | see `ids` |
| timestamp | optional | | see `times`; one that cannot be read is as good as none, and is noted |
| a head's field | | optional | what the head reads; absent, empty, null, `NA`, `ingest.unknown` |
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from components.heads.base import Head, LabelError, LabelValue
from components.heads.declared import Heads
from components.ingest.headers import is_written_alike
from components.ingest.ids import IdError, read_id
from components.ingest.lines import NOT_UTF8, Unreadable
from components.ingest.settings import READ_BY_DEFAULT, IngestSettings, SplitSettings
from components.ingest.times import TimeError, read_time
from components.label_values import Compared, compare_as, is_blank, is_unknown

Split = Literal["train", "eval", "test"]
SPLITS: tuple[Split, ...] = ("train", "eval", "test")

ID_CHANGED = "author_id normalised"
TIME_UNREADABLE = "timestamp not readable"
UNKNOWN_SPELLING = "spelt as unknown"
OTHER_VALUE = "neither of its two values"
RECORD_NOTES = (ID_CHANGED, TIME_UNREADABLE)
"""Those that concern no head."""


_LARGEST = {"number": 3.4028234663852886e38, "whole number": 2**63 - 1}


class RecordError(ValueError):
    """A record that cannot be used; `cause` is a short stable text without the record's content."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class Note(NamedTuple):
    """One thing to count about a record that is used all the same.

    `head` is the one that it concerns, `digest` that of a value that is none of the head's; both
    are empty else.
    """

    what: str
    head: str = ""
    digest: int = 0


@dataclass(frozen=True, slots=True)
class Post:
    """One post. `time_microseconds` counts from 1970 in UTC; None where no timestamp is given."""

    author_id: str
    text: str
    post_id: str | None = None
    time_microseconds: int | None = None
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class Label:
    """What is known of one author: a value for each declared head, in their order, or None."""

    author_id: str
    values: tuple[LabelValue | None, ...]
    notes: tuple[Note, ...] = ()


def parse_post(raw: Mapping[str, Any], settings: IngestSettings = READ_BY_DEFAULT) -> Post:
    """A post from its raw fields.

    Args:
        raw: field by field, as the file gives them.
        settings: `timezone` of timestamps that name none, and how an unknown one is spelt.

    Example:
        {"author_id": 7, "text": "hi", "timestamp": "1970-01-01T00:00:01Z"}
        -> Post(author_id="7", text="hi", post_id=None, time_microseconds=1000000)

    Raises:
        RecordError: a required field is missing or a field has the wrong form.
    """
    author_id, notes = _parse_author(raw)
    time = None
    try:
        time = read_time(raw.get("timestamp"), settings.zone, settings.unknown_values)
    except TimeError:
        notes.append(Note(TIME_UNREADABLE))
    return Post(
        author_id=author_id,
        text=_parse_text(raw),
        post_id=_parse_post_id(raw, settings.unknown_values),
        time_microseconds=time,
        notes=tuple(notes),
    )


def parse_label(
    raw: Mapping[str, Any], heads: Heads, settings: IngestSettings = READ_BY_DEFAULT
) -> Label:
    """An author's label values from the raw fields, one for each head.

    Args:
        raw: field by field, as the file gives them.
        heads: what is predicted.
        settings: how an unknown value is spelt.

    Example:
        {"author_id": "a", "age": "41", "gender": ""} with heads age, gender
        -> Label(author_id="a", values=(41.0, None))

    Raises:
        RecordError: author_id is missing or a head's field has the wrong form.
    """
    author_id, notes = _parse_author(raw)
    values = []
    for head in heads:
        value = raw.get(head.field)
        values.append(_parse_value(value, head, settings.unknown_values))
        if values[-1] is None and not is_blank(value):
            notes.append(_why_unknown(value, head, settings.unknown_values))
    return Label(author_id, tuple(values), tuple(notes))


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


def _parse_author(raw: Mapping[str, Any]) -> tuple[str, list[Note]]:
    author_id, is_changed = _parse_id(raw, "author_id")
    if author_id is None:
        raise _missing(raw, "author_id")
    return author_id, [Note(ID_CHANGED)] * is_changed


def _parse_post_id(raw: Mapping[str, Any], unknown: frozenset[Compared]) -> str | None:
    # Two posts of which the id is not known are no repeated one.
    post_id = _parse_id(raw, "post_id")[0]
    return None if post_id is None or is_unknown(post_id, unknown) else post_id


def _parse_id(raw: Mapping[str, Any], field: str) -> tuple[str | None, bool]:
    value = raw.get(field)
    if isinstance(value, Unreadable):
        raise RecordError(value.cause)
    try:
        text, is_changed = read_id(value)
    except IdError as error:
        raise RecordError(f"{field} {error}") from None
    return text and _checked_unicode(text, field), is_changed


def _missing(raw: Mapping[str, Any], field: str) -> RecordError:
    """What to say of a field that is not there; its name in other capitals is another field."""
    is_alike = field not in raw and any(is_written_alike(name, field) for name in raw)
    why = ": a field is named so but for capitals or spaces, which count" if is_alike else ""
    return RecordError(f"{field} missing{why}")


def _parse_text(raw: Mapping[str, Any]) -> str:
    value = raw.get("text")
    if value is None or value != value:  # NaN is not equal to itself
        raise _missing(raw, "text")
    if isinstance(value, Unreadable):
        raise RecordError(value.cause)
    if isinstance(value, bytes):
        raise RecordError(NOT_UTF8)
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


def _parse_value(value: Any, head: Head, unknown: frozenset[Compared]) -> LabelValue | None:
    if isinstance(value, Unreadable):
        raise RecordError(value.cause)
    try:
        parsed = head.parse(value, unknown)
    except LabelError as error:
        raise RecordError(str(error)) from None
    # Examples hold float32 and int64: a larger number would turn infinite or stop the run there.
    if isinstance(parsed, float | int) and abs(parsed) > _LARGEST[head.stored_as]:
        raise RecordError(f"{head.field} is too large a number")
    return parsed


def _why_unknown(value: Any, head: Head, unknown: frozenset[Compared]) -> Note:
    if is_unknown(value, unknown):
        return Note(UNKNOWN_SPELLING, head.name)
    compared = compare_as(value)
    # 2 and 2.0 are equal, their texts are not; a number of a million digits has no shorter form.
    text = compared if isinstance(compared, str) else str(hash(compared))
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return Note(OTHER_VALUE, head.name, int.from_bytes(digest, "big"))

"""Times of posts: a field's value in, microseconds since 1970 in UTC out.

| given | read as |
|---|---|
| `2024-03-02T16:05:00+01:00`, `20240302T160500Z`, `2024-03-02 16:05 +0100` | ISO 8601, RFC 3339 |
| the same without a zone, a date alone | in `ingest.timezone` |
| `Sat, 02 Mar 2024 16:05:00 +0100`, `Sat Mar 02 16:05:00 +0000 2024` | RFC 5322, Twitter |
| a number up to 4,102,444,800 | seconds since 1970 (until 2100) |
| a larger one that falls into 1980 to 2099 as milli-, micro- or nanoseconds | that |
| 19000101 to 20991231 | a date |
| a timestamp or date of Parquet | that; in `ingest.timezone` where it has no zone |
"""

from __future__ import annotations

import contextlib
import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from numbers import Real
from typing import Any

from components.label_values import NOTHING, Compared, is_blank, is_unknown

_EPOCH = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)
_YEAR_1980, _YEAR_2100 = 315_532_800, 4_102_444_800
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]

_ZONE = r"(?:Z|UTC|GMT|(?P<sign>[+-])(?P<hours>[0-9]{2})(?::?(?P<minutes>[0-9]{2}))?)"
_CLOCK = (
    r"(?P<hour>[0-9]{2}):?(?P<minute>[0-9]{2})(?::?(?P<second>[0-9]{2})(?:[.,](?P<part>[0-9]+))?)?"
)
_DAY = r"(?P<day>[0-9]{1,2})"
_FORMS = tuple(
    re.compile(form, re.IGNORECASE | re.ASCII)
    for form in (
        rf"(?P<year>[0-9]{{4}})(-?)(?P<month>[0-9]{{2}})\2(?P<day>[0-9]{{2}})"
        rf"(?:(?:T| +){_CLOCK})? ?(?P<zone>{_ZONE})?",
        rf"(?:[a-z]{{3}}, *)?{_DAY} (?P<month>[a-z]{{3}}) (?P<year>[0-9]{{4}}) {_CLOCK}"
        rf"(?: (?P<zone>{_ZONE}))?",
        rf"[a-z]{{3}} (?P<month>[a-z]{{3}}) +{_DAY} {_CLOCK}"
        rf"(?: (?P<zone>{_ZONE}))? (?P<year>[0-9]{{4}})",
    )
)
# RFC 3339, with or without a zone, as nearly all files have it.
_USUAL = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?"
    r"(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])?",
    re.ASCII,
)
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]*)?(?:e[+-]?[0-9]{1,2})?", re.IGNORECASE | re.ASCII)


class TimeError(ValueError):
    """A value that is no time."""


def read_time(value: Any, zone: tzinfo = UTC, unknown: frozenset[Compared] = NOTHING) -> int | None:
    """Microseconds since 1970 in UTC, None where no time is given.

    Args:
        value: as the file gives it.
        zone: of times that name none.
        unknown: how an unknown time is given, as `label_values.compare_as` gives it.

    Example:
        "1970-01-01T01:00:00+01:00", "1970-01-01" or 0 -> 0; "NaT" -> None where that is unknown

    Raises:
        TimeError: the value is no time.
    """
    if is_blank(value) or is_unknown(value, unknown):
        return None
    if isinstance(value, str) and _USUAL.fullmatch(value):
        # The forms give the same, many times as slowly; a leap second is left to them.
        with contextlib.suppress(ValueError):
            value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        offset = value.utcoffset()
        return _count(value.replace(tzinfo=None), zone if offset is None else offset)
    if isinstance(value, date):
        return _count(datetime(value.year, value.month, value.day), zone)
    if isinstance(value, Real | Decimal) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise TimeError
    text = value.strip()
    number = Decimal(text) if len(text) <= 40 and _NUMBER.fullmatch(text) else None
    return _read_text(text, zone) if number is None else _read_number(number, zone)


def _read_number(number: Decimal, zone: tzinfo) -> int:
    if 19000101 <= number <= 20991231 and number % 1 == 0:
        try:
            return _count(datetime.strptime(str(int(number)), "%Y%m%d"), zone)
        except ValueError:
            pass
    if abs(number) < _YEAR_2100:
        return int(number * 1_000_000 // 1)
    for ticks in (10**3, 10**6, 10**9):
        if _YEAR_1980 * ticks <= number < _YEAR_2100 * ticks:
            return int(number * 1_000_000 // ticks)
    raise TimeError


def _read_text(text: str, zone: tzinfo) -> int:
    found = next((match for form in _FORMS if (match := form.fullmatch(text))), None)
    if found is None:
        raise TimeError
    parts = found.groupdict()
    second = int(parts["second"] or 0)
    try:
        local = datetime(
            int(parts["year"]),
            _month(parts["month"]),
            int(parts["day"]),
            int(parts["hour"] or 0),
            int(parts["minute"] or 0),
            # A leap second is counted as the one after it.
            59 if second == 60 else second,
        )
    except ValueError:
        raise TimeError from None
    micro = int((parts["part"] or "")[:6].ljust(6, "0")) + (second == 60) * 1_000_000
    return _count(local, _offset(parts) if parts["zone"] else zone) + micro


def _month(text: str) -> int:
    return int(text) if text.isdecimal() else _MONTHS.index(text.lower()) + 1


def _offset(parts: dict[str, str | None]) -> timedelta:
    hours, minutes = int(parts["hours"] or 0), int(parts["minutes"] or 0)
    if hours > 23 or minutes > 59:
        raise TimeError
    offset = timedelta(hours=hours, minutes=minutes)
    return -offset if parts["sign"] == "-" else offset


def _count(local: datetime, zone: tzinfo | timedelta) -> int:
    # Counted without building the UTC date, which may lie outside the years 1 to 9999.
    offset = zone if isinstance(zone, timedelta) else zone.utcoffset(local) or timedelta(0)
    return int((local - _EPOCH) // _MICROSECOND) - offset // _MICROSECOND

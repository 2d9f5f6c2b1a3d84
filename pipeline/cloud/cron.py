"""When a schedule starts runs: the five fields of cron and a time zone, for both platforms.

Where both a day of the month and a day of the week are given, it is not published what Vertex AI
makes of it; that is refused, and so are steps after a single number, which Kubeflow takes for a
range to the end.
"""

from __future__ import annotations

import dataclasses
import re

from components.time_zones import find_zone
from pipeline.config import ConfigError

EXAMPLE = "such as '0 3 * * *', every day at 3:00"
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
LONGEST_MONTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_ITEM = re.compile(r"(\*|[a-z]{3}|\d+)(?:-([a-z]{3}|\d+))?(?:/(\d+))?")


@dataclasses.dataclass(frozen=True)
class _Field:
    title: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    def number(self, word: str) -> int:
        """The value of a number or a name."""
        if word in self.names:
            return self.names.index(word) + self.low
        if not word.isdigit() or not self.low <= int(word) <= self.high:
            raise ConfigError(f"cron: {self.title} is {self.low} to {self.high}; got {word}")
        return int(word)


FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of month", 1, 31),
    _Field("month", 1, 12, MONTHS),
    _Field("day of week", 0, 7, WEEKDAYS),
)


@dataclasses.dataclass(frozen=True)
class Cron:
    """A time specification that every platform understands alike.

    Args:
        text: the five fields, with numbers in place of names, and weekdays listed; Sunday is 0.
        timezone: IANA name.
    """

    text: str
    timezone: str

    @property
    def vertex(self) -> str:
        """For Vertex AI: the zone stands before the five fields."""
        return f"TZ={self.timezone} {self.text}"

    @property
    def kubeflow(self) -> str:
        """For Kubeflow Pipelines: six fields, seconds first; it has no place for a zone."""
        return f"0 {self.text}"


def parse_cron(text: str, timezone: str) -> Cron:
    """Reads five fields and a zone.

    >>> parse_cron("0 3 * * mon-fri", "Europe/Berlin").vertex
    'TZ=Europe/Berlin 0 3 * * 1,2,3,4,5'

    Raises:
        ConfigError: not five fields, a value out of its range, a day that never comes, days of
            month and week at once, or no such zone.
    """
    words = text.lower().split()
    if len(words) != len(FIELDS):
        raise ConfigError(
            f"cron: must have five fields: minute, hour, day of month, month, day of week, "
            f"{EXAMPLE}; got {text!r}"
        )
    values = [_values(field, word) for field, word in zip(FIELDS, words, strict=True)]
    if words[2] != "*" and words[4] != "*":
        raise ConfigError(
            f"cron: platforms read a day of month beside a day of week differently; give one of "
            f"them and * for the other; got {text!r}"
        )
    if min(values[2]) > max(LONGEST_MONTHS[month - 1] for month in values[3]):
        raise ConfigError(f"cron: no month has such a day; got {text!r}")
    try:
        find_zone(timezone)
    except ValueError as error:
        raise ConfigError(f"timezone: {error}; got {timezone!r}") from None
    return Cron(" ".join(map(_in_numbers, FIELDS, words)), timezone)


def _values(field: _Field, word: str) -> list[int]:
    """The values that a field stands for, in order; Sunday is 7 here where it ends a range."""
    found: set[int] = set()
    for item in word.split(","):
        match = _ITEM.fullmatch(item)
        if not match:
            raise ConfigError(
                f"cron: {field.title} takes *, a value, a range a-b, a step */n or a-b/n, and "
                f"lists of them; got {item!r}"
            )
        found.update(_item_values(field, item, *match.groups()))
    return sorted(found)


def _item_values(field: _Field, item: str, start: str, end: str | None, step: str | None) -> range:
    if (start == "*" and end) or (step and start != "*" and not end):
        raise ConfigError(f"cron: {field.title} takes steps as */n or a-b/n; got {item!r}")
    weekday = field is FIELDS[4]
    low = field.low if start == "*" else field.number(start)
    high = (6 if weekday else field.high) if start == "*" else field.number(end or start)
    if weekday and end and high == 0:
        high = 7
    if low > high:
        raise ConfigError(f"cron: {field.title}: a range must rise; got {item!r}")
    if step is not None and not 1 <= int(step) <= field.high:
        raise ConfigError(f"cron: {field.title}: a step is 1 to {field.high}; got {item!r}")
    return range(low, high + 1, int(step or 1))


def _in_numbers(field: _Field, word: str) -> str:
    if field is FIELDS[4] and word != "*":
        return ",".join(map(str, sorted({day % 7 for day in _values(field, word)})))
    return re.sub(r"[a-z]{3}", lambda match: str(field.number(match.group())), word)

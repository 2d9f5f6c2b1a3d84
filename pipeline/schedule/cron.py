"""A cron expression and a time zone in, the moments that they name out.

Five fields: minute, hour, day of the month, month, day of the week, as cron(5) has them: Sunday is
0 or 7, and where both days are restricted either suffices. APScheduler's own reading of such a line
differs in both (its Monday is 0, and it wants both days); it gets each field in its own terms.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from components.time_zones import find_zone
from pipeline.config import ConfigError

NUMBERS = re.compile(r"[0-9*,/-]+")
NAMES = re.compile(r"[0-9a-z*,/-]+")
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
WEEKDAY_ITEM = re.compile(r"(\*|[0-7]|[a-z]{3})(?:-([0-7]|[a-z]{3}))?(?:/([0-9]+))?")
MISSED_COUNTED = 1000


class CronError(ConfigError):
    """The expression or the time zone is wrong; the message says the rule and what came."""


def parse_cron(expression: str, timezone: str) -> Any:
    """APScheduler's trigger of an expression.

    Raises:
        CronError: no such time zone, or no expression of five fields that names a moment.
    """
    try:
        zone = find_zone(timezone)
    except ValueError as error:
        raise CronError(f"--timezone {error}; got {timezone!r}") from None
    fields = expression.lower().split()
    if len(fields) != 5:
        raise _fault(expression, f"it has {len(fields)} fields")
    for field, allowed in zip(fields, (NUMBERS, NUMBERS, NUMBERS, NAMES, NAMES), strict=True):
        if not allowed.fullmatch(field):
            raise _fault(expression, f"{field!r} is no field")
    trigger = _trigger(expression, fields, zone)
    if trigger.get_next_fire_time(None, datetime.now(UTC)) is None:
        raise _fault(expression, "no such day comes")
    return trigger


def next_due(trigger: Any, after: datetime) -> datetime:
    """The first moment of the trigger after another one; five fields name no last one."""
    due: datetime = trigger.get_next_fire_time(after, datetime.max.replace(tzinfo=UTC))
    return due


def count_due(trigger: Any, after: datetime, until: datetime) -> int:
    """How many moments of the trigger lie in (after, until]; counts no further than 1,000."""
    count, due = 0, next_due(trigger, after)
    while due <= until and count < MISSED_COUNTED:
        count, due = count + 1, next_due(trigger, due)
    return count


def _trigger(expression: str, fields: list[str], zone: ZoneInfo) -> Any:
    from apscheduler.triggers.combining import OrTrigger
    from apscheduler.triggers.cron import CronTrigger

    minute, hour, day, month, weekday = fields
    times = {"minute": minute, "hour": hour, "month": month, "timezone": zone}
    try:
        if "*" in (day[0], weekday[0]):
            return CronTrigger(day=day, day_of_week=_weekdays(weekday), **times)
        return OrTrigger(
            [CronTrigger(day=day, **times), CronTrigger(day_of_week=_weekdays(weekday), **times)]
        )
    except ValueError as error:
        raise _fault(expression, str(error)) from None


def _weekdays(field: str) -> str:
    """The field with names in place of numbers.

    >>> _weekdays("1-5"), _weekdays("fri-sun"), _weekdays("*/3"), _weekdays("*")
    ('mon,tue,wed,thu,fri', 'sun,fri,sat', 'sun,wed,sat', '*')
    """
    if field == "*":
        return field
    days: set[int] = set()
    for item in field.split(","):
        match = WEEKDAY_ITEM.fullmatch(item)
        if match is None:
            raise ValueError(f"{item!r} is no day of the week")
        days |= _days_of(*match.groups())
    return ",".join(WEEKDAYS[day] for day in sorted(days))


def _days_of(first: str, last: str | None, step: str | None) -> set[int]:
    if first == "*":
        start, end = 0, 6
    else:
        start = _day(first)
        end = _day(last) if last else (6 if step else start)
        # Sunday ends a week as 7.
        end = 7 if end == 0 and last else end
    if end < start or step == "0":
        raise ValueError(f"{first}-{last} is no range of days")
    return {day % 7 for day in range(start, end + 1, int(step or 1))}


def _day(name: str) -> int:
    if name.isdecimal():
        return int(name)
    if name not in WEEKDAYS:
        raise ValueError(f"{name!r} is no day of the week")
    return WEEKDAYS.index(name)


def _fault(expression: str, reason: str) -> CronError:
    reason = " ".join(reason.split())
    return CronError(
        "--cron must be five fields, minute hour day month weekday, such as '0 3 * * *' for 3 "
        f"o'clock every day; got {expression!r}: {reason}"
    )

"""Which moments an expression names: literals worked out on a calendar of 2026."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from pipeline.schedule.cron import CronError, count_due, next_due, parse_cron

# Wednesday, 25 November 2026.
WEDNESDAY = datetime(2026, 11, 25, 12, tzinfo=UTC)


def moments(expression, count, timezone="UTC", after=WEDNESDAY):
    """The next moments as wall clock of the time zone."""
    trigger = parse_cron(expression, timezone)
    found = []
    for _ in range(count):
        after = next_due(trigger, after)
        found.append(after.astimezone(ZoneInfo(timezone)).strftime("%a %d %b %H:%M"))
    return found


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 3 * * *", ["Thu 26 Nov 03:00", "Fri 27 Nov 03:00"]),
        ("*/20 12 * * *", ["Wed 25 Nov 12:20", "Wed 25 Nov 12:40"]),
        # APScheduler alone would take 0 for Monday.
        ("0 3 * * 0", ["Sun 29 Nov 03:00", "Sun 06 Dec 03:00"]),
        ("0 3 * * 7", ["Sun 29 Nov 03:00"]),
        ("0 3 * * 1-5", ["Thu 26 Nov 03:00", "Fri 27 Nov 03:00", "Mon 30 Nov 03:00"]),
        ("0 3 * * FRI-SUN", ["Fri 27 Nov 03:00", "Sat 28 Nov 03:00", "Sun 29 Nov 03:00"]),
        ("0 3 * * */3", ["Sat 28 Nov 03:00", "Sun 29 Nov 03:00", "Wed 02 Dec 03:00"]),
        # Both days restricted: either suffices.
        ("0 3 1 * mon", ["Mon 30 Nov 03:00", "Tue 01 Dec 03:00", "Mon 07 Dec 03:00"]),
        ("0 0 29 feb *", ["Tue 29 Feb 00:00"]),
    ],
)
def test_an_expression_names_the_moments_that_cron_does(expression, expected):
    assert moments(expression, len(expected)) == expected


def test_a_schedule_follows_the_clock_of_its_time_zone_through_a_change_of_it():
    after = datetime(2026, 3, 27, 12, tzinfo=UTC)
    trigger = parse_cron("0 3 * * *", "Europe/Berlin")
    saturday = next_due(trigger, after)
    sunday = next_due(trigger, saturday)
    assert saturday.astimezone(UTC) == datetime(2026, 3, 28, 2, tzinfo=UTC)
    assert sunday.astimezone(UTC) == datetime(2026, 3, 29, 1, tzinfo=UTC)


def test_moments_are_counted_from_after_one_until_another():
    trigger = parse_cron("0 3 * * *", "UTC")
    start = datetime(2026, 11, 1, 3, tzinfo=UTC)
    assert count_due(trigger, start, datetime(2026, 11, 4, 3, tzinfo=UTC)) == 3
    assert count_due(trigger, start, datetime(2026, 11, 2, 2, tzinfo=UTC)) == 0


@pytest.mark.parametrize(
    ("expression", "named"),
    [
        ("0 3 * *", "4 fields"),
        ("0 3 * * * *", "6 fields"),
        ("60 3 * * *", "60"),
        ("0 3 last * *", "'last' is no field"),
        ("0 3 * * 8", "'8' is no day of the week"),
        ("0 3 * * 5-1", "5-1 is no range"),
        ("0 3 * * xyz", "'xyz' is no day"),
        ("0 3 30 2 *", "no such day comes"),
        ("@daily", "1 fields"),
        ("; ls * * *", "';' is no field"),
    ],
)
def test_a_wrong_expression_is_named_with_what_is_wrong(expression, named):
    with pytest.raises(CronError, match="--cron must be five fields") as raised:
        parse_cron(expression, "UTC")
    assert named in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../../etc/passwd", "Europe"])
def test_an_unknown_time_zone_is_named(zone):
    with pytest.raises(CronError, match="--timezone must be a name of the IANA database"):
        parse_cron("0 3 * * *", zone)

"""Cron and time zones: what each platform gets, and what is refused because they disagree on it."""

from __future__ import annotations

import datetime

import pytest

from pipeline.cloud.cron import parse_cron
from pipeline.config import ConfigError
from pipeline.schedule.cron import parse_cron as local_cron


@pytest.mark.parametrize(
    ("text", "vertex", "kubeflow"),
    [
        ("0 3 * * *", "TZ=Europe/Berlin 0 3 * * *", "0 0 3 * * *"),
        ("*/15 8-18/2 1,15 * *", "TZ=Europe/Berlin */15 8-18/2 1,15 * *", "0 */15 8-18/2 1,15 * *"),
        ("30 4 * JAN-mar *", "TZ=Europe/Berlin 30 4 * 1-3 *", "0 30 4 * 1-3 *"),
        (" 0  0 * * SUN,wed ", "TZ=Europe/Berlin 0 0 * * 0,3", "0 0 0 * * 0,3"),
        ("0 0 29 feb *", "TZ=Europe/Berlin 0 0 29 2 *", "0 0 0 29 2 *"),
    ],
)
def test_each_platform_gets_its_own_dialect(text, vertex, kubeflow):
    cron = parse_cron(text, "Europe/Berlin")
    assert (cron.vertex, cron.kubeflow) == (vertex, kubeflow)


@pytest.mark.parametrize(
    ("weekdays", "numbers"),
    [
        ("mon-fri", "1,2,3,4,5"),
        ("1-5/2", "1,3,5"),
        ("fri-sun", "0,5,6"),
        ("5-7", "0,5,6"),
        ("7", "0"),
        ("sun-tue", "0,1,2"),
        ("*/2", "0,2,4,6"),
        ("*", "*"),
    ],
)
def test_weekdays_are_listed_with_sunday_as_0(weekdays, numbers):
    assert parse_cron(f"0 3 * * {weekdays}", "UTC").text == f"0 3 * * {numbers}"


@pytest.mark.parametrize("weekdays", ["1-5", "fri-sun", "7", "*/2", "mon,wed"])
def test_a_platform_starts_runs_when_this_machine_would(weekdays):
    cron, start = parse_cron(f"15 3 * * {weekdays}", "UTC"), datetime.datetime(2026, 2, 26, 4)
    here = local_cron(f"15 3 * * {weekdays}", "UTC")
    given = {int(number) for number in cron.text.split()[4].split(",")}
    for day in range(20):
        moment = start + datetime.timedelta(days=day)
        due = here.get_next_fire_time(None, moment.replace(hour=0, tzinfo=datetime.UTC))
        assert (due.date() == moment.date()) == (moment.isoweekday() % 7 in given)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must have five fields"),
        ("0 3 * *", "must have five fields"),
        ("0 0 3 * * *", "must have five fields"),
        ("@daily", "must have five fields"),
        ("60 3 * * *", "minute is 0 to 59; got 60"),
        ("0 24 * * *", "hour is 0 to 23; got 24"),
        ("0 3 0 * *", "day of month is 1 to 31; got 0"),
        ("0 3 * 13 *", "month is 1 to 12; got 13"),
        ("0 3 * * 8", "day of week is 0 to 7; got 8"),
        ("0 3 * * xyz", "day of week is 0 to 7; got xyz"),
        ("0 3 * * ?", "day of week takes *"),
        ("0 3 * * fri-mon", "a range must rise"),
        ("0 5-3 * * *", "a range must rise"),
        ("5/15 * * * *", "takes steps as */n or a-b/n"),
        ("*/0 * * * *", "a step is 1 to 59"),
        ("0 3 1 * 1", "read a day of month beside a day of week differently"),
        ("0 3 31 4,6 *", "no month has such a day"),
        ("0 3 1, * *", "day of month takes *"),
    ],
)
def test_a_wrong_cron_is_told_by_its_field(text, said):
    with pytest.raises(ConfigError, match=r"^cron: ") as caught:
        parse_cron(text, "UTC")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "Berlin", "Europe/Nowhere", "../etc/passwd", "UTC+1"])
def test_an_unknown_time_zone_is_told(name):
    with pytest.raises(ConfigError, match="timezone: must be a name of the IANA database"):
        parse_cron("0 3 * * *", name)

"""Which spans a window holds, and their files in the order they are read."""

import datetime

import pytest

from components.ingest.rolling import (
    Span,
    available_spans,
    choose_spans,
    fill_pattern,
    find_window,
    span_name,
    span_number,
)
from components.ingest.settings import SpanWindow
from components.ingest.sources import SourceError


@pytest.fixture
def folder(tmp_path):
    def touch(*names):
        for name in names:
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).touch()
        return str(tmp_path)

    return touch


def test_a_span_needs_a_file_of_every_moving_pattern(folder):
    base = folder("p-1.csv", "p-2.csv", "p-10.csv", "p-x.csv", "l-2.csv", "l-10.csv", "l-11.csv")
    posts = [f"{base}/p-{{SPAN}}.csv"]
    assert available_spans(posts, [f"{base}/l-{{SPAN}}.csv"]) == [Span(2, None), Span(10, None)]
    assert [s.number for s in available_spans(posts, [f"{base}/l-2.csv"])] == [1, 2, 10]
    assert available_spans([f"{base}/p-*.csv"], [f"{base}/l-2.csv"]) == []


def test_the_newest_version_of_a_span_counts(folder):
    base = folder("1/v1.csv", "1/v9.csv", "1/v10.csv", "2/v1.csv")
    patterns = [f"{base}/{{SPAN}}/v{{VERSION}}.csv"]
    assert available_spans(patterns, []) == [Span(1, 10), Span(2, 1)]


def test_a_date_is_a_span_and_a_wrong_one_is_named(folder):
    base = folder("2026-11-25.csv", "2026-12-01.csv")
    patterns = [f"{base}/{{YYYY}}-{{MM}}-{{DD}}.csv"]
    day = span_number(datetime.date(2026, 11, 25))
    # TFX counts the days since 1970 too: 56 years of 365 days, 14 leap days, 328 days.
    assert day == 56 * 365 + 14 + 328
    assert [span.number for span in available_spans(patterns, [])] == [day, day + 6]
    assert span_name(day, patterns) == "2026-11-25"
    assert fill_pattern(patterns[0], Span(day, None)).endswith("/2026-11-25.csv")
    folder("2026-13-01.csv")
    with pytest.raises(SourceError, match=r"stand for a day.*2026-13-01"):
        available_spans(patterns, [])


SPANS = [Span(number, None) for number in (3, 4, 6, 7, 9)]


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ({}, [9]),
        ({"last": 3}, [6, 7, 9]),
        ({"last": 99}, [3, 4, 6, 7, 9]),
        ({"since": 5}, [6, 7, 9]),
        ({"since": 5, "last": 2}, [7, 9]),
        ({"last": 2, "until": 8}, [6, 7]),
        ({"last": 2, "leave_out": [7]}, [6, 9]),
        ({"since": 10}, []),
    ],
)
def test_a_window_holds_the_spans_that_it_names(window, expected):
    chosen = choose_spans(SPANS, SpanWindow(**window))
    assert [span.number for span in chosen] == expected


def test_files_come_by_span_and_fixed_ones_belong_to_none(folder):
    base = folder("p-9-b.csv", "p-9-a.csv", "p-10-a.csv", "more.csv", "labels.csv")
    posts = [f"{base}/p-{{SPAN}}-*.csv", f"{base}/more.csv"]
    sources = find_window(posts, [f"{base}/labels.csv"], [Span(9, None), Span(10, None)])
    assert [(s.kind, s.path.rpartition("/")[2], s.span) for s in sources] == [
        ("posts", "more.csv", 0),
        ("posts", "p-9-a.csv", 9),
        ("posts", "p-9-b.csv", 9),
        ("posts", "p-10-a.csv", 10),
        ("labels", "labels.csv", 0),
    ]


def test_a_glob_s_own_characters_mean_in_a_span_what_they_mean_elsewhere(folder):
    base = folder("a1-7.csv", "b1-7.csv", "c1-8.csv", "a+b.7.csv")
    assert available_spans([f"{base}/[ab]?-{{SPAN}}.csv"], []) == [Span(7, None)]
    assert available_spans([f"{base}/[!ab]?-{{SPAN}}.csv"], []) == [Span(8, None)]
    assert available_spans([f"{base}/a+b.{{SPAN}}.csv"], []) == [Span(7, None)]

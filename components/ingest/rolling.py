"""Which spans a run reads: the newest alone, the last N, or all since a date.

Enters: patterns of which some have `{SPAN}` or `{YYYY}{MM}{DD}` (and `{VERSION}`), the window of
the settings. Leaves: the spans there are, those in the window, and their files, each with its span.
A pattern without a placeholder is read beside every window. A span counts where every pattern that
has a placeholder has a file of it. Knows nothing of TFX, whose placeholders these are; the span of
a date is the number of days since 1970.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from components.ingest.settings import SpanWindow
from components.ingest.sources import (
    KINDS,
    SourceFile,
    find_sources,
    list_files,
)
from components.ingest.unreadable import SourceError
from components.paths import as_pattern, pattern_regex

_PLACEHOLDER = re.compile(r"\{(?P<name>SPAN|VERSION|YYYY|MM|DD)(?::(?P<width>\d+))?\}")
_WIDTHS = {"YYYY": 4, "MM": 2, "DD": 2}
_EPOCH = datetime.date(1970, 1, 1)


class Span(NamedTuple):
    """A span's number and its newest version, None where patterns have none."""

    number: int
    version: int | None


def moves(pattern: str) -> bool:
    """Whether a pattern has a placeholder; a file that exists under that very name has none."""
    return _PLACEHOLDER.search(as_pattern(pattern)) is not None


def available_spans(posts: Sequence[str], labels: Sequence[str]) -> list[Span]:
    """The spans of which every moving pattern has files, ascending; none where no pattern moves.

    Raises:
        SourceError: a file's placeholder stands for no day of the calendar.
    """
    found = [spans_of(pattern) for pattern in (*posts, *labels) if moves(pattern)]
    if not found:
        return []
    common = set(found[0]).intersection(*found[1:])
    newest: dict[int, Span] = {}
    for span in sorted(common, key=lambda span: (span.number, span.version or 0)):
        newest[span.number] = span
    return list(newest.values())


def choose_spans(spans: Sequence[Span], window: SpanWindow) -> list[Span]:
    """Those of the window, ascending.

    >>> spans = [Span(number, None) for number in (3, 4, 6, 7)]
    >>> [span.number for span in choose_spans(spans, SpanWindow(last=2, leave_out=[6]))]
    [4, 7]
    """
    first = span_number(window.since) if window.since is not None else 0
    kept = [
        span
        for span in spans
        if span.number >= first
        and (window.until is None or span.number <= window.until)
        and span.number not in window.leave_out
    ]
    last = window.last or (len(kept) if window.since is not None else 1)
    return kept[-last:]


def span_number(since: int | datetime.date) -> int:
    """A span as patterns have it: a number as it is, a day by its distance from 1970."""
    return since if isinstance(since, int) else (since - _EPOCH).days


def span_name(number: int, patterns: Sequence[str]) -> str:
    """A span for people: its date where patterns have dates, else its number."""
    if any("{YYYY}" in pattern for pattern in patterns):
        return (_EPOCH + datetime.timedelta(number)).isoformat()
    return str(number)


def fill_pattern(pattern: str, span: Span) -> str:
    """The pattern with its placeholders filled; one without any stays.

    >>> fill_pattern("/d/{SPAN:3}/v{VERSION}.csv", Span(7, 2))
    '/d/007/v2.csv'
    """
    day = _EPOCH + datetime.timedelta(span.number)
    values = {"SPAN": span.number, "VERSION": span.version or 0}
    values |= {"YYYY": day.year, "MM": day.month, "DD": day.day} if "{YYYY}" in pattern else {}

    def fill(match: re.Match[str]) -> str:
        width = match["width"] or _WIDTHS.get(match["name"], 0)
        return str(values[match["name"]]).zfill(int(width))

    return _PLACEHOLDER.sub(fill, as_pattern(pattern))


def open_pattern(pattern: str) -> str:
    """The pattern with a wildcard for each placeholder: whatever they may stand for."""
    return _PLACEHOLDER.sub("*", as_pattern(pattern))


def find_window(
    posts: Sequence[str], labels: Sequence[str], spans: Sequence[Span]
) -> tuple[SourceFile, ...]:
    """The files of the spans: posts, then labels, each by span and path; fixed files come first.

    Raises:
        SourceError: a pattern without a file, an unknown ending, or one file in both.
    """
    found: dict[str, SourceFile] = {}
    for span in spans:
        filled = ([fill_pattern(pattern, span) for pattern in kind] for kind in (posts, labels))
        for source in find_sources(*filled):
            found.setdefault(source.path, source._replace(span=span.number))
    fixed = {
        path for pattern in (*posts, *labels) if not moves(pattern) for path in list_files(pattern)
    }
    sources = [
        source._replace(span=0) if source.path in fixed else source for source in found.values()
    ]
    return tuple(sorted(sources, key=lambda s: (KINDS.index(s.kind), s.span, s.path)))


def spans_of(pattern: str) -> set[Span]:
    """The spans and versions of which a pattern has files.

    Raises:
        SourceError: a file's placeholder stands for no day of the calendar.
    """
    whole = as_pattern(pattern)
    expression = re.compile(_regex(whole))
    return {_read_span(match.groupdict(), path) for path, match in _matches(expression, whole)}


def _matches(expression: re.Pattern[str], pattern: str) -> Iterator[tuple[str, re.Match[str]]]:
    for path in list_files(open_pattern(pattern)):
        match = expression.fullmatch(path)
        # A glob takes for a span what is no number, such as a README beside the spans.
        if match is not None:
            yield path, match


def _read_span(values: Mapping[str, str], path: str) -> Span:
    numbers = {name: int(value) for name, value in values.items()}
    version = numbers.get("VERSION")
    if "SPAN" in numbers:
        return Span(numbers["SPAN"], version)
    try:
        day = datetime.date(*(numbers[part] for part in ("YYYY", "MM", "DD")))
    except (ValueError, KeyError):
        raise SourceError(
            f"{{YYYY}}, {{MM}} and {{DD}} must stand for a day. Received: {path}"
        ) from None
    return Span(span_number(day), version)


def _regex(pattern: str) -> str:
    """A regular expression of the paths that a pattern names, a group for each placeholder."""
    parts, end, named = [], 0, set()
    for match in _PLACEHOLDER.finditer(pattern):
        parts.append(pattern_regex(pattern[end : match.start()]))
        name, width = match["name"], match["width"] or _WIDTHS.get(match["name"])
        digits = rf"\d{{{width}}}" if width else r"\d+"
        parts.append(f"(?P={name})" if name in named else f"(?P<{name}>{digits})")
        named.add(name)
        end = match.end()
    return "".join([*parts, pattern_regex(pattern[end:])])

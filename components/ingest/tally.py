"""Counting inside the join: entries in, one tally out.

Enters: a list of entries for each file read, each record set aside and each author used. Leaves:
one mapping from what was counted to how many, exact however Beam spreads the work; its keys are
named in `summary.JoinSummary.from_tally`.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import PCollection
from apache_beam.transforms.window import GlobalWindows

from components.heads.base import Head, LabelValue, as_stored
from components.heads.declared import Heads
from components.ingest.ids import shape_of
from components.ingest.label_counts import OUT_OF_RANGE, UNKNOWN_CODES
from components.ingest.matching import Outcome, SetAside
from components.ingest.records import OTHER_VALUE, Note
from components.ingest.summary import Count, Key
from components.ingest.unknown_values import MOST_DISTINCT

_KEYS_HELD = 50_000

_LINES_SEEN = 100

TallyEntry = tuple[Key, int, float | None, *tuple[int, ...]]
"""What is counted, how many, the number (line or label) to keep the smallest and largest of, and
digests of values of which the distinct ones are counted."""


def tally_read(source: int, records: int) -> list[TallyEntry]:
    """The entry of a file that was read."""
    return [(("read", source), records, None)]


def tally_set_aside(set_aside: SetAside) -> list[TallyEntry]:
    """The entry of a record set aside; its line is kept to name the first place."""
    source, line, cause = set_aside
    return [(("set aside", source, cause), 1, line)]


class PieceTally:
    """Counts what is told of the records of a piece of a file: all of it is one element.

    Args:
        source: the file's place among the sources.
        kind: of its records.
    """

    def __init__(self, source: int, kind: str) -> None:
        self._source, self._kind = source, kind
        self._shapes: Counter[str] = Counter()
        self._notes: Counter[Key] = Counter()
        self._first: dict[Key, int] = {}
        self._other_values: dict[Key, Count] = {}

    def see(self, line: int, author_id: str, notes: Iterable[Note]) -> None:
        """Counts a record that is used: its notes, and what the id looks like.

        Of ids the first hundred lines of the file count, whatever pieces they are read with.

        Args:
            line: ascending.
            author_id: of the record.
            notes: on it.
        """
        if line <= _LINES_SEEN:
            self._shapes[shape_of(author_id)] += 1
        for what, head, digest in notes:
            key = ("note", self._source, what, head)
            self._notes[key] += 1
            self._first.setdefault(key, line)
            if what == OTHER_VALUE:
                _add(self._other_values, ("other values", head), (1, None, None, digest))

    def entries(self) -> list[TallyEntry]:
        """What was counted."""
        entries: list[TallyEntry] = [
            (("id shape", self._kind, shape), n, None) for shape, n in self._shapes.items()
        ]
        entries += [(key, n, self._first[key]) for key, n in self._notes.items()]
        for key, (n, _, _, *digests) in self._other_values.items():
            entries.append((key, n, None, *digests))
        return entries


def tally_author(split: str, outcome: Outcome, heads: Heads) -> list[TallyEntry]:
    """The entries of an author who is used."""
    used = Counter(outcome.used_sources).items()
    entries: list[TallyEntry] = [(("used", source), count, None) for source, count in used]
    entries.append((("authors", split), 1, None))
    for head, value in zip(heads, outcome.values, strict=True):
        if value is not None:
            entries.extend(_label_entries(split, head, value, outcome.label_place))
    return entries


class AddUp(beam.PTransform):
    """Adds up lists of tally entries to one mapping: the counts, the smallest and largest number.

    In: {name: PCollection of such lists}. Each worker adds up what it meets of each, and each key
    is added up on its own: with 100,000 files no one worker holds more than the finished totals.
    """

    def expand(self, entries: Mapping[str, PCollection]) -> PCollection:
        # Added up before they are flattened: a runner may hold what it flattens.
        here = [
            one | f"AddUpHere {name}" >> beam.ParDo(_AddUpBundle()) for name, one in entries.items()
        ]
        return (
            here
            | "All" >> beam.Flatten()
            | "AddUpEach" >> beam.CombinePerKey(_AddCounts())
            | "AllTotals" >> beam.combiners.ToDict()
        )


class _AddUpBundle(beam.DoFn):
    def start_bundle(self) -> None:
        self._totals: dict[Key, Count] = {}

    def process(self, element: Iterable[TallyEntry]) -> Iterator[tuple[Key, Count]]:
        for key, count, number, *digests in element:
            _add(self._totals, key, (count, number, number, *digests))
        if len(self._totals) > _KEYS_HELD:
            yield from self._totals.items()
            self._totals = {}

    def finish_bundle(self) -> Iterator[Any]:
        return map(GlobalWindows.windowed_value, self._totals.items())


class _AddCounts(beam.CombineFn):
    def create_accumulator(self) -> Count:
        return 0, None, None

    def add_input(self, total: Count, more: Count) -> Count:
        return _sum(total, more)

    def merge_accumulators(self, parts: Iterable[Count]) -> Count:
        return functools.reduce(_sum, parts)

    def extract_output(self, total: Count) -> Count:
        return total


def _add(totals: dict[Key, Count], key: Key, more: Count) -> None:
    totals[key] = _sum(totals[key], more) if key in totals else more


def _sum(one: Count, other: Count) -> Count:
    numbers = [number for number in (*one[1:3], *other[1:3]) if number is not None]
    digests = sorted({*one[3:], *other[3:]})[: MOST_DISTINCT + 1]
    return one[0] + other[0], min(numbers, default=None), max(numbers, default=None), *digests


def _label_entries(
    split: str, head: Head, value: LabelValue, place: tuple[int, int]
) -> Iterator[TallyEntry]:
    yield ("known", split, head.name), 1, None if isinstance(value, str) else as_stored(value)
    side, counted_as = head.side_of_range(value), head.counted_as(value)
    if counted_as is not None:
        yield ("value", split, head.name, OUT_OF_RANGE if side else counted_as), 1, None
    if side is None:
        return
    source, line = place
    yield (OUT_OF_RANGE, split, head.name, side, source), 1, line
    if value in UNKNOWN_CODES:
        yield ("code", split, head.name, int(value)), 1, None

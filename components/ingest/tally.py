"""Counting inside the join: entries in, one tally out.

Enters: a list of entries for each file read, each record set aside and each author used. Leaves:
one mapping from what was counted to how many, exact however Beam spreads the work; its keys are
named in `summary.JoinSummary.from_tally`. Called by `join`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam

from components.heads import BinaryHead, ClassesHead, LabelValue
from components.ingest.matching import Outcome, SetAside
from components.ingest.summary import OUT_OF_RANGE, Count, Key

TallyEntry = tuple[Key, int, float | None]
"""What is counted, how many, and the number (line or label) to keep the smallest and largest of."""


def tally_read(source: int, records: int) -> list[TallyEntry]:
    """The entry of a file that was read."""
    return [(("read", source), records, None)]


def tally_set_aside(set_aside: SetAside) -> list[TallyEntry]:
    """The entry of a record set aside; its line is kept to name the first place."""
    source, line, cause = set_aside
    return [(("set aside", source, cause), 1, line)]


def tally_author(split: str, outcome: Outcome, heads: tuple[Any, ...]) -> list[TallyEntry]:
    """The entries of an author who is used."""
    used = Counter(outcome.used_sources).items()
    entries: list[TallyEntry] = [(("used", source), count, None) for source, count in used]
    entries.append((("authors", split), 1, None))
    for head, value in zip(heads, outcome.values, strict=True):
        if value is not None:
            entries.extend(_label_entries(split, head, value))
    return entries


class AddUp(beam.CombineFn):
    """Adds up tally entries by key: the counts, and the smallest and largest number."""

    def create_accumulator(self) -> dict[Key, Count]:
        return {}

    def add_input(
        self, totals: dict[Key, Count], entries: Iterable[TallyEntry]
    ) -> dict[Key, Count]:
        for key, count, number in entries:
            _add(totals, key, (count, number, number))
        return totals

    def merge_accumulators(self, parts: Iterable[dict[Key, Count]]) -> dict[Key, Count]:
        totals: dict[Key, Count] = {}
        for part in parts:
            for key, count in part.items():
                _add(totals, key, count)
        return totals

    def extract_output(self, totals: dict[Key, Count]) -> dict[Key, Count]:
        return totals


def _add(totals: dict[Key, Count], key: Key, more: Count) -> None:
    count, low, high = totals.get(key, (0, more[1], more[2]))
    numbers = [number for number in (low, high, more[1], more[2]) if number is not None]
    totals[key] = (count + more[0], min(numbers, default=None), max(numbers, default=None))


def _label_entries(split: str, head: Any, value: LabelValue) -> Iterator[TallyEntry]:
    number = None if isinstance(value, str) else float(value)
    yield ("known", split, head.name), 1, number
    if isinstance(head, BinaryHead):
        yield ("value", split, head.name, str(value)), 1, None
    elif isinstance(head, ClassesHead) and head.given_as == "group":
        is_group = 0 <= float(value) < head.classes
        yield ("value", split, head.name, str(value) if is_group else OUT_OF_RANGE), 1, None

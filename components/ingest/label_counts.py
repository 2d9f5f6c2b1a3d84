"""What the join counted of the labels of one head: how many, in which range, in how many groups.

Enters: the tally of `summary`. Leaves: `HeadCounts` of a split, `Cuts` of amounts. Knows no TFX and
no Beam.
"""

from __future__ import annotations

import bisect
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, Field

from components.ingest.sources import SourceFile

OUT_OF_RANGE = "out of range"
UNKNOWN_CODES = frozenset({*range(-9, 1), -99, -999, -9999, 9, 99, 999, 9999, 99999, 999999})
"""Numbers that data sets commonly write for an unknown label; they tell nothing of a person."""


class RangeCount(BaseModel):
    """Labels on one side of their head's range, and `file:line` of the first."""

    labels: int
    first: str


class HeadCounts(BaseModel):
    """Known labels of one head in one split.

    `values` counts those that `Head.counted_as` names. `out_of_range` has the keys "below" and
    "above"; `codes` counts those of `UNKNOWN_CODES` among them.
    """

    known: int
    minimum: float | None
    maximum: float | None
    values: dict[str, int]
    out_of_range: dict[str, RangeCount] = Field(default_factory=dict)
    codes: dict[str, int] = Field(default_factory=dict)


class Cuts(BaseModel):
    """Where the amounts of `train` are cut into groups.

    `filled` is how many of the groups hold an amount: one less for each boundary that coincides
    with its neighbour or with the smallest amount. `fitting_classes`: the most groups, up to those
    wanted, which would all be filled; 0 where no number of groups would.
    """

    boundaries: list[float]
    filled: int
    fitting_classes: int

    @property
    def classes(self) -> int:
        """Groups wanted."""
        return len(self.boundaries) + 1

    def group_of(self, amount: float) -> int:
        """The group that an amount falls into."""
        return bisect.bisect_right(self.boundaries, amount)


def count_labels(
    tally: Mapping[tuple[str | int, ...], Any],
    split: str,
    name: str,
    sources: Sequence[SourceFile],
) -> HeadCounts:
    """Of the head `name`; the tally's keys are named in `summary`."""
    known, minimum, maximum = tally.get(("known", split, name), (0, None, None))[:3]
    places = sorted(key for key in tally if key[:3] == (OUT_OF_RANGE, split, name))
    out_of_range: dict[str, RangeCount] = {}
    for key in places:
        labels, first_line = tally[key][:2]
        side, source = str(key[3]), sources[int(key[4])]
        found = out_of_range.setdefault(
            side, RangeCount(labels=0, first=f"{source.path}:{int(first_line)}")
        )
        found.labels += labels
    return HeadCounts(
        known=known,
        minimum=minimum,
        maximum=maximum,
        values=_by_value(tally, "value", split, name),
        out_of_range=out_of_range,
        codes=_by_value(tally, "code", split, name),
    )


def _by_value(tally: Mapping[tuple[str | int, ...], Any], *start: str) -> dict[str, int]:
    # Of 100,000 files the tally has a few keys each; those of a label are few.
    found = sorted((key for key in tally if key[:3] == start), key=str)
    return {str(key[3]): tally[key][0] for key in found}

"""Labels that are unknown though their field is not empty: what was counted of them, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from components.ingest.records import UNKNOWN_SPELLING

MOST_DISTINCT = 100
"""Up to so many distinct values are counted; one more stands for all beyond."""


class ValueCounts(BaseModel):
    """Label records of all files whose field is not empty, and the head's value unknown.

    `spelt_unknown`: NaN, a spelling such as NA or one of `ingest.unknown`. `other`: of a binary
    head, neither of its two values, among them `distinct` different ones; `MOST_DISTINCT` + 1 means
    more.
    """

    spelt_unknown: int
    other: int
    distinct: int

    @property
    def distinct_text(self) -> str:
        """How many different other values there are, for people.

        >>> ValueCounts(spelt_unknown=0, other=900, distinct=101).distinct_text
        'more than 100'
        """
        return (
            str(self.distinct) if self.distinct <= MOST_DISTINCT else f"more than {MOST_DISTINCT}"
        )

    def line(self) -> str:
        """The counts for people, "" where all are 0.

        >>> ValueCounts(spelt_unknown=12, other=1, distinct=1).line()
        '1 label record has neither of its two values (1 distinct), 12 have it spelt as unknown'
        """
        parts = []
        if self.other:
            what = f"neither of its two values ({self.distinct_text} distinct)"
            parts.append(_have(self.other, what, "label record"))
        if self.spelt_unknown:
            record = "" if parts else "label record"
            parts.append(_have(self.spelt_unknown, "it spelt as unknown", record))
        return ", ".join(parts)


def count_unknown(tally: Mapping[tuple[str | int, ...], Any], name: str) -> ValueCounts:
    """Of the head `name`; the tally's keys are named in `summary`."""
    other, _, _, *digests = tally.get(("other values", name), (0, None, None))
    spelt = (
        count[0]
        for key, count in tally.items()
        if key[0] == "note" and key[2:] == (UNKNOWN_SPELLING, name)
    )
    return ValueCounts(spelt_unknown=sum(spelt), other=other, distinct=len(digests))


def _have(count: int, what: str, record: str) -> str:
    many = count > 1
    whose = f" {record}{'s' * many}" if record else ""
    return f"{count:,}{whose} {'have' if many else 'has'} {what}"

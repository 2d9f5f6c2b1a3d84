"""Labels that are unknown though their field is not empty: what was counted of them, in words."""

from __future__ import annotations

from pydantic import BaseModel

MOST_DISTINCT = 100
"""Up to so many distinct values are counted; one more stands for all beyond."""


class ValueCounts(BaseModel):
    """Label records of all files whose field is not empty, and the head's value unknown.

    `spelt_unknown`: NaN or a spelling of `ingest.unknown`. `other`: of a binary head, neither of
    its two values, among them `distinct` different ones; `MOST_DISTINCT` + 1 means more.
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
        '1 label record holds neither of its two values (1 distinct), 12 are spelt as unknown'
        """
        other = f"{self.other:,} label record{'s hold' if self.other > 1 else ' holds'}"
        parts = [f"{other} neither of its two values ({self.distinct_text} distinct)"]
        parts = parts if self.other else []
        if self.spelt_unknown:
            are = "are" if self.spelt_unknown > 1 else "is"
            parts.append(f"{self.spelt_unknown:,} {are} spelt as unknown")
        return ", ".join(parts)

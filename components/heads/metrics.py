"""What people read of a score: the metrics' titles and units, and numbers with few digits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

SKILL = "skill"


class Metric(NamedTuple):
    """A score of a kind of head.

    Attributes:
        key: under which `verdict.json` has it.
        title: in full.
        short: as a column or a line of the console has it.
        has_unit: whether it is in the unit of the head's answers.
        on_console: whether a run's result shows it; the report shows all.
    """

    key: str
    title: str
    short: str
    has_unit: bool = False
    on_console: bool = True


def format_number(value: float | None, unknown: str = "unknown", digits: int = 3) -> str:
    """A number with as many digits as help; `digits` of them behind the point below 1.

    >>> format_number(1234.0), format_number(4.1), format_number(-0.0001), format_number(None)
    ('1,234', '4.10', '0.000', 'unknown')
    """
    if value is None:
        return unknown
    if abs(value) >= 10 and float(value).is_integer():
        return f"{value:,.0f}"
    return f"{value:,.2f}" if abs(value) >= 1 else f"{value:z.{digits}f}"


def format_estimate(estimate: Mapping[str, Any] | None, unit: str = "") -> str:
    """A score with its interval.

    >>> format_estimate({"value": 4.1, "lower": 3.8, "upper": 4.5}, "years")
    '4.10 years [3.80, 4.50]'
    """
    if not estimate or estimate.get("value") is None:
        return "unknown"
    ends = estimate.get("lower"), estimate.get("upper")
    interval = "" if None in ends else f" [{format_number(ends[0])}, {format_number(ends[1])}]"
    return format_number(estimate["value"]) + (f" {unit}" if unit else "") + interval

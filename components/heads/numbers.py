"""Reading a number from a label field, as JSON, CSV or Parquet give it."""

from __future__ import annotations

import math
import re
from typing import Any

from components.heads.base import LabelError
from components.label_values import Compared, fold_text, is_blank, is_unknown

_WITH_COMMA = re.compile(r"[+-]?[0-9][0-9. ]*,[0-9., ]*")


def read_number(value: Any, name: str, unknown: frozenset[Compared]) -> float | None:
    """The number; None where it is not given or unknown. Raises LabelError."""
    if is_blank(value) or is_unknown(value, unknown):
        return None
    # Python alone reads 4_1 as 41.
    if isinstance(value, bool) or (isinstance(value, str) and "_" in fold_text(value)):
        raise LabelError(f"{name} is not a number")
    try:
        number = float(fold_text(value) if isinstance(value, str) else value)
    except (TypeError, ValueError, OverflowError):
        raise LabelError(f"{name} is not a number{_why_not(value)}") from None
    if not math.isfinite(number):
        raise LabelError(f"{name} is not a finite number")
    return number


def _why_not(value: Any) -> str:
    if isinstance(value, str) and _WITH_COMMA.fullmatch(fold_text(value)):
        return ": it has a comma; write decimals with a point, thousands without a mark"
    return ""

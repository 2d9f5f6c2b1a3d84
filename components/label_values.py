"""How label values compare: codes as numbers, text without regard to case, width or what is unseen.

`ingest.unknown`, the values of binary heads and numbers given as text are all read through here.

| given | compares as |
|---|---|
| `1`, `1.0`, `"1"`, `"1.0"`, `"01"`, `"1e0"` | the number 1 |
| `"Male"`, `" male"`, `"ｍａｌｅ"`, with a zero-width or non-breaking space | `male` |
| `true`, `"true"`, `"True"` | `true`; where a head's two values are a yes and a no, any other yes |
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from decimal import Decimal
from numbers import Real
from typing import Any

Compared = Decimal | str
"""A label value as it is compared."""
NOTHING: frozenset[Compared] = frozenset()

_YES = frozenset({"true", "yes", "on", Decimal(1)})
_NO = frozenset({"false", "no", "off", Decimal(0)})
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]{1,4})?")


def fold_text(text: str) -> str:
    r"""Text as it is compared: NFKC, without format characters, white space as one space, any case.

    >>> fold_text("\ufeff Non\u00a0Binary\u200b"), fold_text("\uff2d\uff21\uff2c\uff25")
    ('non binary', 'male')
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
        text = "".join(one for one in text if unicodedata.category(one) != "Cf")
        text = unicodedata.normalize("NFKC", text.casefold())
    return " ".join(text.casefold().split())


def is_blank(value: Any) -> bool:
    """Whether nothing is given: null, or text of white space and unseen characters alone."""
    return value is None or (isinstance(value, str) and not fold_text(value))


def is_unknown(value: Any, unknown: frozenset[Compared]) -> bool:
    """Whether a value that is not blank says that it is unknown: NaN, NaT, or what is listed.

    Args:
        value: of a field.
        unknown: each as `compare_as` gives it.
    """
    # Text first: two fields of every post come through here.
    if isinstance(value, str):
        return bool(unknown) and compare_as(value) in unknown
    if isinstance(value, Real | Decimal | date) and value != value:
        return True
    return bool(unknown) and is_code(value) and compare_as(value) in unknown


def is_code(value: Any) -> bool:
    """Whether a value is of a type that a binary head can declare: text, a number, a boolean."""
    return isinstance(value, str | bool | Real | Decimal)


def compare_as(value: Any) -> Compared:
    """The value as it is compared; two values are the same where this is equal.

    >>> compare_as("1.0") == compare_as(1), compare_as(True), compare_as(" Male ")
    (True, 'true', 'male')
    """
    text = fold_text(spell(value))
    return Decimal(text) if _NUMBER.fullmatch(text) else text


def spell(value: Any) -> str:
    """A value of `is_code` as text: that of JSON for booleans, the shortest for floats."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    # A NumPy number's own text may name its type.
    return (
        str(float(value)) if isinstance(value, Real) and not isinstance(value, int) else str(value)
    )


def spellings_of(first: Compared, second: Compared) -> tuple[frozenset[Any], frozenset[Any]]:
    """All that compares as one and as the other of a head's two values.

    Where one is a yes and the other a no, every yes (`true`, `yes`, `on`, 1) is the one and every
    no the other. Where they are not, such as 1 and 2, `true` is no 1.
    """
    for one, other in ((_YES, _NO), (_NO, _YES)):
        if first in one and second in other:
            return one, other
    return frozenset({first}), frozenset({second})

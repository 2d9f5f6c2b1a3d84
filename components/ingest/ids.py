"""Ids of authors and posts: a field's value in, the text by which records are joined out.

| given | id |
|---|---|
| text | without white space and unseen characters around it; `17.0` is `17`, `017` and `1e3` stay |
| a whole number, also as a float below 2^53 or a decimal | its digits |
| a UUID | as text, such as `0f8fad5b-d9cb-469f-a165-70867728950e` |
| bytes | their text where they are printable UTF-8, else hexadecimal digits |
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from numbers import Integral, Real
from typing import Any
from uuid import UUID

from components.label_values import NOTHING, is_unknown

EXACT_FLOATS = 2**53
NO_ID = "is neither text nor a whole number"
INEXACT = "is a float of 2^53 or more, whose last digits are lost"
_LONGEST_SHAPE = 64
_MARKS = frozenset("-_.@:/#")
_UNSEEN = "\u200b\u200c\u200d\u2060\ufeff"
_AROUND = _UNSEEN + "".join(chr(code) for code in range(0x3001) if chr(code).isspace())
_WHOLE = re.compile(r"(-?[0-9]+)\.0+")
_HEX = re.compile(r"(?=.*[0-9])(?=.*[a-fA-F])[0-9a-fA-F][0-9a-fA-F-]{7,}")


class IdError(ValueError):
    """No id; the message says why, to stand behind the name of the field."""


def read_id(value: Any) -> tuple[str | None, bool]:
    """The id, None where it is not given, and whether it is written otherwise than it was given.

    Example:
        17 -> ("17", False); 17.0, "17.0" or " 17" -> ("17", True); NaN or " " -> (None, False)

    Raises:
        IdError: the value is no id, or a float that holds no exact one.
    """
    if value is None or (not isinstance(value, str) and is_unknown(value, NOTHING)):
        return None, False
    text = _id_text(value)
    return text or None, bool(text) and not isinstance(value, bytes) and text != str(value)


def _id_text(value: Any) -> str:
    if isinstance(value, str):
        return _without_fraction(value.strip(_AROUND))
    if isinstance(value, bytes):
        return text_of_bytes(value) or value.hex()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, bool) or not isinstance(value, Real | Decimal):
        raise IdError(NO_ID)
    if isinstance(value, Integral):
        # Not by way of a float, which holds no number of more than 308 digits.
        return str(int(value))
    number = value if isinstance(value, Decimal) else float(value)
    if not math.isfinite(number) or int(number) != number:
        raise IdError(NO_ID)
    if isinstance(number, float) and abs(number) >= EXACT_FLOATS:
        raise IdError(INEXACT)
    return str(int(number))


def _without_fraction(text: str) -> str:
    whole = _WHOLE.fullmatch(text)
    if whole is None:
        return text
    digits = whole[1].lstrip("-0")
    if len(digits) > 16 or int(digits or 0) >= EXACT_FLOATS:
        raise IdError(INEXACT)
    return whole[1]


def text_of_bytes(value: bytes) -> str:
    r"""The text of bytes of a fixed size, without the zeros that fill them; "" where they are none.

    >>> text_of_bytes(b"au1\0\0"), text_of_bytes(b"\x9f\x01")
    ('au1', '')
    """
    try:
        text = value.rstrip(b"\0").decode()
    except UnicodeDecodeError:
        return ""
    return text if text.isprintable() else ""


def shape_of(author_id: str) -> str:
    """What an id looks like, which tells nobody which one it is: kinds of characters and length.

    >>> [shape_of(one) for one in ("017", "user_17", "Ash", "0f8fad5b-d9cb-469f-a165-70867728950e")]
    ['digits, first 0 (3)', 'small letters, digits, _ (7)', 'letters (3)', 'hex with dashes (36)']
    """
    length = str(len(author_id)) if len(author_id) <= _LONGEST_SHAPE else f"over {_LONGEST_SHAPE}"
    if author_id.isdecimal():
        return f"digits{', first 0' * author_id.startswith('0')} ({length})"
    if _HEX.fullmatch(author_id):
        return f"hex{' with dashes' * ('-' in author_id)} ({length})"
    return f"{', '.join(_kinds(author_id))} ({length})"


def _kinds(author_id: str) -> list[str]:
    letters = "".join(filter(str.isalpha, author_id))
    case = "small " * letters.islower() + "capital " * letters.isupper()
    marks = {one for one in author_id if not one.isalnum()}
    return (
        [f"{case}letters"] * bool(letters)
        + ["digits"] * any(map(str.isdigit, author_id))
        + sorted(marks & _MARKS)
        + ["white space"] * any(map(str.isspace, marks))
        + ["other characters"] * any(not (m in _MARKS or m.isspace()) for m in marks)
    )

"""One line of JSON Lines: its bytes in, a raw record or the fault out.

Training and prediction read lines by this one function, so that they set aside the same ones.
Knows no TFX and no Beam.
"""

from __future__ import annotations

import json
from typing import Any

from components.ingest.encodings import UTF8, Encoding
from components.ingest.lines import Fault, RawRecord, not_valid

NOT_JSON = "not valid JSON"
NOT_AN_OBJECT = "not a JSON object"
REPEATED_FIELD = "a field is given twice"


class _RepeatedFieldError(Exception):
    """An object names a field twice; which value was meant cannot be known."""


def parse_json_line(number: int, content: bytes, encoding: Encoding = UTF8) -> RawRecord | Fault:
    """The object of a line; `number` is the line's, counted from 1.

    Args:
        number: of the line.
        content: the line.
        encoding: the file's.

    Example:
        3, b'{"author_id": "a", "text": "hi"}' -> RawRecord(3, {"author_id": "a", "text": "hi"})
        4, b'{"text": "hi", "text": "ho"}' -> Fault(4, "a field is given twice")
    """
    try:
        fields = _DECODER.decode(encoding.decode(content))
    except UnicodeDecodeError:
        return Fault(number, not_valid(encoding.name))
    except _RepeatedFieldError:
        return Fault(number, REPEATED_FIELD)
    except (ValueError, RecursionError):
        return Fault(number, NOT_JSON)
    if not isinstance(fields, dict):
        return Fault(number, NOT_AN_OBJECT)
    return RawRecord(number, fields)


def _object_of_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise _RepeatedFieldError
    return fields


_DECODER = json.JSONDecoder(object_pairs_hook=_object_of_pairs)

"""Bytes of a request to a JSON object or a protobuf message, counted before anything is built.

A tree of Python objects takes up to a hundred times the memory of its bytes, and what reads it
takes time for each element. So how many objects, lists, keys and values a body holds, and how deep
they lie, is counted first, over the bytes: in a few passes of C over JSON, in a walk that ends at
the bound over a message. All that follows is then linear in bounded numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import accumulate
from typing import Any

import numpy as np
import orjson
from google.protobuf.message import DecodeError, Message

from components.serving.server.refusals import Refusal
from components.serving.server.settings import ServerSettings

FORM = 'Send {"instances": [{"posts": ["...", "..."]}]}'
_MOST_DEPTH = 32
# Objects and lists, and keys: an instance takes two of each; the rest is for outputs asked for.
_NAMES_PER_AUTHOR, _NAMES_BESIDE = 4, 1024
_BOM = b"\xef\xbb\xbf"
_MANY_QUOTES = 20_000
_CONTAINERS = (dict, list)
_BRACKETS = b"{[}]"
_NO_BRACKETS = bytes(set(range(256)) - set(_BRACKETS))


def most_names(settings: ServerSettings) -> int:
    """The most objects and lists, the most keys, and the most fields of messages in a request."""
    return _NAMES_PER_AUTHOR * settings.max_instances + _NAMES_BESIDE


def most_values(settings: ServerSettings) -> int:
    """The most values in a request: every post of every author, and what holds them."""
    return settings.max_instances * settings.max_posts + most_names(settings)


def read_json(body: bytes, settings: ServerSettings) -> dict[str, Any]:
    """The body as a JSON object; a byte order mark at its start is left out. Raises Refusal."""
    body = body.removeprefix(_BOM)
    keys = _count_keys(body, settings)
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        # The parser's message may quote the body; its place does not.
        raise Refusal(
            f"The body must be JSON in UTF-8; it is not, at line {error.lineno}, column "
            f"{error.colno}. {FORM}."
        ) from None
    if not isinstance(value, dict):
        raise Refusal(f"The body must be a JSON object; it is {kind_of(value)}. {FORM}.")
    # The parser keeps the last of several; which one the client meant cannot be known.
    repeated = keys - sum(map(len, _objects(value)))
    if repeated:
        raise Refusal(
            f"A JSON object must hold each of its keys once; this body repeats {repeated}. "
            "Leave the others out."
        )
    return value


def _count_keys(body: bytes, settings: ServerSettings) -> int:
    """The keys of all objects. Raises Refusal where the body holds more than a request needs."""
    names, values = most_names(settings), most_values(settings)
    structure = _outside_strings(body)
    containers = structure.count(b"{") + structure.count(b"[")
    keys = structure.count(b":")
    _refuse_more("objects and lists", containers, names)
    _refuse_more("keys", keys, names)
    _refuse_more("values", structure.count(b",") + 1, values)
    # What closes more than was opened is no JSON, which the parser says of its place.
    brackets = structure.translate(None, _NO_BRACKETS)[: 2 * containers]
    depth = max(accumulate(1 if bracket in b"{[" else -1 for bracket in brackets), default=0)
    _refuse_more("objects and lists within each other", depth, _MOST_DEPTH)
    return keys


def _outside_strings(body: bytes) -> bytes:
    r"""What stands outside of the strings of a JSON text.

    >>> _outside_strings(rb'{"a,\\": ["\"[", 1]}')
    b'{: [, 1]}'
    """
    # A run of backslashes begins with whole pairs; what is left of it escapes the next character.
    has_escapes = b"\\" in body
    unescaped = body.replace(b"\\\\", b"").replace(b'\\"', b"") if has_escapes else body
    if unescaped.count(b'"') <= _MANY_QUOTES:
        return b"".join(unescaped.split(b'"')[::2])
    # No object per string; of few and long strings it takes twenty times as long.
    characters = np.frombuffer(unescaped, np.uint8)
    quotes = characters == ord('"')
    within = np.bitwise_xor.accumulate(quotes.view(np.uint8)).view(bool)
    return bytes(characters[~(quotes | within)])


def _refuse_more(what: str, number: int, most: int) -> None:
    if number > most:
        raise Refusal(
            f"The body must be JSON with at most {most} {what}; this one has {number}. "
            "Send several requests."
        )


def _objects(tree: Any) -> Iterator[dict[str, Any]]:
    """Every object of a JSON tree."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            node = node.values()
        waiting.extend(part for part in node if isinstance(part, _CONTAINERS))


def kind_of(value: Any) -> str:
    """What a JSON value is, for a message that does not quote it."""
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean"}
    if value is None:
        return "null"
    return names.get(type(value), "a number")


def read_message(data: bytes, kind: type[Message], most_fields: int) -> Any:
    """A protobuf message.

    Raises:
        Refusal: it and the messages within it hold more fields than `most_fields`.
        DecodeError: it is no such message.
    """
    try:
        _check_fields(data, kind.DESCRIPTOR, most_fields)
    except IndexError:
        raise DecodeError("it ends too early") from None
    return kind.FromString(data)


def _check_fields(data: bytes, descriptor: Any, most: int) -> None:
    """Refuses more fields. Messages of scalars alone are not entered: they grow eightfold at most.

    Source of the form: https://protobuf.dev/programming-guides/encoding/
    """
    fields, waiting = 0, [(0, len(data), descriptor)]
    while waiting:
        place, end, current = waiting.pop()
        while place < end:
            fields += 1
            if fields > most:
                raise Refusal(
                    f"A request must hold at most {most} fields; this one holds more. "
                    "Send several requests."
                )
            tag, place = _varint(data, place)
            start, place = _field_end(data, place, tag & 7)
            inner = _entered(current).get(tag >> 3)
            if inner is not None:
                waiting.append((start, place, inner))


def _field_end(data: bytes, place: int, wire: int) -> tuple[int, int]:
    """Where a field's value begins and ends. Raises DecodeError."""
    if wire == 0:
        return place, _varint(data, place)[1]
    if wire == 2:
        size, place = _varint(data, place)
        return place, place + size
    if wire in (1, 5):
        return place, place + (8 if wire == 1 else 4)
    raise DecodeError("a field of no known form")


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """A number of at most ten bytes and the place after it. Raises DecodeError or IndexError."""
    value = 0
    for index in range(10):
        byte = data[place + index]
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return value, place + index + 1
    raise DecodeError("a number of more than ten bytes")


@cache
def _entered(descriptor: Any) -> dict[int, Any]:
    """Types by field number of those parts of a message that are messages of messages."""
    return {
        field.number: field.message_type
        for field in descriptor.fields
        if field.message_type and any(part.message_type for part in field.message_type.fields)
    }

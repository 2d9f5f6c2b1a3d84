"""Rows of a Parquet file: an open file in, raw records and faults out.

Enters: an open binary file that can seek. Leaves: a `RawRecord` for each row, or a `Fault`, with
the row's number counted from 1. Holds a batch of rows. Binary columns are read as UTF-8 text, as
some writers leave the text mark out; what is no text, such as a UUID in 16 bytes, stays bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import IO, Any
from uuid import UUID

import pyarrow
from pyarrow import parquet

from components.ingest.headers import missing_columns
from components.ingest.ids import text_of_bytes
from components.ingest.lines import (
    BAD_HEADER,
    NOT_PARQUET,
    NOT_UTF8,
    TOO_LONG,
    Fault,
    RawRecord,
    Unreadable,
    is_damage,
)
from components.ingest.unreadable import Refused

UNREADABLE = "a value cannot be read"

# Python has no such time, number or text, or knows no such time zone.
_UNREADABLE = (ValueError, OverflowError, LookupError)
_ROWS_A_BATCH = 256
_BUFFER_BYTES = 1 << 20


def read_parquet(
    stored: IO[bytes], maximum_bytes: int, required: Sequence[str] = ()
) -> Iterator[RawRecord | Fault]:
    """Every row of the file; where it breaks, one Fault and nothing after it.

    Args:
        stored: the file; an empty one has no rows.
        maximum_bytes: longest row read, as the sum of its text and binary fields.
        required: columns that it must have.

    Raises:
        Refused: it lacks a column.
        OSError: the storage fails; damaged content is a Fault instead.
    """
    if not stored.read(1):
        return
    stored.seek(0)
    row = 0
    try:
        file = parquet.ParquetFile(stored, buffer_size=_BUFFER_BYTES, pre_buffer=False)
        if len(set(file.schema_arrow.names)) < len(file.schema_arrow.names):
            yield Fault(1, BAD_HEADER)
            return
        if fault := missing_columns(file.schema_arrow.names, required):
            raise Refused(fault)
        for fields in _rows_of(file):
            row += 1
            is_long = _size_of(fields) > maximum_bytes
            yield Fault(row, TOO_LONG) if is_long else RawRecord(row, fields)
    except UnicodeDecodeError:
        # Of a column's name; one of a value is the fault of its row.
        yield Fault(row + 1, BAD_HEADER)
    except (pyarrow.ArrowException, OSError) as error:
        if isinstance(error, OSError) and not is_damage(error):
            raise
        yield Fault(row + 1, NOT_PARQUET)


def _rows_of(file: Any) -> Iterator[dict[str, Any]]:
    # Group by group, as a batch that reaches into a damaged group would take sound rows with it.
    uuids = _uuid_columns(file.schema)
    for group in range(file.num_row_groups):
        for batch in file.iter_batches(batch_size=_ROWS_A_BATCH, row_groups=[group]):
            columns = [
                _uuids_of(column) if name in uuids else _values_of(column)
                for name, column in zip(batch.schema.names, batch.columns, strict=True)
            ]
            for values in zip(*columns, strict=True):
                yield dict(zip(batch.schema.names, values, strict=True))


def _uuid_columns(schema: Any) -> frozenset[str]:
    """Columns that the file marks as UUIDs; Arrow takes its own mark alone for it."""
    columns = [schema.column(place) for place in range(len(schema))]
    return frozenset(one.path for one in columns if one.logical_type.type == "UUID")


def _uuids_of(column: Any) -> list[UUID | None]:
    given = column.to_pylist()
    return [UUID(bytes=value) if isinstance(value, bytes) else value for value in given]


def _values_of(column: Any) -> list[Any]:
    if pyarrow.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if not _is_bytes(column.type):
        try:
            values: list[Any] = column.to_pylist()
        except _UNREADABLE:
            pass
        else:
            return values
    return [_value_of(scalar) for scalar in column]


def _is_bytes(kind: pyarrow.DataType) -> bool:
    types = pyarrow.types
    return bool(
        types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind)
    )


def _value_of(scalar: Any) -> Any:
    try:
        value = scalar.as_py()
        if not isinstance(value, bytes):
            return value
        if pyarrow.types.is_fixed_size_binary(scalar.type):
            return text_of_bytes(value) or value
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.object if _is_bytes(scalar.type) else Unreadable(NOT_UTF8)
    except _UNREADABLE:
        return Unreadable(UNREADABLE)


def _size_of(fields: dict[str, Any]) -> int:
    return sum(len(value) for value in fields.values() if isinstance(value, str | bytes))

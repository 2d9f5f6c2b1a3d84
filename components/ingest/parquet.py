"""Rows of a Parquet file: an open file in, raw records and faults out.

Enters: an open binary file that can seek. Leaves: a `RawRecord` for each row, or a `Fault`, with
the row's number counted from 1. Holds a batch of rows. Called by `readers`. Binary columns are
read as UTF-8 text, as some writers leave the text mark out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

import pyarrow
from pyarrow import parquet

from components.ingest.lines import (
    BAD_HEADER,
    NOT_PARQUET,
    NOT_UTF8,
    TOO_LONG,
    Fault,
    RawRecord,
    is_damage,
)

UNREADABLE = "a value cannot be read"

_ROWS_A_BATCH = 256
_BUFFER_BYTES = 1 << 20


def read_parquet(stored: IO[bytes], maximum_bytes: int) -> Iterator[RawRecord | Fault]:
    """Every row of the file; where it breaks, one Fault and nothing after it.

    Args:
        stored: the file; an empty one has no rows.
        maximum_bytes: longest row read, as the sum of its text fields.

    Raises:
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
        for fields in _rows_of(file):
            row += 1
            cause = _find_fault(fields, maximum_bytes)
            yield Fault(row, cause) if cause else RawRecord(row, fields)
    except UnicodeDecodeError:
        # Of a column's name; one of a value is the fault of its row.
        yield Fault(row + 1, BAD_HEADER)
    except (pyarrow.ArrowException, OSError) as error:
        if isinstance(error, OSError) and not is_damage(error):
            raise
        yield Fault(row + 1, NOT_PARQUET)


@dataclass(frozen=True, slots=True)
class _Unreadable:
    cause: str


def _rows_of(file: Any) -> Iterator[dict[str, Any]]:
    # Group by group, as a batch that reaches into a damaged group would take sound rows with it.
    for group in range(file.num_row_groups):
        for batch in file.iter_batches(batch_size=_ROWS_A_BATCH, row_groups=[group]):
            columns = [_values_of(column) for column in batch.columns]
            for values in zip(*columns, strict=True):
                yield dict(zip(batch.schema.names, values, strict=True))


def _values_of(column: Any) -> list[Any]:
    is_binary = pyarrow.types.is_binary(column.type) or pyarrow.types.is_large_binary(column.type)
    if not is_binary:
        try:
            values: list[Any] = column.to_pylist()
        except (ValueError, OverflowError):
            pass
        else:
            return values
    return [_value_of(scalar) for scalar in column]


def _value_of(scalar: Any) -> Any:
    try:
        value = scalar.as_py()
        return value.decode("utf-8") if isinstance(value, bytes) else value
    except UnicodeDecodeError:
        return _Unreadable(NOT_UTF8)
    except (ValueError, OverflowError):
        return _Unreadable(UNREADABLE)


def _find_fault(fields: dict[str, Any], maximum_bytes: int) -> str | None:
    size = 0
    for value in fields.values():
        if isinstance(value, _Unreadable):
            return value.cause
        size += len(value) if isinstance(value, str) else 0
    return TOO_LONG if size > maximum_bytes else None

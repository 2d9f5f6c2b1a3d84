"""Files of answers: JSON Lines as `predict` prints them, or a table, CSV or Parquet.

Enters: answers, one mapping an author. Leaves: a file whose ending names its format. Holds one
answer, for Parquet a group of rows.

A table has the column author_id, then each head's own (`ServedHead.columns`): of `age`, a number,
age; of `income`, in groups, income_group and income_p0, income_p1, ...; of `gender`, one of two
values, gender_female and gender_male.
"""

from __future__ import annotations

import csv
import itertools
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from components.serving.assets import ServedHeads

FORMATS = (".jsonl", ".csv", ".parquet")
SET_ASIDE_SUFFIX = ".set_aside.jsonl"
# File systems take 255 bytes.
LONGEST_NAME = 255 - len(SET_ASIDE_SUFFIX)
_ROWS_A_GROUP = 10_000


class FormatError(ValueError):
    """The answers cannot be written as the output's ending says."""


def check_format(output: Path, served: ServedHeads) -> str:
    """The output's format, by its ending.

    Raises:
        FormatError: the ending is none of FORMATS, the name is too long, or two heads would share a
            column.
    """
    if output.suffix not in FORMATS:
        raise FormatError(
            f"the output's ending names its format: {', '.join(FORMATS)}. Received: {output}"
        )
    if (length := len(os.fsencode(output.name))) > LONGEST_NAME:
        raise FormatError(
            f"the output's name may take {LONGEST_NAME} bytes, as names of files beside it are "
            f"made of it; it takes {length}. Give a shorter one."
        )
    names = columns(served)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice and output.suffix != ".jsonl":
        raise FormatError(
            f"each column of a table must be of one head; {', '.join(twice)} would be of two. "
            "Write .jsonl."
        )
    return output.suffix


def write_answers(
    answers: Iterable[Mapping[str, Any]], path: Path, format_name: str, served: ServedHeads
) -> None:
    """Writes a whole file of answers, as `answer_window` gives them but with author_id."""
    if format_name == ".parquet":
        _write_parquet(answers, path, served)
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        if format_name == ".jsonl":
            file.writelines(json.dumps(answer, allow_nan=False) + "\n" for answer in answers)
            return
        table = csv.writer(file, lineterminator="\n")
        table.writerow(columns(served))
        table.writerows(row(answer, served) for answer in answers)


def columns(served: ServedHeads) -> list[str]:
    """Names of a table's columns.

    >>> from components.heads.served import ServedNumber
    >>> columns(ServedHeads((ServedNumber(name="age", kind="regression"),), " "))
    ['author_id', 'age']
    """
    return ["author_id", *(name for head in served.heads for name in head.columns)]


def row(answer: Mapping[str, Any], served: ServedHeads) -> list[Any]:
    """One author's values, in the order of the columns."""
    values = [answer["author_id"]]
    for head in served.heads:
        values += head.row(answer[head.name])
    return values


def _write_parquet(answers: Iterable[Mapping[str, Any]], path: Path, served: ServedHeads) -> None:
    import pyarrow
    from pyarrow import parquet

    types = ["string", *(kind for head in served.heads for kind in head.column_types)]
    schema = pyarrow.schema(zip(columns(served), map(pyarrow.type_for_alias, types), strict=True))
    rows = (row(answer, served) for answer in answers)
    with parquet.ParquetWriter(path, schema) as table:
        while group := list(itertools.islice(rows, _ROWS_A_GROUP)):
            arrays = [
                pyarrow.array(values, type=field.type)
                for values, field in zip(zip(*group, strict=True), schema, strict=True)
            ]
            table.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))

"""Files of answers: JSON Lines as `predict` prints them, or a table, CSV or Parquet.

Enters: answers, one mapping an author. Leaves: a file whose ending names its format. Called by
`run`. Holds one answer, for Parquet a group of rows.

A table has these columns:

| head | columns |
|---|---|
| | author_id |
| regression `age` | age |
| classes `income` | income_group, and the probability of each group: income_p0, income_p1, ... |
| binary `gender` | the probability of each value: gender_female, gender_male |
"""

from __future__ import annotations

import csv
import itertools
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from components.heads.declared import HEADS
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
    """Writes a whole file of answers in the order given.

    Args:
        answers: as `answering.answer_window` gives them, with author_id.
        path: the file; written over.
        format_name: one of FORMATS.
        served: the heads.
    """
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

    >>> columns(ServedHeads(({"name": "age", "kind": "regression"},), " "))
    ['author_id', 'age']
    """
    return ["author_id", *(name for head in served.heads for name in _columns_of(head))]


def _columns_of(head: Mapping[str, Any]) -> list[str]:
    return HEADS[head["kind"]].served.model_validate(head).columns


def row(answer: Mapping[str, Any], served: ServedHeads) -> list[Any]:
    """One author's values, in the order of the columns."""
    values = [answer["author_id"]]
    for head in served.heads:
        value = answer[head["name"]]
        if head["kind"] == "regression":
            values.append(value)
        elif head["kind"] == "binary":
            values += [value[head["positive"]], value[head["negative"]]]
        else:
            values += [value["group"], *value["probabilities"]]
    return values


def _write_parquet(answers: Iterable[Mapping[str, Any]], path: Path, served: ServedHeads) -> None:
    import pyarrow
    from pyarrow import parquet

    schema = pyarrow.schema(
        [(name, pyarrow.type_for_alias(kind)) for name, kind in _column_types(served)]
    )
    rows = (row(answer, served) for answer in answers)
    with parquet.ParquetWriter(path, schema) as table:
        while group := list(itertools.islice(rows, _ROWS_A_GROUP)):
            arrays = [
                pyarrow.array(values, type=field.type)
                for values, field in zip(zip(*group, strict=True), schema, strict=True)
            ]
            table.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))


def _column_types(served: ServedHeads) -> Iterator[tuple[str, str]]:
    groups = {f"{head['name']}_group" for head in served.heads if head["kind"] == "classes"}
    for name in columns(served):
        kind = "string" if name == "author_id" else "int64" if name in groups else "float64"
        yield name, kind

"""What the component `Table` leaves, one file `table.npz`, and how it is read.

| array | shape | |
|---|---|---|
| `idf` | float32 `[terms]` | inverse document frequencies in `train`: of ids, then of pairs |
| `pair_keys` | int64 `[pairs]` | of `components.training.pairs.pair_keys` |
| `table` | float32 `[terms, width]` | where a network's table of terms starts |
| `singular` | float32 `[width]` | singular values, falling |
| `authors` | int64 | authors of `train` |
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

TABLE_FILE = "table.npz"


@dataclass(frozen=True)
class Table:
    """The content of `table.npz`, see the module; terms are the vocabulary's ids, then the pairs.

    Attributes:
        idf: 0 for padding and out of vocabulary.
        pair_keys: ascending.
        table: right singular vectors of `train`'s TF-IDF over the roots of the singular values,
            scaled so that its entries have a mean square of 1.
        singular: of the same decomposition.
        authors: of `train`.
    """

    idf: np.ndarray
    pair_keys: np.ndarray
    table: np.ndarray
    singular: np.ndarray
    authors: int

    @property
    def terms(self) -> int:
        """Ids and pairs."""
        return len(self.idf)

    @property
    def vocabulary_size(self) -> int:
        """Ids, which are the first terms."""
        return self.terms - len(self.pair_keys)


def read_table(folder: str) -> Table:
    """The table of an artifact's folder, which may be in a bucket."""
    arrays = read_arrays(os.path.join(folder, TABLE_FILE))
    return Table(**{**arrays, "authors": int(arrays["authors"])})


def write_table(table: Table, folder: str) -> None:
    """The inverse of `read_table`."""
    write_arrays(os.path.join(folder, TABLE_FILE), vars(table))


def read_arrays(path: str) -> dict[str, Any]:
    """Arrays by name from a file of `np.savez`, which may be in a bucket."""
    with tf.io.gfile.GFile(path, "rb") as file, np.load(io.BytesIO(file.read())) as arrays:
        return dict(arrays)


def write_arrays(path: str, arrays: dict[str, Any]) -> None:
    """The inverse of `read_arrays`; makes the folder."""
    content = io.BytesIO()
    np.savez(content, **arrays)
    tf.io.gfile.makedirs(os.path.dirname(path))
    with tf.io.gfile.GFile(path, "wb") as file:
        file.write(content.getvalue())

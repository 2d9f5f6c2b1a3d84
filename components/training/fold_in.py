"""A new table's rows in the basis of an earlier, trained one.

Enters: rows of a decomposition of today's authors, rows that an earlier network trained, and which
of both are of the same term. Leaves: for each of today's terms a row in the *earlier* basis. Each
decomposition has axes of its own, so that a new term's row would mean nothing beside trained ones:

    map  = argmin |new rows of kept terms @ map - trained rows|^2 + a slight ridge
    rows = trained where the term is kept, else new row @ map

Least squares in place of a rotation (Schönemann, "A Generalized Solution of the Orthogonal
Procrustes Problem", 1966), since training has changed lengths too and the widths may differ. That
new terms follow from documents that hold known ones is "folding in" (Berry, Dumais and O'Brien,
"Using Linear Algebra for Intelligent Information Retrieval", 1995).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from components.features.transform import RESERVED_IDS
from components.training.pairs import FIRST_PLACE

Places = list[tuple[int, int]]
"""(new row, earlier row) of the same term."""

RIDGE = 1e-6
"""Beside the mean square of a new row's numbers, summed over the kept terms."""
TERMS_OF_A_NUMBER = 2
"""Kept terms for each number of a row, at the least, or the map would be made up."""


def kept_tokens(before: Sequence[str], now: Sequence[str]) -> Places:
    """Rows of padding, of the unknown, and of each token in both vocabularies."""
    old = {token: place + RESERVED_IDS for place, token in enumerate(before)}
    kept = [(place + RESERVED_IDS, old[token]) for place, token in enumerate(now) if token in old]
    return [(reserved, reserved) for reserved in range(RESERVED_IDS)] + kept


def kept_pairs(
    before: np.ndarray, now: np.ndarray, tokens: Places, first: tuple[int, int]
) -> Places:
    """Rows of each pair in both lists, whose words are kept.

    Args:
        before: keys of `pairs.pair_keys`.
        now: the same, today.
        tokens: of `kept_tokens`.
        first: rows of the first pair, (new, earlier).
    """
    new_of = {old: new for new, old in tokens}
    place_of = {int(key): place for place, key in enumerate(now)}
    rows = []
    for place, key in enumerate(before):
        one, two = (new_of.get(int(part)) for part in divmod(key, FIRST_PLACE))
        if one is None or two is None:
            continue
        found = place_of.get(one * FIRST_PLACE + two)
        if found is not None:
            rows.append((first[0] + found, first[1] + place))
    return rows


def are_enough(kept: Places, new: np.ndarray) -> bool:
    """Whether a map can be fitted on the kept terms."""
    return bool(len(kept) - RESERVED_IDS >= TERMS_OF_A_NUMBER * new.shape[1])


def fold_in(new: np.ndarray, earlier: np.ndarray, kept: Places) -> np.ndarray:
    """Rows in the earlier basis; see the module.

    Args:
        new: float32 `[terms, width]`.
        earlier: float32 `[earlier terms, earlier width]`.
        kept: of `kept_tokens` and `kept_pairs`.

    Returns:
        float32 `[terms, earlier width]`.
    """
    new_rows, earlier_rows = np.array(kept).T
    rows = (new @ _fit_map(new[new_rows], earlier[earlier_rows])).astype("float32")
    rows[new_rows] = earlier[earlier_rows]
    return np.asarray(rows)


def _fit_map(rows: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """float32 `[width, earlier width]`."""
    squares = (rows.T @ rows).astype("float64")
    slight = RIDGE * np.trace(squares) / len(squares) * np.eye(len(squares))
    found = np.linalg.solve(squares + slight, (rows.T @ wanted).astype("float64"))
    return np.asarray(found.astype("float32"))

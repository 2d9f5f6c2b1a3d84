"""The corpus as a plain script would hold it: one array, padded to the longest author; its texts.

Called by the contenders; needs NumPy alone.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

BATCH = 32
VOCABULARY = 50_000
UNITS = {"age": 1, "income": 10, "gender": 1}
AUTHORS_FILE = "authors.jsonl"
"""Beside the arrays, the authors as they were before they were cut into tokens."""
EVAL_SHARE = 5
"""One author of so many is in `eval`."""


@dataclass(frozen=True)
class Arrays:
    """Some authors.

    Attributes:
        tokens: int32 `[authors, longest]`, 0 = padding.
        lengths: of each author.
        targets: {head: float32 `[authors, width]`}.
    """

    tokens: np.ndarray
    lengths: np.ndarray
    targets: dict[str, np.ndarray]


def read_arrays(path: str) -> tuple[Arrays, Arrays]:
    """`train` and `eval` of a corpus."""
    with np.load(path, allow_pickle=False) as stored:
        lengths, flat = stored["lengths"], stored["tokens"]
        targets = {head: stored[head] for head in UNITS}
    tokens = np.zeros((len(lengths), lengths.max()), "int32")
    tokens[np.arange(tokens.shape[1]) < lengths[:, None]] = flat
    selects = np.arange(len(lengths)) % EVAL_SHARE == 0
    train, selecting = (
        Arrays(tokens[part], lengths[part], {head: y[part] for head, y in targets.items()})
        for part in (~selects, selects)
    )
    return train, selecting


def read_pair_keys(path: str) -> np.ndarray:
    """The corpus's commonest pairs, as `components.training.pairs.pair_keys` has them."""
    with np.load(path, allow_pickle=False) as stored:
        return np.asarray(stored["pair_keys"])


def read_posts(path: str, most: int | None = None) -> list[list[str]]:
    """The posts of a corpus's authors, of the first `most` alone."""
    with Path(path).with_name(AUTHORS_FILE).open(encoding="utf-8") as lines:
        return [json.loads(line)["posts"] for line in itertools.islice(lines, most)]


def mean_skill(answers: dict[str, np.ndarray], targets: dict[str, np.ndarray]) -> float:
    """Mean over heads of 1 - loss / loss of the best constant answer, as the Tuner's objective."""
    skills = []
    for head, truth in targets.items():
        constant = np.broadcast_to(truth.mean(axis=0), truth.shape)
        losses = [_loss(head, values, truth) for values in (answers[head], constant)]
        skills.append(1 - losses[0] / losses[1])
    return float(np.mean(skills))


def _loss(head: str, answers: np.ndarray, truth: np.ndarray) -> float:
    if head == "age":
        return float(np.mean((answers - truth) ** 2))
    likely = np.clip(answers.astype("float64"), 1e-7, 1 - 1e-7)
    if head == "gender":
        return float(-np.mean(truth * np.log(likely) + (1 - truth) * np.log(1 - likely)))
    return float(-np.mean((truth * np.log(likely)).sum(axis=1)))

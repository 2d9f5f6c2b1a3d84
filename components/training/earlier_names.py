"""The network that an earlier training left, whatever the release that named its parts.

Releases before the separator in names called a head's layers `<head>`, `<head>_trunk`,
`<head>_words`, and what they knew of its labels `<head>_mean`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from components.heads.base import Head
from components.training.linear import ANSWER

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class EarlierNetwork:
    """What `save_network` left.

    Attributes:
        arrays: weights by `<layer>/<weight>`.
        tokens: of the vocabulary; the first has id 2.
        facts: of `ServedModel.label_facts`, and of a head in steps how many, `<head>.steps`.
    """

    arrays: Arrays
    tokens: list[str]
    facts: dict[str, float]


def with_separators(network: EarlierNetwork, heads: Sequence[Head]) -> EarlierNetwork:
    """The same with the names of this release; a network that has them is left as it is."""
    layers = {
        f"{head.name}_{part}": head.internal(part) for head in heads for part in ("trunk", "words")
    } | {head.name: head.internal(ANSWER) for head in heads}
    facts = {
        f"{head.name}_{fact}": head.internal(fact)
        for head in heads
        for fact in (*head.facts, "steps")
    }
    arrays = {}
    for name, array in network.arrays.items():
        layer, slash, weight = name.partition("/")
        arrays[layers.get(layer, layer) + slash + weight] = array
    renamed = {facts.get(name, name): value for name, value in network.facts.items()}
    return EarlierNetwork(arrays, network.tokens, renamed)

"""The network that an earlier training left, whatever the release that named its parts.

Releases before the separator in names called a head's layers `<head>`, `<head>_trunk`,
`<head>_words`, and what they knew of its labels `<head>_mean`. Releases before the kind `conv` had
kinds of which no weight has a place any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from components.heads.base import Head
from components.heads.names import ANSWER
from components.training.settings import OLD_KINDS

Arrays = Mapping[str, np.ndarray]

TABLE_ROWS, EMBEDDED = "table/table", "embedding/embeddings"
"""The weight that has a row for each term, and for each token."""
OF_OLD_KIND = " or ".join(OLD_KINDS)


@dataclass(frozen=True)
class EarlierNetwork:
    """What `save_network` left.

    Attributes:
        arrays: weights by `<layer>/<weight>`.
        tokens: of the vocabulary; the first has id 2.
        facts: of `ServedModel.label_facts`, and what share of authors it may have learned from.
    """

    arrays: Arrays
    tokens: list[str]
    facts: dict[str, Any]

    @property
    def kind(self) -> str:
        """Of the network: 'conv', 'reference', `OF_OLD_KIND`, or empty where it is none of them."""
        if any(name.endswith("words/table") for name in self.arrays):
            return OF_OLD_KIND
        if TABLE_ROWS in self.arrays:
            return "conv"
        return "reference" if EMBEDDED in self.arrays else ""


def with_separators(network: EarlierNetwork, heads: Sequence[Head]) -> EarlierNetwork:
    """The same with the names of this release; a network that has them is left as it is."""
    layers = {head.name: head.internal(ANSWER) for head in heads}
    facts = {f"{head.name}_{fact}": head.internal(fact) for head in heads for fact in head.facts}
    arrays = {}
    for name, array in network.arrays.items():
        layer, slash, weight = name.partition("/")
        arrays[layers.get(layer, layer) + slash + weight] = array
    renamed = {facts.get(name, name): value for name, value in network.facts.items()}
    return EarlierNetwork(arrays, network.tokens, renamed)

"""Token ids to the weighed terms of each author: words, and pairs of neighbouring words.

| enters | leaves |
|---|---|
| `tokens` int32 `[batch, tokens]`, 0 = padding | `ids` int32 `[batch, terms]`, ascending |
| | `weights` float32 `[batch, terms]`, 0 but at the first of equal ids |

The weights are those of TF-IDF with a Euclidean norm of 1 an author (`words.WordWeights`). The
linear baseline and the network read the same two tensors, in training and in service.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from components.training.pairs import NeighbourPairs
from components.training.words import WordWeights


def weigh_terms(tokens: Any, rarities: np.ndarray, pair_keys: np.ndarray) -> tuple[Any, Any]:
    """Adds the layers of the module's table to a Keras graph.

    Args:
        tokens: symbolic, int32 `[batch, tokens]`.
        rarities: float32 `[terms]`, the inverse document frequency of each word, then each pair.
        pair_keys: of `pairs.pair_keys`; may be empty.
    """
    size, pairs = len(rarities), len(pair_keys)
    if pairs:
        find = NeighbourPairs(size - pairs, pairs, name="pairs")
        tokens = find(tokens)
        find.keys.assign(pair_keys)
    weigh = WordWeights(size, name="word_weights")
    weighed: tuple[Any, Any] = weigh(tokens)
    weigh.rarities.assign(rarities)
    return weighed

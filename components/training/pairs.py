"""Pairs of neighbouring words: which have a row in the table, and where an author uses them.

Enters: token ids and the list of the training split's commonest pairs, which the Transform counts.
Leaves: the feature number of each neighbouring pair, after those of the single words. It follows
from the ids in the network's own graph, so training, judging and service cannot differ in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from components.training.layers import PADDING_ID

FIRST_PLACE = 2**31
"""A pair's key is `first id * FIRST_PLACE + second id`."""


def pair_keys(lines: Iterable[str], ids: Mapping[str, int]) -> np.ndarray:
    """Ascending int64 keys of counted pairs; one with a word out of vocabulary is left out.

    >>> pair_keys(["of the", "the of", "the rarest"], {"of": 2, "the": 3}) - 2 * FIRST_PLACE
    array([         3, 2147483650])
    """
    words = (line.split(" ") for line in lines)
    known = [pair for pair in words if len(pair) == 2 and all(word in ids for word in pair)]
    keys = [ids[first] * FIRST_PLACE + ids[second] for first, second in known]
    return np.array(sorted(keys), dtype="int64")


@keras.saving.register_keras_serializable("authorprofile")
class NeighbourPairs(keras.layers.Layer):
    """Each token id, then the feature number of each pair of neighbours.

    Args:
        vocabulary_size: ids in all; the first pair's number.
        pairs: keys in all. The keys themselves are assigned to `keys`, ascending.

    Input shape: int `[batch, tokens]`. Output shape: int `[batch, 2 * tokens - 1]`, 0 where a pair
    is not in the list.
    """

    def __init__(self, vocabulary_size: int, pairs: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.vocabulary_size = vocabulary_size
        self.pairs = pairs

    def build(self, input_shape: Any) -> None:
        self.keys = self.add_weight(
            shape=(self.pairs,), dtype="int64", initializer="zeros", trainable=False, name="keys"
        )

    def call(self, ids: Any) -> Any:
        wide = ops.cast(ids, "int64")
        wanted = wide[:, :-1] * FIRST_PLACE + wide[:, 1:]
        places = ops.searchsorted(self.keys, ops.reshape(wanted, (-1,)))
        places = ops.reshape(ops.cast(places, "int32"), ops.shape(wanted))
        places = ops.minimum(places, self.pairs - 1)
        found = ops.take(self.keys, places) == wanted
        numbers = ops.where(found, places + self.vocabulary_size, PADDING_ID)
        return ops.concatenate([ids, ops.cast(numbers, ids.dtype)], axis=1)

    def compute_output_spec(self, ids: Any) -> keras.KerasTensor:
        width = None if ids.shape[1] is None else 2 * ids.shape[1] - 1
        return keras.KerasTensor((ids.shape[0], width), dtype=ids.dtype)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "pairs": self.pairs,
        }

"""TF-IDF of an author's words and pairs, in the network's graph.

Enters: token ids, 0 = padding, 1 = out of vocabulary, and the numbers of `pairs.NeighbourPairs`
after them. Leaves: a weight for each of the author's distinct ones, by how often the author uses it
and how few authors do:

    weight = (1 + ln count) * (1 + ln((1 + authors) / (1 + authors who use it)))

scaled to a Euclidean norm of 1 an author: what scikit-learn's `TfidfVectorizer(sublinear_tf=True)`
computes, without leaving the graph.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from keras import ops

from components.training.layers import UNKNOWN_ID
from components.training.windows import NO_SEPARATOR

STEP_SCALE = 100.0
"""A word's weight is this times its parameter. Adam moves each parameter by about the learning rate
a step, which suits the trunk; the few authors who use a rare word need larger steps."""


@dataclass(frozen=True)
class WordFacts:
    """What the training split says of words.

    Attributes:
        authors: in the training split.
        document_frequencies: int64 `[vocabulary + pairs]`, authors who use each id, then each pair.
        separator_id: id of the token between posts; `NO_SEPARATOR` where no author has two posts.
        pair_keys: of `pairs.pair_keys`.
    """

    authors: int
    document_frequencies: np.ndarray
    separator_id: int = NO_SEPARATOR
    pair_keys: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype="int64"))

    def inverse_document_frequencies(self) -> np.ndarray:
        """float32 `[vocabulary + pairs]`; 0 for padding and out of vocabulary."""
        rarity = 1 + np.log((1 + self.authors) / (1 + self.document_frequencies))
        rarity[: UNKNOWN_ID + 1] = 0
        return rarity.astype("float32")


@keras.saving.register_keras_serializable("authorprofile")
class WordWeights(keras.layers.Layer):
    """Weights of an author's distinct tokens.

    Args:
        vocabulary_size: ids in all.

    Input shape: int `[batch, tokens]`. Output: the ids in ascending order, int `[batch, tokens]`,
    and float32 `[batch, tokens]`, each token's weight where it stands first, else 0.
    """

    def __init__(self, vocabulary_size: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.vocabulary_size = vocabulary_size

    def build(self, input_shape: Any) -> None:
        self.rarities = self.add_weight(
            shape=(self.vocabulary_size,), initializer="ones", trainable=False, name="rarities"
        )

    def call(self, ids: Any) -> tuple[Any, Any]:
        ids = ops.sort(ids, axis=1)
        rows, tokens = ops.shape(ids)[0], ops.shape(ids)[1]
        is_first = ops.concatenate(
            [ops.ones_like(ids[:, :1], dtype="bool"), ids[:, 1:] != ids[:, :-1]], axis=1
        )
        run = ops.cumsum(ops.cast(is_first, "int32"), axis=1) - 1
        run = ops.reshape(run + ops.arange(rows)[:, None] * tokens, (-1,))
        counts = ops.segment_sum(ops.ones_like(run, dtype="float32"), run, rows * tokens)
        counts = ops.reshape(ops.take(counts, run), ops.shape(ids))
        weights = ops.where(is_first, 1 + ops.log(counts), 0.0) * ops.take(self.rarities, ids)
        squares = ops.sum(weights * weights, axis=1, keepdims=True)
        return ids, weights * ops.rsqrt(ops.maximum(squares, 1e-12))

    def compute_output_spec(self, ids: Any) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        return (
            keras.KerasTensor(ids.shape, dtype=ids.dtype),
            keras.KerasTensor(ids.shape, dtype="float32"),
        )

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "vocabulary_size": self.vocabulary_size}


@keras.saving.register_keras_serializable("authorprofile")
class LinearWords(keras.layers.Layer):
    """A weight a word and unit, summed over an author's words, and a bias; starts at `start`.

    Args:
        vocabulary_size: ids in all, pairs among them.
        units: numbers that leave.
        penalty: of the squared weights, added to the loss; the bias is free.
        start: first value of each unit's bias; None: there is no bias.

    Input shape: `WordWeights`' two outputs. Output shape: float32 `[batch, units]`.
    """

    def __init__(
        self,
        vocabulary_size: int,
        units: int,
        penalty: float,
        start: list[float] | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.vocabulary_size = vocabulary_size
        self.units = units
        self.penalty = penalty
        self.start = start

    def build(self, ids_shape: Any, weights_shape: Any = None) -> None:
        self.table = self.add_weight(
            shape=(self.vocabulary_size, self.units),
            initializer="zeros",
            regularizer=keras.regularizers.L2(self.penalty * STEP_SCALE**2),
            name="table",
        )
        if self.start is not None:
            self.bias = self.add_weight(shape=(self.units,), initializer="zeros", name="bias")
            self.bias.assign(self.start)

    def call(self, ids: Any, weights: Any) -> Any:
        rows = ops.take(self.table, ids, axis=0)
        total = STEP_SCALE * ops.einsum("bt,btu->bu", weights, rows)
        return total if self.start is None else total + self.bias

    def compute_output_spec(self, ids: Any, weights: Any) -> keras.KerasTensor:
        return keras.KerasTensor((ids.shape[0], self.units), dtype="float32")

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "units": self.units,
            "penalty": self.penalty,
            "start": self.start,
        }

"""TF-IDF of an author's words and pairs, in the network's graph.

Enters: token ids, 0 = padding, 1 = out of vocabulary, and the numbers of `pairs.NeighbourPairs`
after them. Leaves: a weight for each of the author's distinct ones, by how often the author uses it
and how few authors do:

    weight = (1 + ln count) * (1 + ln((1 + authors) / (1 + authors who use it)))

scaled to a Euclidean norm of 1 an author: what scikit-learn's `TfidfVectorizer(sublinear_tf=True)`
computes, without leaving the graph.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


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

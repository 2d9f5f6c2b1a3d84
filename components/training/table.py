"""The shared table: a row of numbers for each term, read by the pool and by the convolution.

Enters: weighed terms (`terms.weigh_terms`) and a crop of tokens. Leaves: the weighed sum of the
author's rows, and the rows of the crop's tokens. A batch's distinct rows are gathered once for
both, so that the table's gradient is one sum over them.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras import ops

from components.training.layers import PADDING_ID

SMALLEST_SQUARE = 1e-6
"""Keeps the row of a token that nobody used, which is 0, at 0."""


@keras.saving.register_keras_serializable("authorprofile")
class TermTable(keras.layers.Layer):
    """A trained row for each term; see the module.

    Args:
        terms: rows.
        width: numbers of a row.
        dropout: share of an author's terms left out of the pool in training; the others count
            more, as in any dropout.
        seed: of the draws.

    Input shape: `ids` int and `weights` float `[batch, terms]`, `crop` int `[batch, tokens]`.
    Output: `pooled` float32 `[batch, width]`; `rows` `[distinct, width]` in the compute type, each
    with a mean square of 1, so that a convolution hears a common word no louder than another; and
    `places` int32 `[batch, tokens]`, the row of each token of the crop.
    """

    def __init__(
        self,
        terms: int,
        width: int,
        dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ):
        # A TF-IDF weight would lose digits in bfloat16.
        super().__init__(autocast=False, **kwargs)
        self.terms = terms
        self.width = width
        self.dropout = dropout
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        # Shapes follow from values here, which XLA cannot compile.
        self.supports_jit = False

    def build(self, *shapes: Any) -> None:
        self.table = self.add_weight(
            shape=(self.terms, self.width),
            initializer="glorot_uniform",
            autocast=False,
            name="table",
        )

    def call(
        self, ids: Any, weights: Any, crop: Any, training: bool = False
    ) -> tuple[Any, Any, Any]:
        if training and self.dropout:
            weights = keras.random.dropout(weights, self.dropout, seed=self.seed_generator)
        used = tf.where(weights != 0)
        terms, tokens = tf.gather_nd(ids, used), tf.reshape(crop, [-1])
        distinct, places = tf.unique(tf.concat([terms, tf.cast(tokens, terms.dtype)], axis=0))
        rows = tf.gather(ops.convert_to_tensor(self.table), distinct)
        count = tf.size(terms)
        sums = tf.SparseTensor(
            tf.stack([used[:, 0], tf.cast(places[:count], tf.int64)], axis=1),
            tf.gather_nd(weights, used),
            [tf.shape(ids, out_type=tf.int64)[0], tf.size(distinct, out_type=tf.int64)],
        )
        pooled = tf.sparse.sparse_dense_matmul(sums, rows)
        size = ops.rsqrt(ops.mean(ops.square(rows), axis=1, keepdims=True) + SMALLEST_SQUARE)
        scaled = ops.cast(rows * size, self.compute_dtype)
        return pooled, scaled, tf.reshape(places[count:], tf.shape(crop))

    def compute_output_spec(
        self, ids: Any, weights: Any, crop: Any, training: bool = False
    ) -> tuple[keras.KerasTensor, keras.KerasTensor, keras.KerasTensor]:
        return (
            keras.KerasTensor((ids.shape[0], self.width), dtype="float32"),
            keras.KerasTensor((None, self.width), dtype=self.compute_dtype),
            keras.KerasTensor(crop.shape, dtype="int32"),
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "terms": self.terms,
            "width": self.width,
            "dropout": self.dropout,
            "seed": self.seed,
        }


@keras.saving.register_keras_serializable("authorprofile")
class Crop(keras.layers.Layer):
    """In training so many neighbouring tokens, drawn anew in each step; else all of them.

    Args:
        tokens: of a crop, at the most.
        seed: of the draws.

    Input shape: int `[batch, tokens]`, 0 = padding. Output shape: the same, or `[batch, crop]`.
    """

    def __init__(self, tokens: int, seed: int | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.tokens = tokens
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, ids: Any, training: bool = False) -> Any:
        if not training:
            return ids
        width = ops.minimum(ops.shape(ids)[1], self.tokens)
        own = ops.sum(ops.cast(ids != PADDING_ID, "int32"), axis=1)
        room = ops.maximum(own - width, 0)
        draws = keras.random.uniform(ops.shape(room), seed=self.seed_generator, dtype="float32")
        starts = ops.minimum(ops.cast(draws * ops.cast(room + 1, "float32"), "int32"), room)
        places = starts[:, None] + ops.arange(width)[None, :]
        return tf.gather(ids, places, batch_dims=1)

    def compute_output_spec(self, ids: Any, training: bool = False) -> keras.KerasTensor:
        return keras.KerasTensor((ids.shape[0], None), dtype=ids.dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "tokens": self.tokens, "seed": self.seed}


@keras.saving.register_keras_serializable("authorprofile")
class OwnMean(keras.layers.Layer):
    """Mean over the positions of a convolution that read nothing but the author's own tokens.

    Args:
        kernel_width: tokens that a position reads.

    Input shape: float `[batch, positions, filters]` and the ids that were read, int `[batch,
    positions + kernel_width - 1]`, 0 = padding. Output shape: float32 `[batch, filters]`, 0 for an
    author with fewer tokens than a position reads.
    """

    def __init__(self, kernel_width: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.kernel_width = kernel_width

    def call(self, features: Any, ids: Any) -> Any:
        own = ops.sum(ops.cast(ids != PADDING_ID, "int32"), axis=1) - self.kernel_width + 1
        mask = ops.arange(ops.shape(features)[1])[None, :] < own[:, None]
        total = ops.einsum("bpf,bp->bf", ops.cast(features, "float32"), ops.cast(mask, "float32"))
        return total / ops.cast(ops.maximum(own, 1), "float32")[:, None]

    def compute_output_shape(self, features_shape: Any, ids_shape: Any) -> tuple[int | None, ...]:
        return (features_shape[0], features_shape[2])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "kernel_width": self.kernel_width}


@keras.saving.register_keras_serializable("authorprofile")
class PadToKernel(keras.layers.Layer):
    """Pads ids by as many padding tokens as a convolution of this width loses.

    Input shape: int `[batch, tokens]`. Output shape: int `[batch, tokens + kernel_width - 1]`.
    """

    def __init__(self, kernel_width: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.kernel_width = kernel_width

    def call(self, ids: Any) -> Any:
        return ops.pad(ids, [[0, 0], [0, self.kernel_width - 1]], constant_values=PADDING_ID)

    def compute_output_spec(self, ids: Any) -> keras.KerasTensor:
        tokens = ids.shape[1]
        width = None if tokens is None else tokens + self.kernel_width - 1
        return keras.KerasTensor((ids.shape[0], width), dtype=ids.dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "kernel_width": self.kernel_width}

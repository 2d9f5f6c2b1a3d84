"""An embedding and the convolution over it, worked out once for each distinct token of a batch.

A convolution over an embedding is a sum of table rows: with kernel slices K_0 ... K_4, position p
is the sum over j of E[ids[p + j]] K_j. A batch holds most tokens several times over, so the
products E[id] K_j are made for its distinct tokens alone and gathered. It is the function of
`keras.layers.Embedding` and `keras.layers.Conv1D` with the same weights under the same names; the
tests hold it against those two, gradients included. Measured by `benchmarks.training`. Called by
`model.build_model`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from components.training.convolution import add_bias


@keras.saving.register_keras_serializable("authorprofile")
class DistinctEmbedding(keras.layers.Embedding):
    """Rows of an embedding for a batch's distinct tokens, and the place of each token's row.

        [[7, 7, 3], [3, 0, 0]] -> [E[7], E[3], E[0]], [[0, 0, 1], [1, 2, 2]]

    Input shape: int `[rows, tokens]`. Output shape: float `[distinct, width]` and int32 `[rows,
    tokens]`.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        # XLA needs shapes that do not follow from values; how many tokens are distinct does.
        self.supports_jit = False

    def call(self, ids: Any) -> tuple[Any, Any]:
        distinct, places = tf.unique(tf.reshape(ids, [-1]))
        rows = tf.gather(ops.convert_to_tensor(self.embeddings), distinct)
        return ops.cast(rows, self.compute_dtype), tf.reshape(places, tf.shape(ids))

    def compute_output_spec(self, ids: Any) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        rows = keras.KerasTensor((None, self.output_dim), dtype=self.compute_dtype)
        return rows, keras.KerasTensor(ids.shape, dtype="int32")


@keras.saving.register_keras_serializable("authorprofile")
class DistinctConv1D(keras.layers.Conv1D):
    """A convolution, `valid` and of stride 1, over the tokens of a `DistinctEmbedding`.

    Input shape: the outputs of `DistinctEmbedding`. Output shape: float `[rows, tokens - width + 1,
    filters]`.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        # The base asks for `[batch, steps, channels]`; rows come without steps.
        self.input_spec = None

    def build(self, rows_shape: Any, places_shape: Any = None) -> None:
        super().build((None, None, rows_shape[-1]))
        self.input_spec = None

    def call(self, rows: Any, places: Any) -> Any:
        kernel = ops.cast(self.kernel, self.compute_dtype)
        total = sum_of_products(rows, kernel, places)
        biased = add_bias(total, ops.cast(self.bias, "float32"))
        return ops.cast(self.activation(biased), self.compute_dtype)

    def compute_output_spec(self, rows: Any, places: Any) -> keras.KerasTensor:
        tokens = places.shape[1]
        positions = None if tokens is None else tokens - self.kernel_size[0] + 1
        return keras.KerasTensor((places.shape[0], positions, self.filters), self.compute_dtype)


@tf.custom_gradient
def sum_of_products(
    rows: tf.Tensor, kernel: tf.Tensor, places: tf.Tensor
) -> tuple[tf.Tensor, Callable[..., Any]]:
    """Sum over j of `rows[places[:, p + j]] @ kernel[j]`, added up in float32.

    Args:
        rows: `[distinct, channels]`.
        kernel: `[width, channels, filters]`, of the same type.
        places: int32 `[batch, tokens]`, of `rows`.

    Returns:
        float32 `[batch, tokens - width + 1, filters]`.
    """
    width, channels, filters = kernel.shape
    positions = tf.shape(places)[1] - width + 1
    shifted = [places[:, offset : offset + positions] for offset in range(width)]
    total = tf.zeros([], tf.float32)
    for offset, its_places in enumerate(shifted):
        products = tf.linalg.matmul(rows, kernel[offset])
        total += tf.cast(tf.gather(products, its_places), tf.float32)

    def gradients(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, None]:
        # `scatter_nd` adds up what falls on a row, in a third of an unsorted segment sum's time.
        shape = [tf.shape(rows)[0], filters]
        sums = [tf.scatter_nd(its[..., tf.newaxis], upstream, shape) for its in shifted]
        by_row = tf.cast(tf.concat(sums, axis=1), rows.dtype)
        flat = tf.reshape(tf.transpose(kernel, [1, 0, 2]), [channels, width * filters])
        of_kernel = tf.reshape(
            tf.linalg.matmul(rows, by_row, transpose_a=True), [channels, width, filters]
        )
        of_rows = tf.linalg.matmul(by_row, flat, transpose_b=True)
        return of_rows, tf.transpose(of_kernel, [1, 0, 2]), None

    return total, gradients

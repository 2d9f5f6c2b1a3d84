"""Features over the authors of a batch with a mean of 0 and a variance of 1.

The mean over an author's positions hides how authors differ: what a few positions tell is a small
part of what all of them have in common. Over authors, that part is as loud as any other feature.
Without it the convolution takes two to three times as many steps to find an order of words that
tells (docs/quality.md, "The shared network").

Keras's `BatchNormalization` is the same function for batches of one size on one device. Here an
author without a token does not count, so that rows which fill a batch up change nothing; a batch
counts by its authors, since the last one of a length class may hold a single one; and the variance
in answers is that of all authors, not the mean of the batches' own.

Reference: Ioffe and Szegedy, "Batch Normalization", 2015.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras import ops

from components.training.layers import PADDING_ID

WINDOW = 1280
"""Authors that the moving statistics remember: some 20 batches."""
EPSILON = 1e-3
"""Added to a variance, as Keras does."""


@keras.saving.register_keras_serializable("authorprofile")
class Standardise(keras.layers.Layer):
    """See the module; in training by the batch's statistics, else by the moving ones.

    Input shape: float32 `[batch, features]` and the authors' ids, int `[batch, tokens]`, 0 =
    padding. Output shape: float32 `[batch, features]`.
    """

    def build(self, features_shape: Any, ids_shape: Any) -> None:
        width = features_shape[-1]
        self.mean = self._statistic("mean", (width,), "zeros")
        self.square = self._statistic("square", (width,), "ones")
        self.authors = self._statistic("authors", (), "zeros")

    def _statistic(self, name: str, shape: tuple[int, ...], initializer: str) -> Any:
        # Every replica assigns the same value.
        return self.add_weight(
            shape=shape,
            initializer=initializer,
            trainable=False,
            aggregation="only_first_replica",
            name=name,
        )

    def call(self, features: Any, ids: Any, training: bool = False) -> Any:
        if training:
            mean, square = self._of_batch(features, ids)
        else:
            mean, square = ops.convert_to_tensor(self.mean), ops.convert_to_tensor(self.square)
        variance = ops.maximum(square - ops.square(mean), 0.0)
        return (features - mean) * ops.rsqrt(variance + EPSILON)

    def _of_batch(self, features: Any, ids: Any) -> tuple[Any, Any]:
        counted = ops.cast(ops.any(ids != PADDING_ID, axis=1, keepdims=True), "float32")
        own = counted * features
        authors, total, squares = _over_replicas(
            [ops.sum(counted), ops.sum(own, axis=0), ops.sum(ops.square(own), axis=0)]
        )
        some = ops.maximum(authors, 1.0)
        mean, square = total / some, squares / some
        remembered = ops.minimum(self.authors + authors, float(WINDOW))
        rate = ops.minimum(authors / ops.maximum(remembered, 1.0), 1.0)
        self.mean.assign(self.mean + rate * (mean - self.mean))
        self.square.assign(self.square + rate * (square - self.square))
        self.authors.assign(remembered)
        return mean, square

    def compute_output_shape(self, features_shape: Any, ids_shape: Any) -> Any:
        return features_shape


def _over_replicas(sums: list[Any]) -> list[Any]:
    """The sums over the rows of all replicas, which share a batch."""
    replica = tf.distribute.get_replica_context()
    if replica is None or replica.num_replicas_in_sync == 1:
        return sums
    return [replica.all_reduce(tf.distribute.ReduceOp.SUM, one) for one in sums]

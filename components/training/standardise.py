"""A convolution's means over the authors of a batch with a mean of 0 and a variance of about 1.

The mean over an author's positions hides how authors differ: what a few positions tell is a small
part of what all of them have in common. Over authors, that part is as loud as any other feature.

`surety` is the square root of an author's positions over those of a whole crop, at most 1: the mean
of n positions varies as 1 / sqrt(n), and without it a post of five words would be many times as
loud as any author of training. Who has no position is the author that all are on average.

Keras's `BatchNormalization` is the same function where all authors are sure, for batches of one
size on one device. Here an author counts in proportion to the positions, so that rows which fill a
batch up change nothing; and a batch of few authors, the last one of a length class, is standardised
by the moving statistics, which count it by its authors.

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
FEWEST = 16
"""Authors that a batch is standardised by itself from."""
EPSILON = 1e-3
"""Added to a variance, as Keras does."""


@keras.saving.register_keras_serializable("authorprofile")
class Standardise(keras.layers.Layer):
    """See the module; in training by the batch's statistics, else by the moving ones.

    Args:
        kernel_width: tokens that a position reads.
        whole: positions from which an author is sure.

    Input shape: float32 `[batch, features]` and the ids that were read, int `[batch, tokens]`, 0 =
    padding. Output shape: float32 `[batch, features]`.
    """

    def __init__(self, kernel_width: int, whole: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.kernel_width = kernel_width
        self.whole = whole

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
        tokens = ops.sum(ops.cast(ids != PADDING_ID, "float32"), axis=1, keepdims=True)
        counted = ops.clip((tokens - self.kernel_width + 1) / self.whole, 0.0, 1.0)
        if training:
            mean, square = self._of_batch(features, counted)
        else:
            mean, square = ops.convert_to_tensor(self.mean), ops.convert_to_tensor(self.square)
        variance = ops.maximum(square - ops.square(mean), 0.0)
        return ops.sqrt(counted) * (features - mean) * ops.rsqrt(variance + EPSILON)

    def _of_batch(self, features: Any, counted: Any) -> tuple[Any, Any]:
        own = counted * features
        authors, total, squares = _over_replicas(
            [ops.sum(counted), ops.sum(own, axis=0), ops.sum(own * features, axis=0)]
        )
        some = ops.where(authors > 0, authors, 1.0)
        mean, square = total / some, squares / some
        remembered = ops.minimum(self.authors + authors, float(WINDOW))
        rate = ops.minimum(authors / ops.where(remembered > 0, remembered, 1.0), 1.0)
        self.mean.assign(self.mean + rate * (mean - self.mean))
        self.square.assign(self.square + rate * (square - self.square))
        self.authors.assign(remembered)
        is_enough = authors >= FEWEST
        return (
            ops.where(is_enough, mean, ops.convert_to_tensor(self.mean)),
            ops.where(is_enough, square, ops.convert_to_tensor(self.square)),
        )

    def compute_output_shape(self, features_shape: Any, ids_shape: Any) -> Any:
        return features_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "kernel_width": self.kernel_width, "whole": self.whole}


def _over_replicas(sums: list[Any]) -> list[Any]:
    """The sums over the rows of all replicas, which share a batch."""
    replica = tf.distribute.get_replica_context()
    if replica is None or replica.num_replicas_in_sync == 1:
        return sums
    return [replica.all_reduce(tf.distribute.ReduceOp.SUM, one) for one in sums]

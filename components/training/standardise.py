"""A convolution's means over the authors of a batch with a mean of 0 and a variance of about 1.

The mean over an author's positions hides how authors differ: what a few positions tell is a small
part of what all of them have in common. Over authors, that part is as loud as any other feature.

The mean of n positions varies as 1 / sqrt(n), so a feature is also taken times the square root of
the author's positions, at most a crop's, over those of the average author of training: without it a
post of five words would be many times as loud as any of them. Who has no position is the author
that all are on average.

Keras's `BatchNormalization` is the same function where all authors have as many positions, for
batches of one size on one device. Here an author counts in proportion to the positions, so that
rows which fill a batch up change nothing; and a batch of few authors, the last one of a length
class, is standardised by the moving statistics, which count it by its authors.

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
        whole: positions of a whole crop.

    Input shape: float32 `[batch, features]` and the ids that were read, int `[batch, tokens]`, 0 =
    padding. Output shape: float32 `[batch, features]`.
    """

    def __init__(self, kernel_width: int, whole: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.kernel_width = kernel_width
        self.whole = whole

    def build(self, features_shape: Any, ids_shape: Any) -> None:
        width = features_shape[-1]
        # Means over authors who have a position, of their share of a whole crop's positions, and
        # of features and their squares times that share.
        self.share = self._statistic("share", (), "ones")
        self.total = self._statistic("total", (width,), "zeros")
        self.squares = self._statistic("squares", (width,), "ones")
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
        share = ops.clip((tokens - self.kernel_width + 1) / self.whole, 0.0, 1.0)
        if training:
            average, total, squares = self._of_batch(features, share)
        else:
            average, total, squares = self._moving()
        mean = total / average
        variance = ops.maximum(squares / average - ops.square(mean), 0.0)
        loudness = ops.sqrt(share / average)
        return loudness * (features - mean) * ops.rsqrt(variance + EPSILON)

    def _moving(self) -> tuple[Any, ...]:
        return tuple(map(ops.convert_to_tensor, (self.share, self.total, self.squares)))

    def _of_batch(self, features: Any, share: Any) -> tuple[Any, ...]:
        own = share * features
        has_any = ops.cast(share > 0, "float32")
        authors, *sums = _over_replicas(
            [ops.sum(one, axis=0) for one in (has_any, share, own, own * features)]
        )
        authors, some = authors[0], ops.maximum(authors[0], 1.0)
        found = [sums[0][0] / some, sums[1] / some, sums[2] / some]
        remembered = ops.minimum(self.authors + authors, float(WINDOW))
        rate = ops.minimum(authors / ops.maximum(remembered, 1.0), 1.0)
        for moving, value in zip((self.share, self.total, self.squares), found, strict=True):
            moving.assign(moving + rate * (value - moving))
        self.authors.assign(remembered)
        is_enough = authors >= FEWEST
        pairs = zip(found, self._moving(), strict=True)
        return tuple(ops.where(is_enough, value, moving) for value, moving in pairs)

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

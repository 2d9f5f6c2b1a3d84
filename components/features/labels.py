"""A head's raw labels, none or one an author, as tensors of the transform graph."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tensorflow_transform as tft


def dense(labels: tf.SparseTensor, default: Any) -> tf.Tensor:
    """`[batch, 1]`, the default where there is no label."""
    # tf.sparse.to_dense gives width 0 where no author of a batch has a value.
    return tft.sparse_tensor_to_dense_with_shape(labels, [None, 1], default)


def known(labels: tf.SparseTensor) -> tf.Tensor:
    """float32 `[batch, 1]`: 1 where there is a label, else 0."""
    ones = tf.ones_like(labels.values, dtype=tf.float32)
    return dense(tf.SparseTensor(labels.indices, ones, labels.dense_shape), 0.0)


def in_every_row(constant: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    """What the training split says of labels, `[n]`, as a feature `[batch, n]`."""
    # Explicit width: the transformed schema needs it, broadcasting alone loses it.
    return tf.tile(constant[tf.newaxis, :], [tf.shape(rows)[0], 1])

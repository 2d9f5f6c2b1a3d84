"""How a count is learned: the Poisson deviance of the exponential of what the network adds up."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras import ops

from components.features.labels import dense, known
from components.training.heads import HeadNetwork
from count_head.head import SMALLEST


class PoissonDeviance(keras.losses.Loss):
    """2 (y log(y / p) - (y - p)) of labels y and answers p, `[batch, 1]` -> `[batch]`."""

    def call(self, y_true: Any, y_pred: Any) -> Any:
        answers = ops.maximum(y_pred, SMALLEST)
        labels = ops.cast(y_true, answers.dtype)
        logs = ops.log(ops.where(labels > 0, labels, 1.0)) - ops.log(answers)
        return 2 * ops.mean(labels * logs - (labels - answers), axis=-1)


class CountNetwork(HeadNetwork):
    """A count under the Poisson deviance, with a log link."""

    activation = "exponential"

    def features(self, labels: tf.SparseTensor) -> dict[str, tf.Tensor]:
        return {
            self.head.name: tf.cast(dense(labels, 0), tf.float32),
            self.head.known_name: known(labels),
        }

    def loss(self, label_smoothing: float = 0.0) -> keras.losses.Loss:
        """A number has no smoothing."""
        return PoissonDeviance()

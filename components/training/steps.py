"""A number answered in steps: how likely it is above each of several thresholds, then their mean.

The thresholds are of `components.heads.ordinal`; here is the layer that turns the probabilities of
being above each of them into a number:

    answer = level_0 + sum over thresholds j of (level_j - level_j-1) * P(label > threshold_j)

the mean of the predicted distribution, so what squared error asks for. Each probability is learned
by cross-entropy, which an outlier cannot dominate, and the answer may bend where the relation does.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from components.heads.names import ANSWER, internal_name

STEPS = "steps"


def head_of(layer_name: str) -> str:
    """The head whose last layer has this name."""
    return layer_name.removesuffix(internal_name("", ANSWER))


def steps_name(head_name: str) -> str:
    """Name of the output that holds the probabilities."""
    return internal_name(head_name, STEPS)


@keras.saving.register_keras_serializable("authorprofile")
class MeanOfSteps(keras.layers.Layer):
    """Probabilities of being above each threshold to the mean of the distribution.

    Args:
        thresholds, levels: of `StepFacts`; targets are cut at the thresholds in training alone.

    Input shape: float `[batch, thresholds]`. Output shape: float `[batch, 1]`.
    """

    def __init__(self, thresholds: tuple[float, ...], levels: tuple[float, ...], **kwargs: Any):
        super().__init__(**kwargs)
        self.thresholds = tuple(thresholds)
        self.levels = tuple(levels)

    def call(self, above: Any) -> Any:
        rises = ops.convert_to_tensor(np.diff(self.levels)[:, None], dtype=above.dtype)
        return self.levels[0] + ops.matmul(above, rises)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (input_shape[0], 1)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "thresholds": list(self.thresholds),
            "levels": list(self.levels),
        }

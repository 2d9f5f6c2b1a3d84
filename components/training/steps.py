"""A number answered in steps: how likely it is above each of several thresholds, then their mean.

Enters: a sample of the training split's standardised labels. Leaves: thresholds at their quantiles,
the mean label of the groups between them, and the layer that turns the probabilities of being above
each threshold into a number:

    answer = level_0 + sum over thresholds j of (level_j - level_j-1) * P(label > threshold_j)

the mean of the predicted distribution, so what squared error asks for. Each probability is learned
by cross-entropy, which an outlier cannot dominate, and so a linear model of words bends where the
relation does. Called by `model.build_model`. Knows nothing of TFX.

References: Frank and Hall, "A Simple Approach to Ordinal Classification", 2001. Li and Lin,
"Ordinal Regression by Extended Binary Classification", 2006.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from components.heads.names import internal_name


@dataclass(frozen=True)
class StepFacts:
    """Where a number's labels are cut.

    Attributes:
        thresholds: ascending, one or more.
        levels: mean label of each group, one more than there are thresholds.
        shares: share of the labels above each threshold.
    """

    thresholds: tuple[float, ...]
    levels: tuple[float, ...]
    shares: tuple[float, ...]


def find_steps(labels: np.ndarray, groups: int) -> StepFacts | None:
    """Cuts labels into groups of like size, half way between two labels; None where all are one.

    Equal labels stay together, so there may be fewer groups than asked for.

    >>> find_steps(np.array([1.0, 1.0, 2.0, 6.0]), 2)
    StepFacts(thresholds=(1.5,), levels=(1.0, 4.0), shares=(0.5,))
    """
    values = np.unique(labels)
    if len(values) < 2 or groups < 2:
        return None
    cuts = np.quantile(labels, np.arange(1, groups) / groups, method="inverted_cdf")
    above = np.searchsorted(values, np.unique(cuts), side="right")
    above = above[above < len(values)]
    if not len(above):
        above = np.array([len(values) - 1])
    thresholds = (values[above - 1] + values[above]) / 2
    group = np.searchsorted(thresholds, labels)
    levels = [labels[group == number].mean() for number in range(len(thresholds) + 1)]
    shares = [(labels > threshold).mean() for threshold in thresholds]
    return StepFacts(*(tuple(float(v) for v in part) for part in (thresholds, levels, shares)))


def steps_name(head_name: str) -> str:
    """Name of the output that holds the probabilities."""
    return internal_name(head_name, "steps")


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

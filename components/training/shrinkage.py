"""Answers drawn towards the constant as far as `eval` does not show that they are better.

Enters: a trained network, the rows of `eval`. Leaves: the same network whose answers are

    constant + share * (answer - constant)

with a share a head between 0 and 1, fixed in the graph, so that what judges and what serves is the
same. Trained on little, a network that is right on average may still lose to the constant; its
share then is 0. Called by `learning`, before calibration.

    share = best share on eval * max(0, 1 - DOUBT / t^2)

The best share is where the head's loss on `eval` is least; t is the mean, in standard errors over
authors, of what an author gains by the first step away from the constant. `DOUBT` is 2, what
Akaike's criterion asks of a parameter: a head that is no surer than 1.4 standard errors answers the
constant, and one of ten keeps 98 % of the best share. No parameter is added. Memory: `eval`'s
answers, a few numbers an author.

References: Breiman, "Better Subset Regression Using the Nonnegative Garrote", 1995. James and
Stein, "Estimation with Quadratic Loss", 1961.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from components.heads.arrays import Array
from components.heads.base import Head
from components.heads.names import internal_name
from components.training.calibration import answer_known
from components.training.fitting import TrainingData

DOUBT = 2.0
SMALLEST_SHARE = 1e-6


@keras.saving.register_keras_serializable("authorprofile")
class Shrink(keras.layers.Layer):
    """Draws answers towards a constant; has no weights.

    Args:
        constant: `[width]`.
        share: of the way from the constant to the answer that is kept.

    Input and output shape: float32 `[batch, width]`.
    """

    def __init__(self, constant: list[float], share: float, **kwargs: Any):
        super().__init__(**kwargs)
        self.constant = list(constant)
        self.share = share

    def call(self, answers: Any) -> Any:
        constant = keras.ops.convert_to_tensor([self.constant], dtype=answers.dtype)
        return constant + self.share * (answers - constant)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "constant": self.constant, "share": self.share}


def find_shares(model: keras.Model, data: TrainingData) -> dict[str, float]:
    """The share of each head that `eval` supports.

    Args:
        model: trained without `eval`.
        data: of `load_data`.
    """
    labels, answers = answer_known(model, data)
    return {
        head.name: fit_share(
            head,
            answers[head.name],
            labels[head.name],
            np.array(data.train.constants[head.name]),
        )
        for head in data.heads
    }


def shrink_answers(
    model: keras.Model, constants: Mapping[str, list[float]], shares: Mapping[str, float]
) -> keras.Model:
    """The network with shrunk answers, {head: `[batch, width]`} of the heads in `shares` alone.

    Args:
        model: trained; its weights are shared with what is returned.
        constants: of each head, `[width]`.
        shares: of `find_shares`.
    """
    outputs = {
        name: Shrink(constants[name], share, dtype="float32", name=internal_name(name, "shrunk"))(
            model.output[name]
        )
        for name, share in shares.items()
    }
    return keras.Model(model.input, outputs, name=model.name)


def fit_share(head: Head, answers: Array, labels: Array, constant: Array) -> float:
    """The share of the module's formula; 0 for fewer than two labels.

    Args:
        head: whose loss is meant.
        answers: `[authors, width]`.
        labels: the same shape.
        constant: `[width]`.
    """
    if len(labels) < 2:
        return 0.0
    best = head.best_share(answers, labels, constant)
    kept = min(max(best, 0.0), 1.0) * _trust(head.first_gains(answers, labels, constant))
    return kept if kept > SMALLEST_SHARE else 0.0


def _trust(gains: Array) -> float:
    """1 - DOUBT / t^2, where that is above 0."""
    error = float(gains.std(ddof=1)) / math.sqrt(len(gains))
    mean = float(gains.mean())
    return max(1 - DOUBT * (error / mean) ** 2, 0.0) if mean > 0 else 0.0


def describe_shares(shares: Mapping[str, float]) -> str:
    """For a log line: `age 0.97, gender 0`."""
    return ", ".join(f"{name} {share:.3g}" for name, share in shares.items())

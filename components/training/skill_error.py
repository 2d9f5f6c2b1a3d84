"""How uncertain a network's mean skill on `eval` is, by which a search knows luck from gain.

Enters: a fitted network, the rows of `eval`. Leaves: a standard error over authors. Called by
`tuner`. Knows nothing of TFX.
"""

from __future__ import annotations

import math

import keras
import numpy as np
from numpy.typing import NDArray

from components.training.calibration import answer_known
from components.training.fitting import TrainingData

SKILL_ERROR = "val_skill_error"
Array = NDArray[np.float64]


def skill_error(model: keras.Model, data: TrainingData) -> float:
    """Standard error of the mean over heads of the skill on `eval`, heads taken as independent.

    Args:
        model: token ids -> {head: float32 `[batch, units]`}.
        data: of `load_data`.
    """
    labels, answers = answer_known(model, data)
    errors = [
        gain_error(answers[head.name], labels[head.name], is_number=head.kind == "regression")
        / data.eval.constant_losses[head.name]
        for head in data.heads
    ]
    return math.hypot(*errors) / len(errors)


def gain_error(answers: Array, labels: Array, *, is_number: bool) -> float:
    """Standard error of what the answers gain in loss over the best constant one.

    Args:
        answers: `[authors, units]`, a number or probabilities.
        labels: the same shape.
        is_number: squared error; else cross-entropy, one unit holding that of one of two values.
    """
    constant = np.broadcast_to(labels.mean(axis=0), labels.shape)
    gains = _losses(constant, labels, is_number) - _losses(answers, labels, is_number)
    return float(gains.std(ddof=1)) / math.sqrt(len(gains)) if len(gains) > 1 else math.inf


def _losses(answers: Array, labels: Array, is_number: bool) -> Array:
    """Loss of each author, in nats where it is a cross-entropy."""
    if is_number:
        return np.asarray((answers - labels)[:, 0] ** 2)
    if labels.shape[1] == 1:
        answers, labels = np.hstack([1 - answers, answers]), np.hstack([1 - labels, labels])
    return np.asarray(-(labels * np.log(np.maximum(answers, 1e-7))).sum(axis=1))

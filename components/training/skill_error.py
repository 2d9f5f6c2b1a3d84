"""How uncertain a network's skill on `eval` is, by which a search knows luck from gain.

Enters: a fitted network, the rows of `eval`. Leaves: standard errors over authors. Called by
`tuner`, read by `oracles`. Knows nothing of TFX.
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


def skill_errors(model: keras.Model, data: TrainingData) -> dict[str, float]:
    """Standard errors of the skills on `eval`.

    Args:
        model: token ids -> {head: float32 `[batch, units]`}.
        data: of `load_data`.

    Returns:
        That of each head by `error_name`, and `SKILL_ERROR`: that of the mean over heads, which are
        taken as independent.
    """
    labels, answers = answer_known(model, data)
    errors = {
        error_name(head.name): gain_error(
            answers[head.name], labels[head.name], is_number=head.kind == "regression"
        )
        / data.eval.constant_losses[head.name]
        for head in data.heads
    }
    return {**errors, SKILL_ERROR: math.hypot(*errors.values()) / len(errors)}


def error_name(head: str) -> str:
    """Under which a trial keeps the standard error of a head's skill.

    >>> error_name("age")
    'val_age_skill_error'
    """
    return f"val_{head}_skill_error"


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

"""How uncertain a network's skill on `eval` is, by which a search knows luck from gain.

Enters: a fitted network, the rows of `eval`. Leaves: standard errors over authors. Called by
`tuner`, read by `oracles`. Knows nothing of TFX.
"""

from __future__ import annotations

import math

import keras
import numpy as np

from components.heads.arrays import Array
from components.heads.base import Head
from components.training.fitting import TrainingData
from components.training.held_out import answer_held_out

SKILL_ERROR = "val_skill_error"


def skill_errors(model: keras.Model, data: TrainingData) -> dict[str, float]:
    """Standard errors of the skills on `eval`.

    Args:
        model: trained without `eval`.
        data: of `load_data`.

    Returns:
        That of each head by `error_name`, and `SKILL_ERROR`: that of the mean over heads, which are
        taken as independent.
    """
    found = answer_held_out(model, data.heads, data.eval_rows, data.eval, data.batch_size)
    errors = {
        error_name(head.name): gain_error(head, found[head.name].answers, found[head.name].labels)
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


def gain_error(head: Head, answers: Array, labels: Array) -> float:
    """Standard error of what the answers gain in loss over the best constant one.

    Args:
        head: whose loss is meant.
        answers: `[authors, width]`.
        labels: the same shape.
    """
    constant = np.broadcast_to(labels.mean(axis=0), labels.shape)
    gains = head.losses(constant, labels) - head.losses(answers, labels)
    return float(gains.std(ddof=1)) / math.sqrt(len(gains)) if len(gains) > 1 else math.inf

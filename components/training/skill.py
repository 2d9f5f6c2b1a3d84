"""How much better than the best constant answer: the scale that makes heads comparable.

    skill = 1 - loss / loss of the best constant predictor

0 is no better than a constant, 1 is perfect. The mean over heads is the objective of the search
and of early stopping: unlike a weighted loss it does not move with the loss weights. Both losses
are means over the same known labels of one split. Pure Python: knows nothing of TensorFlow.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence


def skill(loss: float, constant_loss: float) -> float:
    """1 - loss / constant_loss; NaN where the constant is already perfect or nothing is known."""
    if not constant_loss > 0:
        return math.nan
    return 1.0 - loss / constant_loss


def mean_skill(losses: Mapping[str, float], constant_losses: Mapping[str, float]) -> float:
    """Unweighted mean of the heads' skills.

    Args:
        losses: a head's mean loss over known labels.
        constant_losses: the same of the best constant predictor.

    Raises:
        ValueError: a head's skill is not defined; the message names it.
    """
    skills = {name: skill(losses[name], constant_losses[name]) for name in constant_losses}
    undefined = [name for name, value in skills.items() if math.isnan(value)]
    if undefined:
        raise ValueError(
            "Skill needs a finite loss and labels that differ, in the split it is measured on. "
            f"Received none for {', '.join(undefined)}. Give these heads more labels, lower the "
            "learning rate, or leave them out with --heads."
        )
    return _mean(list(skills.values()))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)

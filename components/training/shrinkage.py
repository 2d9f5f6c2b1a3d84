"""How much of each step is kept: constant <- linear baseline <- network, a share each.

    logits  = offset + share of the network * (corrected logits - offset)
    answers = constant + share * (answers of those logits - constant)

Both shares of a head are between 0 and 1, found on authors that nothing has fitted, and fixed in
the graph, so that what judges and what serves is the same. Trained on little, a network that is
right on average may still lose to the linear baseline, and that to the constant; its share then is
0.

    share = best share * max(0, 1 - DOUBT / t^2)

The best share is where the head's loss is least; t is the mean, in standard errors over authors, of
what an author gains by the first step. `DOUBT` is 2, what Akaike's criterion asks of a parameter: a
head whose gain is no more than 1.4 standard errors keeps what it starts from, and one whose gain is
ten keeps 98 % of the best share. No parameter is added. Memory: the answers of those authors, a few
numbers each.

References: Breiman, "Better Subset Regression Using the Nonnegative Garrote", 1995. James and
Stein, "Estimation with Quadratic Loss", 1961.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import keras
from scipy import optimize

from components.heads.arrays import Array
from components.heads.base import Head
from components.heads.links import Link
from components.heads.names import internal_name

DOUBT = 2.0
SMALLEST_SHARE = 1e-6
FIRST_STEP = 1e-3
"""Of the way, by which the gain of a first step is told."""


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


def shrink_answers(
    model: keras.Model, constants: Mapping[str, list[float]], shares: Mapping[str, float]
) -> keras.Model:
    """The network with shrunk answers, {head: `[batch, width]`} of the heads in `shares` alone.

    Args:
        model: trained; its weights are shared with what is returned.
        constants: of each head, `[width]`.
        shares: of each head.
    """
    outputs = {
        name: Shrink(constants[name], share, dtype="float32", name=internal_name(name, "shrunk"))(
            model.output[name]
        )
        for name, share in shares.items()
    }
    return keras.Model(model.input, outputs, name=model.name)


def fit_share(head: Head, answers: Array, labels: Array, constant: Array) -> float:
    """The share of an answer beside the constant; 0 for fewer than two labels.

    Args:
        head: whose loss is meant.
        answers: `[authors, width]`.
        labels: the same shape.
        constant: `[width]`.
    """
    if len(labels) < 2:
        return 0.0
    best = head.best_share(answers, labels, constant)
    return _kept(best, head.first_gains(answers, labels, constant))


def fit_correction(head: Head, link: Link, offsets: Array, logits: Array, labels: Array) -> float:
    """The share of the network's correction; 0 for fewer than two labels.

    Args:
        head: whose loss is meant.
        link: from logits to answers.
        offsets: of the linear baseline, `[authors, link.logits]`.
        logits: of the network, the same shape.
        labels: `[authors, width]`.
    """
    if len(labels) < 2:
        return 0.0

    def losses(share: float) -> Array:
        return head.losses(link.answers(offsets + share * (logits - offsets)), labels)

    gains = (losses(0.0) - losses(FIRST_STEP)) / FIRST_STEP
    return _kept(_least(lambda share: float(losses(share).mean())), gains)


def _least(loss: Callable[[float], float]) -> float:
    found = optimize.minimize_scalar(loss, bounds=(0.0, 1.0), method="bounded")
    return min((0.0, float(found.x), 1.0), key=loss)


def _kept(best: float, gains: Array) -> float:
    kept = min(max(best, 0.0), 1.0) * _trust(gains)
    return kept if kept > SMALLEST_SHARE else 0.0


def _trust(gains: Array) -> float:
    """1 - DOUBT / t^2, where that is above 0."""
    error = float(gains.std(ddof=1)) / math.sqrt(len(gains))
    mean = float(gains.mean())
    return max(1 - DOUBT * (error / mean) ** 2, 0.0) if mean > 0 else 0.0

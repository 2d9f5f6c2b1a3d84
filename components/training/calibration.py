"""How sure the network may be: a temperature a classifier, an interval's half width a number.

Enters: the trained network and the rows of `eval`. Leaves: per head a `Calibration`, which `export`
bakes into the served answers and writes into `assets/heads.json`. Called by the Trainer.

| kind | fitted | how |
|---|---|---|
| classes, binary | `temperature`, divides the logits | least cross-entropy over the known labels |
| regression | `half_width` of the interval around the answer | quantile of the absolute residuals |

`eval` has also chosen the epoch and the settings, so what is fitted on it is a little too sure of
itself; the report judges it on `test`. Where fewer than `MINIMUM_LABELS` labels are known, or the
known ones cannot tell the temperature from 1, it stays 1: chance would move it, on a few hundred
authors by a tenth, and answers about others would get worse as often as better. Nor is it below 1
where the network that serves has learned from `eval` since, and is surer by that. Where too few
residuals are known for the coverage asked for, there is no interval. Memory: `eval`'s answers, a
few numbers an author.

References: Guo et al., "On Calibration of Modern Neural Networks", 2017, section 4.2. Lei et al.,
"Distribution-Free Predictive Inference for Regression", 2018, algorithm 2 (split conformal).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.training.dataset import make_batches
from components.training.fitting import TrainingData

Array = NDArray[np.float64]

MINIMUM_LABELS = 20
# Of chi-squared with one degree of freedom, 95 in 100 lie below it.
CHANCE = 3.841
TEMPERATURES = (0.1, 10.0)
SMALLEST_PROBABILITY = 1e-7
_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Calibration:
    """What was fitted for one head.

    Attributes:
        labels: known labels of `eval` that it was fitted on.
        temperature: of a classifier; 1 leaves its answers as they are. None for a number.
        coverage: of a number: share of authors whose label the interval is to hold.
        half_width: of a number, in its own unit; None where too few labels are known.
    """

    labels: int
    temperature: float | None = None
    coverage: float | None = None
    half_width: float | None = None

    def description(self) -> dict[str, Any]:
        """As it stands in the head's entry of `assets/heads.json`; empty without an interval.

        >>> Calibration(labels=50, temperature=1.5).description()
        {'temperature': 1.5}
        >>> Calibration(labels=50, coverage=0.8, half_width=6.2).description()
        {'interval': {'coverage': 0.8, 'half_width': 6.2}}
        """
        if self.temperature is not None:
            return {"temperature": self.temperature}
        if self.half_width is None:
            return {}
        return {"interval": {"coverage": self.coverage, "half_width": self.half_width}}


def calibrate(
    model: keras.Model,
    data: TrainingData,
    deviations: Mapping[str, float],
    coverage: float,
    *,
    refitted: bool = False,
) -> dict[str, Calibration]:
    """Fits every head's calibration in one pass over `eval`.

    Args:
        model: trained; token ids -> {head: `[batch, units]`}, numbers standardised.
        data: of `load_data`.
        deviations: of each regression head, its unit a standardised one.
        coverage: share of authors that an interval is to hold.
        refitted: whether a network that has learned from `eval` too will state what is fitted
            here. It is surer by itself, so a temperature may not make it surer still.
    """
    lowest = 1.0 if refitted else 0.0
    labels, answers = answer_known(model, data)
    fitted = {}
    for head in data.heads:
        label, answer = labels[head.name], answers[head.name]
        if head.kind == "regression":
            residuals = np.abs(answer - label)[:, 0] * deviations[head.name]
            half_width = fit_half_width(residuals, coverage)
            fitted[head.name] = Calibration(len(label), coverage=coverage, half_width=half_width)
        else:
            temperature = max(fit_temperature(answer, label), lowest)
            fitted[head.name] = Calibration(len(label), temperature=temperature)
    return fitted


def answer_known(
    model: keras.Model, data: TrainingData
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Labels and the network's answers on `eval`, where known: {head: `[known, units]`} each."""
    labels: dict[str, list[Array]] = {head.name: [] for head in data.heads}
    answers: dict[str, list[Array]] = {head.name: [] for head in data.heads}
    # One graph for batches of every length, which `predict` would build for each.
    answer = tf.function(
        lambda tokens: model(tokens, training=False),
        input_signature=[tf.TensorSpec((None, None), tf.int32)],
    )
    for tokens, targets, weights in make_batches(data.eval_rows, data.batch_size, data.max_tokens):
        outputs = answer(tokens)
        for head in data.heads:
            known = weights[head.name].numpy() > 0
            labels[head.name].append(targets[head.name].numpy()[known].astype("float64"))
            answers[head.name].append(np.asarray(outputs[head.name], "float64")[known])
    return (
        {name: np.concatenate(parts) for name, parts in labels.items()},
        {name: np.concatenate(parts) for name, parts in answers.items()},
    )


def fit_temperature(probabilities: Array, labels: Array) -> float:
    """The temperature of least cross-entropy between `TEMPERATURES`; 1 where labels tell none.

    The cross-entropy is convex in 1 / T, so it has one minimum over log T. That minimum counts if
    it is lower than at T = 1 by more than chance makes it (the likelihood-ratio test; Wilks, "The
    Large-Sample Distribution of the Likelihood Ratio", 1938).

    Args:
        probabilities: `[authors, units]`; one unit holds that of one of two values.
        labels: the same shape: 1 where it is the group, 0 elsewhere.
    """
    if len(labels) < MINIMUM_LABELS:
        return 1.0
    probabilities, labels = _all_groups(probabilities), _all_groups(labels)

    def loss(log_temperature: float) -> float:
        return cross_entropy(divide_logits(probabilities, math.exp(log_temperature)), labels)

    log_temperature = least(loss, *(math.log(bound) for bound in TEMPERATURES))
    if 2 * len(labels) * (loss(0.0) - loss(log_temperature)) < CHANCE:
        return 1.0
    return math.exp(log_temperature)


def divide_logits(probabilities: Array, temperature: float) -> Array:
    """Softmax probabilities `[authors, groups]` with their logits divided by a temperature.

    Logits are log probabilities but for a constant an author, which softmax takes out:
    p ** (1 / T), scaled to a sum of 1.
    """
    logits = np.log(np.clip(probabilities, SMALLEST_PROBABILITY, 1.0)) / temperature
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def cross_entropy(probabilities: Array, labels: Array) -> float:
    """Mean over authors, in nats; `[authors, groups]` each."""
    logs = np.log(np.clip(probabilities, np.finfo("float64").tiny, 1.0))
    return float(-(labels * logs).sum(axis=1).mean())


def fit_half_width(residuals: Array, coverage: float) -> float | None:
    """The least half width that a fresh author's label keeps within, at the coverage.

    The residual of rank ceil((n + 1) coverage): the label of an author drawn like those n is
    within it with at least that probability, for any n. None where the rank is above n.

    >>> fit_half_width(np.arange(1.0, 10.0), 0.8)
    8.0
    """
    # The product may be a hair above the whole number that it is.
    rank = math.ceil((len(residuals) + 1) * coverage - 1e-9)
    if rank > len(residuals):
        return None
    return float(np.sort(residuals)[rank - 1])


def least(function: Callable[[float], float], low: float, high: float) -> float:
    """Where a function with one minimum is least between two bounds, by golden section.

    Source: Kiefer, "Sequential Minimax Search for a Maximum", 1953.
    """
    ratio = (math.sqrt(5) - 1) / 2
    left, right = high - ratio * (high - low), low + ratio * (high - low)
    at_left, at_right = function(left), function(right)
    while high - low > _TOLERANCE:
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - ratio * (high - low)
            at_left = function(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + ratio * (high - low)
            at_right = function(right)
    return (low + high) / 2


def _all_groups(values: Array) -> Array:
    """`[authors, 1]` of one of two values as `[authors, 2]` of both."""
    return np.concatenate([1 - values, values], axis=1) if values.shape[1] == 1 else values

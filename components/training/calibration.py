"""How sure the network may be: a temperature or an interval's half width, fitted on `eval`.

Enters: the trained network and the rows of `eval`. Leaves: per head a `Calibration`, which `export`
bakes into the served answers and writes into `assets/heads.json`. Each head fits its own
(`components.heads.calibration`). Called by the Trainer.

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

from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf

from components.heads.arrays import Array
from components.heads.calibration import Calibration
from components.training.dataset import make_batches
from components.training.fitting import TrainingData


def calibrate(
    model: keras.Model,
    data: TrainingData,
    scales: Mapping[str, float],
    coverage: float,
    *,
    refitted: bool = False,
) -> dict[str, Calibration]:
    """Fits every head's calibration in one pass over `eval`.

    Args:
        model: trained; token ids -> {head: `[batch, width]`}, as its targets are.
        data: of `load_data`.
        scales: of each head, what 1 of an output is in the unit of its answer.
        coverage: share of authors that an interval is to hold.
        refitted: whether a network that has learned from `eval` too will state what is fitted
            here. It is surer by itself, so a temperature may not make it surer still.
    """
    lowest = 1.0 if refitted else 0.0
    labels, answers = answer_known(model, data)
    return {
        head.name: head.calibrate(
            answers[head.name],
            labels[head.name],
            coverage=coverage,
            lowest=lowest,
            scale=scales[head.name],
        )
        for head in data.heads
    }


def answer_known(
    model: keras.Model, data: TrainingData
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Labels and the network's answers on `eval`, where known: {head: `[known, width]`} each."""
    labels: dict[str, list[Array]] = {head.name: [] for head in data.heads}
    answers: dict[str, list[Array]] = {head.name: [] for head in data.heads}
    # One graph for batches of every length, which `predict` would build for each.
    answer = tf.function(
        lambda tokens: model(tokens, training=False),
        input_signature=[tf.TensorSpec((None, None), tf.int32)],
    )
    batches = make_batches(data.eval_rows, data.batch_size, data.eval.longest)
    for tokens, targets, weights in batches:
        outputs = answer(tokens)
        for head in data.heads:
            known = weights[head.name].numpy() > 0
            labels[head.name].append(targets[head.name].numpy()[known].astype("float64"))
            answers[head.name].append(np.asarray(outputs[head.name], "float64")[known])
    return (
        {name: np.concatenate(parts) for name, parts in labels.items()},
        {name: np.concatenate(parts) for name, parts in answers.items()},
    )

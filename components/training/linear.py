"""The linear model of words and the answers of the kinds 'words' and 'wide'.

Enters: padded token ids, the trunk's features where there is a trunk, what the training split says
of words and labels. Leaves: one output a head, and beside a number that is answered in steps the
probabilities `<head>.steps`, which it is trained by. Called by `model.build_model`. Knows nothing
of TFX.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from components.heads.names import internal_name
from components.training.pairs import NeighbourPairs
from components.training.settings import NetworkSettings
from components.training.steps import MeanOfSteps, StepFacts, steps_name
from components.training.words import LinearWords, WordFacts, WordWeights

ACTIVATIONS = {"regression": "linear", "classes": "softmax", "binary": "sigmoid"}
ANSWER = "answer"
"""Of a head's last layer; its output has the head's own name."""
SMALLEST_SHARE = 1e-4


@dataclass(frozen=True)
class LabelFacts:
    """What the training split says of labels.

    Attributes:
        constants: mean target of each head, `[units]`.
        steps: of each number that is answered in steps.
    """

    constants: Mapping[str, list[float]] = field(default_factory=dict)
    steps: Mapping[str, StepFacts] = field(default_factory=dict)


def answer_by_words(
    heads: tuple[Any, ...],
    padded: Any,
    features: Any | None,
    network: NetworkSettings,
    words: WordFacts,
    labels: LabelFacts,
    loss_weights: Mapping[str, float],
) -> dict[str, Any]:
    """The linear model's answers, added to those of the trunk before each head's activation.

    Args:
        heads: what is predicted.
        padded: token ids int32 `[batch, tokens]`.
        features: of the trunk, float `[batch, width]`; None: there is no trunk.
        network: `ridge` and `ridges`.
        words: of the training split.
        labels: of the training split.
        loss_weights: of the heads, 1 where not named; the penalty follows them.

    Returns:
        {output: float32 `[batch, units]`}.
    """
    weighed = _weigh(padded, words)
    outputs = {}
    for head in heads:
        steps = labels.steps.get(head.name)
        units = len(steps.thresholds) if steps else head.width
        penalty = (
            network.ridges.get(head.name, network.ridge)
            * _penalty_scale(head, units, steps)
            * float(loss_weights.get(head.name, 1.0))
            / max(words.authors, 1)
        )
        start = None
        if features is None:
            start = steps_start(steps) if steps else _start(head, labels.constants.get(head.name))
        size = len(words.document_frequencies)
        total = LinearWords(size, units, penalty, start, name=head.internal("words"))(*weighed)
        if features is not None:
            trunk = keras.layers.Dense(units, dtype="float32", name=head.internal("trunk"))(
                features
            )
            total = keras.layers.Add(dtype="float32", name=head.internal("sum"))([trunk, total])
        answer = head.internal(ANSWER)
        if steps:
            name = steps_name(head.name)
            above = keras.layers.Activation("sigmoid", dtype="float32", name=name)(total)
            outputs[name] = above
            mean = MeanOfSteps(steps.thresholds, steps.levels, dtype="float32", name=answer)
            outputs[head.name] = mean(above)
        else:
            outputs[head.name] = keras.layers.Activation(
                ACTIVATIONS[head.kind], dtype="float32", name=answer
            )(total)
    return outputs


def head_of(layer_name: str) -> str:
    """The head whose last layer has this name."""
    return layer_name.removesuffix(internal_name("", ANSWER))


def _weigh(padded: Any, words: WordFacts) -> Any:
    """Numbers of the author's words and pairs, and the weight of each."""
    size, pairs = len(words.document_frequencies), len(words.pair_keys)
    if pairs:
        find = NeighbourPairs(size - pairs, pairs, name="pairs")
        padded = find(padded)
        find.keys.assign(words.pair_keys)
    weigh = WordWeights(size, name="word_weights")
    weighed = weigh(padded)
    weigh.rarities.assign(words.inverse_document_frequencies())
    return weighed


def _penalty_scale(head: Any, units: int, steps: StepFacts | None) -> float:
    """What a head's penalty is in proportion to, so that one `ridge` suits every kind of head.

    It is the second derivative of the loss by the output, at the share of an even split: a penalty
    in proportion to it weighs the same against each kind of loss. 1 for a standardised number makes
    ridge regression of that strength, and an eighth of it, for a binary head, the logistic
    regression that corresponds. The loss of steps is the mean over thresholds.

    Of K groups it is K - 1 times that. Where words tell of one number that the groups are cut from,
    what they explain of its variance is spread over the K - 1 dimensions of the groups' shares, and
    the best ridge is in proportion to what is not explained over what is.
    """
    if steps:
        return 0.25 / units
    if head.kind == "regression":
        return 2.0
    return 0.25 if head.kind == "binary" else (units - 1) / units


def steps_start(steps: StepFacts) -> list[float]:
    """The biases with which every author is answered the mean label."""
    return [_logit(share) for share in steps.shares]


def _start(head: Any, constant: list[float] | None) -> list[float]:
    """The biases with which every author is answered the constant."""
    if constant is None or not np.isfinite(constant).all():
        return [0.0] * head.width
    if head.kind == "regression":
        return list(constant)
    if head.kind == "binary":
        return [_logit(share) for share in constant]
    return [float(np.log(max(share, SMALLEST_SHARE))) for share in constant]


def _logit(share: float) -> float:
    share = min(max(share, SMALLEST_SHARE), 1 - SMALLEST_SHARE)
    return float(np.log(share / (1 - share)))

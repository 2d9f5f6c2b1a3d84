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

from components.heads.base import Head
from components.heads.declared import Heads
from components.heads.names import internal_name
from components.heads.ordinal import StepFacts
from components.training.heads import logit, network_of
from components.training.pairs import NeighbourPairs
from components.training.settings import NetworkSettings
from components.training.steps import MeanOfSteps, steps_name
from components.training.words import LinearWords, WordFacts, WordWeights

ANSWER = "answer"
"""Of a head's last layer; its output has the head's own name."""


@dataclass(frozen=True)
class LabelFacts:
    """What the training split says of labels.

    Attributes:
        constants: mean target of each head, `[width]`.
        steps: of each number that is answered in steps.
    """

    constants: Mapping[str, list[float]] = field(default_factory=dict)
    steps: Mapping[str, StepFacts] = field(default_factory=dict)

    def constant(self, head: Head) -> list[float] | None:
        """Of a head; None where no label of it is known."""
        constant = self.constants.get(head.name)
        return constant if constant and np.isfinite(constant).all() else None


def answer_by_words(
    heads: Heads,
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
        its_network, constant = network_of(head), labels.constant(head)
        steps = labels.steps.get(head.name)
        units = len(steps.thresholds) if steps else head.width
        # The loss of steps is the mean over thresholds.
        scale = 0.25 / units if steps else its_network.penalty_scale(constant)
        penalty = (
            network.ridges.get(head.name, network.ridge)
            * scale
            * float(loss_weights.get(head.name, 1.0))
            / max(words.authors, 1)
        )
        start = None
        if features is None:
            at_constant = its_network.start(constant) if constant else [0.0] * units
            start = steps_start(steps) if steps else at_constant
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
                its_network.activation, dtype="float32", name=answer
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


def steps_start(steps: StepFacts) -> list[float]:
    """The biases with which every author is answered the mean label."""
    return [logit(share) for share in steps.shares]

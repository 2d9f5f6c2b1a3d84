"""What a trained network says of authors that nothing has fitted: what choices are made on.

Enters: a network and rows of `dataset.to_row`. Leaves: by head the labels, the linear baseline's
logits and the network's, of the authors whose label is known. Memory: a few numbers an author.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from components.heads.arrays import Array
from components.heads.declared import Heads
from components.heads.links import Link
from components.training.conv import logits_of
from components.training.dataset import SplitSummary, make_batches
from components.training.offsets import offset_name


@dataclass(frozen=True)
class HeldOut:
    """Of one head, the authors whose label is known.

    Attributes:
        labels: `[authors, width]`, as targets are.
        answers: of the network, the same shape.
        logits: of the network, `[authors, link.logits]`; empty of a network without offsets.
        offsets: of the linear baseline, the same shape.
    """

    labels: Array
    answers: Array
    logits: Array
    offsets: Array

    def kept(self, link: Link, share: float) -> Array:
        """Answers that keep a share of the network's correction."""
        return link.answers(self.offsets + share * (self.logits - self.offsets))


def answer_held_out(
    model: keras.Model,
    heads: Heads,
    rows: tf.data.Dataset,
    summary: SplitSummary,
    batch_size: int,
) -> dict[str, HeldOut]:
    """Answers one pass over the rows; see the module."""
    logits = logits_of(model, heads)
    told = keras.Model(model.input, {"answers": model.output, "logits": logits})
    # One graph for batches of every length, which `predict` would build for each.
    answer = tf.function(
        lambda inputs: told(inputs, training=False),
        input_signature=[
            {name: tf.TensorSpec(one.shape, one.dtype) for name, one in model.input.items()}
        ],
    )
    parts: dict[str, list[HeldOut]] = {head.name: [] for head in heads}
    for inputs, targets, weights in make_batches(rows, batch_size, summary.longest):
        outputs = answer({name: inputs[name] for name in model.input})
        for head in heads:
            known = weights[head.name].numpy() > 0
            has_offset = head.name in logits
            none = np.zeros((len(known), 0))
            found = HeldOut(
                targets[head.name].numpy(),
                outputs["answers"][head.name].numpy(),
                outputs["logits"][head.name].numpy() if has_offset else none,
                inputs[offset_name(head.name)].numpy() if has_offset else none,
            )
            parts[head.name].append(_only(found, known))
    return {name: pool(some) for name, some in parts.items()}


def pool(parts: Sequence[HeldOut]) -> HeldOut:
    """Several of one head as one."""
    names = ("labels", "answers", "logits", "offsets")
    return HeldOut(*(np.concatenate([getattr(one, name) for one in parts]) for name in names))


def pool_heads(parts: Sequence[Mapping[str, HeldOut]]) -> dict[str, HeldOut]:
    """`pool` of each head."""
    return {name: pool([part[name] for part in parts]) for name in parts[0]}


def _only(found: HeldOut, known: Any) -> HeldOut:
    values = (found.labels, found.answers, found.logits, found.offsets)
    return HeldOut(*(np.asarray(value[known], "float64") for value in values))

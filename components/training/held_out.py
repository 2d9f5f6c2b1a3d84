"""What a trained network says of authors that nothing has fitted: what choices are made on.

Enters: a network and rows of `dataset.to_row`. Leaves: by head the labels, the linear baseline's
logits and the network's, of the authors whose label is known. Memory: a few numbers an author.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from components.heads.arrays import Array
from components.heads.declared import Heads
from components.heads.links import Link
from components.linear.artifact import offset_name
from components.training.conv import logits_of, logits_without, paths_of
from components.training.dataset import SplitSummary, make_batches


@dataclass(frozen=True)
class HeldOut:
    """Of one head, the authors whose label is known.

    Attributes:
        labels: `[authors, width]`, as targets are.
        answers: of the network, the same shape.
        logits: of the network, `[authors, link.logits]`; empty of a network without offsets.
        offsets: of the linear baseline, the same shape.
        without: the logits of the network without one of its paths, by path.
    """

    labels: Array
    answers: Array
    logits: Array
    offsets: Array
    without: dict[str, Array] = field(default_factory=dict)

    def kept(self, link: Link, share: float) -> Array:
        """Answers that keep a share of the network's correction."""
        return link.answers(self.offsets + share * (self.logits - self.offsets))


def answer_held_out(
    model: keras.Model,
    heads: Heads,
    rows: tf.data.Dataset,
    summary: SplitSummary,
    batch_size: int,
    *,
    paths: bool = False,
) -> dict[str, HeldOut]:
    """Answers the rows, see the module; `paths`: without each path too, which takes two passes."""
    means = _mean_features(model, rows, summary, batch_size) if paths else {}
    without = {path: logits_without(model, heads, path, mean) for path, mean in means.items()}
    logits = logits_of(model, heads)
    answer = _graph(model, {"answers": model.output, "logits": logits, "without": without})
    parts: dict[str, list[HeldOut]] = {head.name: [] for head in heads}
    for inputs, targets, weights in make_batches(rows, batch_size, summary.longest):
        outputs = answer({name: inputs[name] for name in model.input})
        for head in heads:
            known = weights[head.name].numpy() > 0
            none = np.zeros((len(known), 0))
            found = HeldOut(
                targets[head.name].numpy(),
                outputs["answers"][head.name].numpy(),
                outputs["logits"][head.name].numpy() if logits else none,
                inputs[offset_name(head.name)].numpy() if logits else none,
                {path: outputs["without"][path][head.name].numpy() for path in without},
            )
            parts[head.name].append(_only(found, known))
    return {name: pool(some) for name, some in parts.items()}


def _mean_features(
    model: keras.Model, rows: tf.data.Dataset, summary: SplitSummary, batch_size: int
) -> dict[str, Array]:
    """What each path says on average, `[features]`; empty where there are not several."""
    paths = paths_of(model)
    if not paths:
        return {}
    read = _graph(model, paths)
    total = {path: np.zeros(features.shape[1]) for path, features in paths.items()}
    authors = 0
    for inputs, *_ in make_batches(rows, batch_size, summary.longest):
        found = read({name: inputs[name] for name in model.input})
        authors += len(inputs["tokens"])
        for path, features in found.items():
            total[path] += features.numpy().sum(axis=0, dtype="float64")
    return {path: some / max(authors, 1) for path, some in total.items()}


def _graph(model: keras.Model, outputs: Any) -> Any:
    """A graph for batches of every length, where `predict` would build one for each."""
    told = keras.Model(model.input, outputs)
    return tf.function(
        lambda inputs: told(inputs, training=False),
        input_signature=[
            {name: tf.TensorSpec(one.shape, one.dtype) for name, one in model.input.items()}
        ],
    )


def pool(parts: Sequence[HeldOut]) -> HeldOut:
    """Several of one head as one."""

    def joined(values: Callable[[HeldOut], Array]) -> Array:
        return np.concatenate([values(one) for one in parts])

    return HeldOut(
        joined(lambda one: one.labels),
        joined(lambda one: one.answers),
        joined(lambda one: one.logits),
        joined(lambda one: one.offsets),
        {path: joined(partial(_without, path)) for path in parts[0].without},
    )


def _without(path: str, found: HeldOut) -> Array:
    return found.without[path]


def pool_heads(parts: Sequence[Mapping[str, HeldOut]]) -> dict[str, HeldOut]:
    """`pool` of each head."""
    return {name: pool([part[name] for part in parts]) for name in parts[0]}


def _only(found: HeldOut, known: Array) -> HeldOut:
    def those(values: Array) -> Array:
        return np.asarray(values[known], "float64")

    return HeldOut(
        those(found.labels),
        those(found.answers),
        those(found.logits),
        those(found.offsets),
        {path: those(logits) for path, logits in found.without.items()},
    )

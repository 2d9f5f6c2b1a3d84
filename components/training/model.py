"""The multi-head Conv1D network of either kind, and what each head is trained by.

| kind | built by | reads |
|---|---|---|
| `conv` | `conv.build_conv` | tokens and each head's offset |
| `reference` | `reference.build_reference` | tokens |

Both answer `<head>`, float32 `[batch, head.width]`. Beside a number that has thresholds stand the
probabilities it is trained by, as output `<head>.steps`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from components.heads.base import Head
from components.heads.declared import Heads
from components.heads.links import Link
from components.table.artifact import Table
from components.training.conv import build_conv, table_of
from components.training.heads import network_of
from components.training.optimizer import OnePassAdam
from components.training.reference import build_reference
from components.training.settings import ConvSettings, ReferenceSettings
from components.training.steps import MeanOfSteps, head_of, steps_name

DECAYED = ("embeddings", "kernel")
"""Names of the weights that decay; the table is drawn to its start instead."""


def build_model(
    heads: Heads,
    vocabulary_size: int,
    network: ConvSettings | ReferenceSettings,
    *,
    links: Mapping[str, Link],
    table: Table | None = None,
    dropout: float = 0.0,
    seed: int | None = None,
    precision: str = "float32",
) -> keras.Model:
    """Builds the network; dropout and windows add no parameter.

    Args:
        heads: what is predicted, one output each.
        vocabulary_size: token ids in all, padding and unknown among them.
        network: kind and widths.
        links: of each head, for `conv`.
        table: terms and where their rows start, for `conv`.
        dropout: share of the features dropped before and after the layer under the heads.
        seed: of the initial weights, of crops, windows and dropout.
        precision: 'float32' or 'bfloat16' (matrix work; weights and answers stay float32).

    Returns:
        An uncompiled model.

    Raises:
        ValueError: `conv` without a table, or with a table of another vocabulary.
    """
    if seed is not None:
        keras.utils.set_random_seed(seed)
    policy = "mixed_bfloat16" if precision == "bfloat16" else "float32"
    if isinstance(network, ReferenceSettings):
        return build_reference(
            heads, vocabulary_size, network, dropout=dropout, seed=seed, policy=policy
        )
    words = table.vocabulary_size if table else 0
    if table is None or words != vocabulary_size:
        raise ValueError(
            "The network needs a table with a row for each id of its vocabulary. Received: "
            f"{words or 'none'} for a vocabulary of {vocabulary_size}. Make the table of the same "
            "transformed examples, or set network.kind=reference."
        )
    return build_conv(heads, links, table, network, dropout=dropout, seed=seed, policy=policy)


def compile_model(
    model: keras.Model,
    heads: Heads,
    loss_weights: Mapping[str, float],
    learning_rate: float,
    steps: int | None = None,
    *,
    weight_decay: float = 0.0,
    pull: float = 0.0,
    label_smoothing: float = 0.0,
) -> None:
    """Compiles with a loss per head; `known.loss` of each is its mean over known labels alone.

    The step size rises in the first tenth of `steps` and then falls to 0 along a cosine; without
    `steps` it stays. `pull` is that of `ConvSettings`, the others those of `TrainingSettings`.

    A label's sample weight of 0 leaves its head out of the gradient. The loss itself is averaged
    over the whole batch, which would understate it by the share of unknown labels; the metric
    divides by the known ones and carries no loss weight, so the objective can be built from it.
    """
    trained = {head.name: trained_output(model, head.name) for head in heads}
    optimizer = OnePassAdam(step_sizes(learning_rate, steps), weight_decay=weight_decay or None)
    free = [weight for weight in model.trainable_variables if weight.name not in DECAYED]
    optimizer.exclude_from_weight_decay(var_list=free)
    if (table := table_of(model)) is not None:
        optimizer.pull_to_start(table, pull)
    model.compile(
        optimizer=optimizer,
        loss={trained[head.name]: make_loss(model, head, label_smoothing) for head in heads},
        loss_weights={
            trained[head.name]: float(loss_weights.get(head.name, 1.0)) for head in heads
        },
        weighted_metrics={head.name: [network_of(head).known_loss()] for head in heads},
        jit_compile=False,
    )


def trained_output(model: keras.Model, head_name: str) -> str:
    """The output that a head is trained by: its steps where it has them, else its answer."""
    return steps_name(head_name) if steps_name(head_name) in model.output else head_name


def make_loss(model: keras.Model, head: Head, label_smoothing: float = 0.0) -> keras.losses.Loss:
    """The loss of a head's `trained_output`.

    Labels of classes and binary heads are smoothed (Szegedy et al., "Rethinking the Inception
    Architecture", 2016). A number has none, in steps neither: what its steps are learned for is the
    mean of their distribution, which smoothing would draw to the middle of the thresholds.
    """
    if trained_output(model, head.name) != head.name:
        return keras.losses.BinaryCrossentropy()
    return network_of(head).loss(label_smoothing)


def for_model(batches: tf.data.Dataset, model: keras.Model) -> tf.data.Dataset:
    """Batches of `dataset` with the inputs that the model reads and a target for each output."""
    wanted = list(model.input)
    thresholds = {
        head_of(layer.name): layer.thresholds
        for layer in model.layers
        if isinstance(layer, MeanOfSteps)
    }

    def fit_model(inputs: Any, targets: Any, weights: Any) -> tuple[Any, Any, Any]:
        above = {
            steps_name(name): tf.cast(targets[name] > tf.constant([bounds], tf.float32), tf.float32)
            for name, bounds in thresholds.items()
        }
        its_weights = {steps_name(name): weights[name] for name in thresholds}
        read = {name: inputs[name] for name in wanted}
        return read, {**targets, **above}, {**weights, **its_weights}

    return batches.map(fit_model, num_parallel_calls=tf.data.AUTOTUNE)


def step_sizes(peak: float, steps: int | None) -> Any:
    """Adam's step size over a training: up in a tenth of it, down along a cosine.

    Loshchilov and Hutter, "SGDR", 2017; warm-up as in Goyal et al., "Accurate, Large Minibatch
    SGD", 2017.
    """
    if steps is None:
        return peak
    rising = max(steps // 10, 1)
    return keras.optimizers.schedules.CosineDecay(
        0.0, max(steps - rising, 1), warmup_target=peak, warmup_steps=rising
    )


def choose_precision(setting: str, cpu_information: Path = Path("/proc/cpuinfo")) -> str:
    """'bfloat16' where asked for, or where 'auto' meets a processor that multiplies it."""
    if setting != "auto":
        return setting
    flags = cpu_information.read_text(encoding="utf-8") if cpu_information.exists() else ""
    return "bfloat16" if "amx_bf16" in flags or "avx512_bf16" in flags else "float32"

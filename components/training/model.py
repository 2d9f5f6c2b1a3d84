"""The multi-head Conv1D network and what each head is trained by.

Enters: heads, widths, dropout. Leaves: a Keras model, token ids -> one output a head.

| input | output |
|---|---|
| `tokens` int32 `[batch, tokens]`, 0 = padding | `<head>` float32 `[batch, head.units]` |

The defaults are the reference network of 14,146,316 parameters. Called by the Tuner and the
Trainer. Knows nothing of TFX.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from components.training.layers import OwnGlobalMaxPooling1D, PadTokens, TokenDropout
from components.training.settings import MINIMUM_TOKENS, NetworkSettings

ACTIVATIONS = {"regression": "linear", "classes": "softmax", "binary": "sigmoid"}
LOSSES = {
    "regression": keras.losses.MeanSquaredError,
    "classes": keras.losses.CategoricalCrossentropy,
    "binary": keras.losses.BinaryCrossentropy,
}
KNOWN_LOSS_METRICS = {
    "regression": keras.metrics.MeanSquaredError,
    "classes": keras.metrics.CategoricalCrossentropy,
    "binary": keras.metrics.BinaryCrossentropy,
}
KNOWN_LOSS = "known_loss"


def build_model(
    heads: tuple[Any, ...],
    vocabulary_size: int,
    network: NetworkSettings,
    *,
    dropout: float = 0.0,
    token_dropout: float = 0.0,
    seed: int | None = None,
    precision: str = "float32",
) -> keras.Model:
    """Builds the network; dropout adds no parameter.

    Args:
        heads: what is predicted, one output each.
        vocabulary_size: token ids in all, padding and unknown among them.
        network: widths.
        dropout: share of the features dropped before the last shared layer and the heads.
        token_dropout: share of the tokens replaced by the unknown token in training.
        seed: of the initial weights and of dropout.
        precision: 'float32' or 'bfloat16' (matrix work; weights and answers stay float32).

    Returns:
        An uncompiled model, `tokens` int32 `[batch, tokens]` -> {head: float32 `[batch, units]`}.
    """
    if seed is not None:
        keras.utils.set_random_seed(seed)
    policy = "mixed_bfloat16" if precision == "bfloat16" else "float32"
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    padded = PadTokens(MINIMUM_TOKENS, name="padded")(tokens)
    kept = TokenDropout(token_dropout, seed=seed, name="token_dropout")(padded)
    x = keras.layers.Embedding(
        vocabulary_size, network.embedding_width, dtype=policy, name="embedding"
    )(kept)
    x = _convolution(network.first_filters, 1, policy)(x)
    x = keras.layers.MaxPooling1D(5, dtype=policy, name="pool_1")(x)
    x = _convolution(network.filters, 2, policy)(x)
    x = _convolution(network.filters, 3, policy)(x)
    x = keras.layers.MaxPooling1D(5, dtype=policy, name="pool_2")(x)
    x = _convolution(network.filters, 4, policy)(x)
    x = _convolution(network.filters, 5, policy)(x)
    x = OwnGlobalMaxPooling1D(MINIMUM_TOKENS, dtype=policy, name="global_pool")(x, padded)
    x = keras.layers.Dropout(dropout, seed=seed, dtype=policy, name="pool_dropout")(x)
    x = keras.layers.Dense(network.dense_width, "relu", dtype=policy, name="shared")(x)
    x = keras.layers.Dropout(dropout, seed=seed, dtype=policy, name="shared_dropout")(x)
    outputs = {
        head.name: keras.layers.Dense(
            head.units, ACTIVATIONS[head.kind], dtype="float32", name=head.name
        )(x)
        for head in heads
    }
    return keras.Model(tokens, outputs, name="authorprofile")


def _convolution(filters: int, number: int, policy: str) -> keras.layers.Layer:
    return keras.layers.Conv1D(filters, 5, activation="relu", dtype=policy, name=f"conv_{number}")


def compile_model(
    model: keras.Model,
    heads: tuple[Any, ...],
    loss_weights: Mapping[str, float],
    learning_rate: float,
) -> None:
    """Compiles with a loss a head; `known_loss` of each is its mean over known labels alone.

    A label's sample weight of 0 leaves its head out of the gradient. The loss itself is averaged
    over the whole batch, which would understate it by the share of unknown labels; the metric
    divides by the known ones and carries no loss weight, so the objective can be built from it.
    """
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate),
        loss={head.name: LOSSES[head.kind]() for head in heads},
        loss_weights={head.name: float(loss_weights.get(head.name, 1.0)) for head in heads},
        weighted_metrics={
            head.name: [KNOWN_LOSS_METRICS[head.kind](name=KNOWN_LOSS)] for head in heads
        },
    )


def choose_precision(setting: str, cpu_information: Path = Path("/proc/cpuinfo")) -> str:
    """'bfloat16' where asked for, or where 'auto' meets a processor that multiplies it."""
    if setting != "auto":
        return setting
    flags = cpu_information.read_text(encoding="utf-8") if cpu_information.exists() else ""
    return "bfloat16" if "amx_bf16" in flags or "avx512_bf16" in flags else "float32"

"""The textbook network: five convolutions, a global maximum, a dense layer, the heads.

| input | output |
|---|---|
| `tokens` int32 `[batch, tokens]`, 0 = padding | `<head>` float32 `[batch, head.width]` |

At the default widths it has exactly 14,146,316 parameters. It reads an author's first 1,500 tokens,
whole, and starts from random weights; windows and token dropout stand only where they are set.
"""

from __future__ import annotations

from typing import Any

import keras

from components.heads.declared import Heads
from components.heads.names import ANSWER
from components.training.convolution import TrunkConv1D
from components.training.first_convolution import DistinctConv1D, DistinctEmbedding
from components.training.heads import network_of
from components.training.layers import (
    FirstTokens,
    OwnGlobalMaxPooling1D,
    PadTokens,
    TokenDropout,
)
from components.training.settings import MINIMUM_TOKENS, ReferenceSettings
from components.training.windows import CutWindows, FlattenWindows, MeanOfWindows


def build_reference(
    heads: Heads,
    vocabulary_size: int,
    network: ReferenceSettings,
    *,
    dropout: float,
    seed: int | None,
    policy: str,
) -> keras.Model:
    """The network of the module's table, uncompiled; arguments as of `model.build_model`."""
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    first = FirstTokens(network.maximum_tokens, name="first_tokens")(tokens)
    padded = PadTokens(MINIMUM_TOKENS, name="padded")(first)
    if network.window_tokens:
        windows = CutWindows(
            network.window_tokens,
            network.windows,
            seed=seed,
            shortest=MINIMUM_TOKENS,
            name="windows",
        )(padded)
        x = _read(
            FlattenWindows(name="window_ids")(windows), vocabulary_size, network, policy, seed
        )
        x = MeanOfWindows(dtype=policy, name="mean_of_windows")(x, windows)
    else:
        x = _read(padded, vocabulary_size, network, policy, seed)
    x = keras.layers.Dropout(dropout, seed=seed, dtype=policy, name="pool_dropout")(x)
    x = keras.layers.Dense(network.dense_width, "relu", dtype=policy, name="shared")(x)
    x = keras.layers.Dropout(dropout, seed=seed, dtype=policy, name="shared_dropout")(x)
    outputs = {
        head.name: keras.layers.Dense(
            head.width, network_of(head).activation, dtype="float32", name=head.internal(ANSWER)
        )(x)
        for head in heads
    }
    return keras.Model({"tokens": tokens}, outputs, name="authorprofile")


def _read(
    ids: Any,
    vocabulary_size: int,
    network: ReferenceSettings,
    policy: str,
    seed: int | None,
) -> Any:
    """Up to the global pool: int `[rows, tokens]` -> `[rows, filters]`.

    Lengths are counted by the ids before token dropout. Channels are dropped after the first pool
    (Tompson et al., "Efficient Object Localization Using Convolutional Networks", 2015), where each
    window has values of its own: an embedding's row belongs to all windows that hold the token.
    """
    kept = ids
    if network.token_dropout:
        kept = TokenDropout(network.token_dropout, seed=seed, name="token_dropout")(ids)
    rows, places = DistinctEmbedding(
        vocabulary_size, network.embedding_width, dtype=policy, name="embedding"
    )(kept)
    x = DistinctConv1D(network.first_filters, 5, activation="relu", dtype=policy, name="conv_1")(
        rows, places
    )
    x = keras.layers.MaxPooling1D(5, dtype=policy, name="pool_1")(x)
    if network.spatial_dropout:
        x = keras.layers.SpatialDropout1D(
            network.spatial_dropout, seed=seed, dtype=policy, name="spatial_dropout"
        )(x)
    x = _convolution(network.filters, 2, policy)(x)
    x = _convolution(network.filters, 3, policy)(x)
    x = keras.layers.MaxPooling1D(5, dtype=policy, name="pool_2")(x)
    x = _convolution(network.filters, 4, policy)(x)
    x = _convolution(network.filters, 5, policy)(x)
    return OwnGlobalMaxPooling1D(MINIMUM_TOKENS, dtype=policy, name="global_pool")(x, ids)


def _convolution(filters: int, number: int, policy: str) -> keras.layers.Layer:
    return TrunkConv1D(filters, 5, activation="relu", dtype=policy, name=f"conv_{number}")

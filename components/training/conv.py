"""The default network: one table, a pool and a convolution over it, a shared layer under all heads.

    tokens -+- words, pairs: rows of the table, TF-IDF-weighed sum -- LayerNorm -+
            |                                                                    +- dropout
            +- rows of a crop -- Conv1D, GELU - mean of positions - standardise -+     |
            |                                                        Dense, GELU, dropout
            +- linear baseline: an offset per head ---------+                          |
                                         logits = scale * offset + W * shared, W from 0

| input | output |
|---|---|
| `tokens` int32 `[batch, tokens]`, 0 = padding | `<head>` float32 `[batch, head.width]` |
| `<head>.offset` float32 `[batch, logits]` | `<head>.steps`, where a number has thresholds |

The heads read the shared layer and their offset, and nothing else of the text. In training the
offset is an input: of an author that the network learns from, the answer of a linear model that
never saw that author. In service it is that of the linear model inside (`shrunk_model`). Both
models are made of the same layers.

References: Johnson and Zhang, "Effective Use of Word Order for Text Categorization with
Convolutional Neural Networks", 2015. Cheng et al., "Wide & Deep Learning", 2016.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from components.heads.arrays import Array
from components.heads.declared import Heads
from components.heads.links import Link
from components.linear.artifact import LinearModel, offset_name
from components.table.artifact import Table
from components.training.first_convolution import DistinctConv1D
from components.training.heads import network_of
from components.training.layers import PadTokens
from components.training.linear import LinearTerms
from components.training.offsets import CorrectOffset, KeepShare
from components.training.settings import ConvSettings
from components.training.standardise import Standardise
from components.training.table import Crop, OwnMean, PadToKernel, TermTable
from components.training.terms import weigh_terms

TABLE, SHARED, WEIGHTS = "table", "shared_dropout", "word_weights"
CONCATENATED, FEATURES = "paths", "shared"
CORRECTION, LOGITS, LINEAR = "correction", "logits", "linear"
POOL, CONVOLUTION = "pool", "convolution"
PATHS = {POOL: "pool_norm", CONVOLUTION: "standardise"}
"""The last layer of each path below the shared layer."""


def build_conv(
    heads: Heads,
    links: Mapping[str, Link],
    table: Table,
    settings: ConvSettings,
    *,
    dropout: float,
    seed: int | None,
    policy: str,
) -> keras.Model:
    """The network of the module's table, uncompiled.

    Args:
        heads: what is predicted.
        links: of each head, how its answer follows from logits.
        table: terms, their rarities, and the rows to start from.
        settings: widths.
        dropout: share of the features dropped before and after the shared layer.
        seed: of crops and dropout.
        policy: Keras's name for the type of matrix work.
    """
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    offsets = {
        head.name: keras.Input((links[head.name].logits,), name=offset_name(head.name))
        for head in heads
    }
    # An author may have no token at all, and pairs need two.
    padded = PadTokens(settings.kernel_width, name="padded")(tokens)
    ids, weights = weigh_terms(padded, table.idf, table.pair_keys)
    features = shared_features(
        padded, ids, weights, table, settings, dropout=dropout, seed=seed, policy=policy
    )
    outputs: dict[str, Any] = {}
    for head in heads:
        link = links[head.name]
        correction = keras.layers.Dense(
            link.logits,
            kernel_initializer="zeros",
            dtype="float32",
            name=head.internal(CORRECTION),
        )(features)
        corrected = CorrectOffset(name=head.internal(LOGITS), dtype="float32")
        logits = corrected(offsets[head.name], correction)
        outputs |= network_of(head).outputs(link, logits)
    inputs = {"tokens": tokens, **{offset_name(name): i for name, i in offsets.items()}}
    return keras.Model(inputs, outputs, name="authorprofile")


def shared_features(
    tokens: Any,
    ids: Any,
    weights: Any,
    table: Table,
    settings: ConvSettings,
    *,
    dropout: float,
    seed: int | None,
    policy: str,
) -> Any:
    """Of each author what all heads read, float `[batch, shared_width]`."""
    size, width = table.table.shape
    crop = Crop(settings.crop_tokens, seed=seed, name="crop")(tokens)
    crop = PadToKernel(settings.kernel_width, name="crop_padded")(crop)
    rows = TermTable(
        size,
        width,
        dropout=settings.term_dropout,
        seed=seed,
        dtype=policy,
        name=TABLE,
    )
    pooled, of_crop, places = rows(ids, weights, crop)
    rows.table.assign(table.table)
    paths = []
    if settings.pool:
        paths.append(keras.layers.LayerNormalization(dtype="float32", name=PATHS[POOL])(pooled))
    if settings.filters:
        convolution = DistinctConv1D(
            settings.filters,
            settings.kernel_width,
            activation="gelu",
            dtype=policy,
            name=CONVOLUTION,
        )
        x = OwnMean(settings.kernel_width, name="mean_of_positions", dtype="float32")(
            convolution(of_crop, places), crop
        )
        standardise = Standardise(
            settings.kernel_width,
            settings.crop_tokens - settings.kernel_width + 1,
            name=PATHS[CONVOLUTION],
            dtype="float32",
        )
        paths.append(standardise(x, crop))
    x = keras.layers.Concatenate(name=CONCATENATED)(paths) if len(paths) > 1 else paths[0]
    x = keras.layers.Dropout(dropout, seed=seed, name="paths_dropout")(x)
    x = keras.layers.Dense(settings.shared_width, "gelu", dtype=policy, name=FEATURES)(x)
    return keras.layers.Dropout(dropout, seed=seed, dtype="float32", name=SHARED)(x)


def table_of(model: keras.Model) -> Any | None:
    """The table's variable; None of a network that has none."""
    found = [layer for layer in model.layers if isinstance(layer, TermTable)]
    return found[0].table if found else None


def logits_of(model: keras.Model, heads: Heads) -> dict[str, Any]:
    """By head the network's logits, symbolic; empty of a network without offsets."""
    names = {layer.name for layer in model.layers}
    return {
        head.name: model.get_layer(head.internal(LOGITS)).output
        for head in heads
        if head.internal(LOGITS) in names
    }


def paths_of(model: keras.Model) -> dict[str, Any]:
    """By path what the shared layer reads of it, symbolic; empty of a network without several."""
    if CONCATENATED not in {layer.name for layer in model.layers}:
        return {}
    return {path: model.get_layer(name).output for path, name in PATHS.items()}


def logits_without(model: keras.Model, heads: Heads, path: str, mean: Array) -> dict[str, Any]:
    """By head the logits of a network in which a path says the same of every author, symbolic.

    Args:
        model: with several paths.
        heads: what is predicted.
        path: one of `PATHS`.
        mean: what it says, of all authors on average, `[features]`.
    """
    paths = paths_of(model)
    paths[path] = 0.0 * paths[path] + keras.ops.convert_to_tensor(mean[None], "float32")
    shared = model.get_layer(FEATURES)(model.get_layer(CONCATENATED)(list(paths.values())))
    logits = {}
    for head in heads:
        correction = model.get_layer(head.internal(CORRECTION))(shared)
        offset = model.input[offset_name(head.name)]
        logits[head.name] = model.get_layer(head.internal(LOGITS))(offset, correction)
    return logits


def shrunk_model(
    model: keras.Model,
    heads: Heads,
    links: Mapping[str, Link],
    shares: Mapping[str, float],
    linear: LinearModel | None = None,
) -> keras.Model:
    """The network, of whose correction each head keeps a share; its layers are those of training.

    Args:
        model: of `build_conv`.
        heads: what is predicted.
        links: of each head.
        shares: of each head, 0 to 1; 1 where not named.
        linear: whose answers are the offsets; it joins the graph. None: the offsets are inputs.

    Returns:
        (tokens, offsets) -> answers, or tokens -> answers.
    """
    if linear:
        inputs: Any = model.input["tokens"]
        offsets = linear_offsets(model, heads, linear)
    else:
        inputs = model.input
        offsets = {head.name: inputs[offset_name(head.name)] for head in heads}
    outputs: dict[str, Any] = {}
    for head in heads:
        offset = offsets[head.name]
        correction = model.get_layer(head.internal(CORRECTION)).output
        logits = model.get_layer(head.internal(LOGITS))(offset, correction)
        keep = KeepShare(shares.get(head.name, 1.0), dtype="float32", name=head.internal("kept"))
        outputs |= network_of(head).outputs(links[head.name], keep(offset, logits))
    return keras.Model(inputs, {head.name: outputs[head.name] for head in heads}, name=model.name)


def linear_model(
    model: keras.Model, heads: Heads, links: Mapping[str, Link], linear: LinearModel
) -> keras.Model:
    """The linear baseline inside a network: tokens -> {head: float32 `[batch, width]`}."""
    offsets = linear_offsets(model, heads, linear)
    outputs: dict[str, Any] = {}
    for head in heads:
        outputs |= network_of(head).outputs(links[head.name], offsets[head.name], LINEAR)
    answers = {head.name: outputs[head.name] for head in heads}
    return keras.Model(model.input["tokens"], answers, name="linear_baseline")


def linear_offsets(model: keras.Model, heads: Heads, linear: LinearModel) -> dict[str, Any]:
    """By head the linear baseline's logits, symbolic, float32 `[batch, logits]`."""
    ids, weights = model.get_layer(WEIGHTS).output
    offsets = {}
    for head in heads:
        fitted = linear[head.name]
        layer = LinearTerms(
            *map(len, (fitted.weights, fitted.mixing, fitted.bias)), name=head.internal("offset")
        )
        offsets[head.name] = layer(ids, weights)
        layer.set_weights([fitted.weights, fitted.mixing, fitted.bias])
    return offsets

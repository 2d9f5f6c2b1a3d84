"""The multi-head Conv1D network and what each head is trained by.

Enters: heads, widths, dropout. Leaves: a Keras model, token ids -> one output a head.

| input | output |
|---|---|
| `tokens` int32 `[batch, tokens]`, 0 = padding | `<head>` float32 `[batch, head.width]` |

Three kinds: `reference`, the trunk of five convolutions with 14,146,316 parameters at the default
widths, which reads the first 1,500 tokens; `words`, a linear model of words and pairs of words, of
the whole author; `wide`, both, their answers added.
Beside a number that is answered in steps (`steps`) stand the probabilities it is trained by, as
output `<head>.steps`. Called by the Tuner and the Trainer. Knows nothing of TFX.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from components.heads.base import Head
from components.heads.declared import Heads
from components.training.convolution import TrunkConv1D
from components.training.first_convolution import DistinctConv1D, DistinctEmbedding
from components.training.heads import network_of
from components.training.layers import (
    FirstTokens,
    OwnGlobalMaxPooling1D,
    PadTokens,
    TokenDropout,
)
from components.training.linear import ANSWER, LabelFacts, answer_by_words, head_of
from components.training.optimizer import OnePassAdam
from components.training.settings import (
    MINIMUM_TOKENS,
    TRUNK_TOKENS,
    WINDOW_TOKENS,
    NetworkSettings,
)
from components.training.steps import MeanOfSteps, steps_name
from components.training.windows import (
    NO_SEPARATOR,
    CutWindows,
    FlattenWindows,
    MeanOfWindows,
)
from components.training.words import WordFacts

DECAYED = ("embeddings", "kernel")
"""Names of the weights that decay, in the trunk and its heads; those of the linear model differ."""


def build_model(
    heads: Heads,
    vocabulary_size: int,
    network: NetworkSettings,
    *,
    words: WordFacts | None = None,
    labels: LabelFacts | None = None,
    loss_weights: Mapping[str, float] | None = None,
    dropout: float = 0.0,
    token_dropout: float = 0.0,
    spatial_dropout: float = 0.0,
    seed: int | None = None,
    precision: str = "float32",
) -> keras.Model:
    """Builds the network; dropout and windows add no parameter.

    Args:
        heads: what is predicted, one output each.
        vocabulary_size: token ids in all, padding and unknown among them.
        network: kind, widths, windows.
        words: what the training split says of words; 'words' and 'wide' need it.
        labels: what it says of labels; 'words' starts at their constants, and both kinds answer
            those numbers in steps that it has steps of.
        loss_weights: of the heads, 1 where not named; the penalty of the linear model follows
            them, so that its optimum does not.
        dropout: share of the features dropped before the last shared layer and the heads.
        token_dropout: share of the trunk's tokens replaced by the unknown token in training.
        spatial_dropout: share of the trunk's channels dropped whole from a window in training.
        seed: of the initial weights, of windows and of dropout.
        precision: 'float32' or 'bfloat16' (matrix work; weights and answers stay float32).

    Returns:
        An uncompiled model, `tokens` int32 `[batch, tokens]` -> {head: float32 `[batch, width]`}.

    Raises:
        ValueError: a linear model without `words`, or with words of another vocabulary.
    """
    if seed is not None:
        keras.utils.set_random_seed(seed)
    policy = "mixed_bfloat16" if precision == "bfloat16" else "float32"
    if network.kind != "reference":
        words = _of_vocabulary(words, vocabulary_size)
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    window_tokens = network.window_tokens or WINDOW_TOKENS
    shortest = min(window_tokens, WINDOW_TOKENS)
    padded = PadTokens(shortest, name="padded")(tokens)
    features = None
    if network.kind != "words":
        features = _trunk(
            padded,
            vocabulary_size,
            network,
            window_tokens,
            shortest,
            words.separator_id if words else NO_SEPARATOR,
            dropout=dropout,
            token_dropout=token_dropout,
            spatial_dropout=spatial_dropout,
            seed=seed,
            policy=policy,
        )
    if network.kind == "reference":
        outputs = {
            head.name: keras.layers.Dense(
                head.width, network_of(head).activation, dtype="float32", name=head.internal(ANSWER)
            )(features)
            for head in heads
        }
    else:
        assert words is not None
        outputs = answer_by_words(
            heads, padded, features, network, words, labels or LabelFacts(), loss_weights or {}
        )
    return keras.Model(tokens, outputs, name="authorprofile")


def _trunk(
    padded: Any,
    vocabulary_size: int,
    network: NetworkSettings,
    window_tokens: int,
    shortest: int,
    separator_id: int,
    *,
    dropout: float,
    token_dropout: float,
    spatial_dropout: float,
    seed: int | None,
    policy: str,
) -> Any:
    """Token ids int `[batch, tokens]` to the features under the heads `[batch, dense_width]`."""
    first = FirstTokens(TRUNK_TOKENS, name="first_tokens")(padded)
    windows = CutWindows(
        window_tokens, network.windows, separator_id, seed=seed, shortest=shortest, name="windows"
    )(first)
    ids = FlattenWindows(name="window_ids")(windows)
    kept = TokenDropout(token_dropout, seed=seed, name="token_dropout")(ids)
    x = _read_windows(kept, ids, vocabulary_size, network, policy, spatial_dropout, seed)
    x = MeanOfWindows(dtype=policy, name="mean_of_windows")(x, windows)
    x = keras.layers.Dropout(dropout, seed=seed, dtype=policy, name="pool_dropout")(x)
    x = keras.layers.Dense(network.dense_width, "relu", dtype=policy, name="shared")(x)
    return keras.layers.Dropout(dropout, seed=seed, dtype=policy, name="shared_dropout")(x)


def _read_windows(
    kept: Any,
    ids: Any,
    vocabulary_size: int,
    network: NetworkSettings,
    policy: str,
    spatial_dropout: float,
    seed: int | None,
) -> Any:
    """The trunk up to the global pool: int `[rows, tokens]` -> `[rows, filters]`.

    `kept` are the ids after token dropout, which are read; `ids` those before it, which lengths are
    counted by. Channels are dropped after the first pool (Tompson et al., "Efficient Object
    Localization Using Convolutional Networks", 2015), where each window has values of its own: an
    embedding's row belongs to all windows of the batch that hold the token.
    """
    rows, places = DistinctEmbedding(
        vocabulary_size, network.embedding_width, dtype=policy, name="embedding"
    )(kept)
    x = DistinctConv1D(network.first_filters, 5, activation="relu", dtype=policy, name="conv_1")(
        rows, places
    )
    x = keras.layers.MaxPooling1D(5, dtype=policy, name="pool_1")(x)
    # Draws follow from a layer's place: one of rate 0 would change those of the layers after it.
    if spatial_dropout:
        drop = keras.layers.SpatialDropout1D(
            spatial_dropout, seed=seed, dtype=policy, name="spatial_dropout"
        )
        x = drop(x)
    x = _convolution(network.filters, 2, policy)(x)
    x = _convolution(network.filters, 3, policy)(x)
    x = keras.layers.MaxPooling1D(5, dtype=policy, name="pool_2")(x)
    x = _convolution(network.filters, 4, policy)(x)
    x = _convolution(network.filters, 5, policy)(x)
    return OwnGlobalMaxPooling1D(MINIMUM_TOKENS, dtype=policy, name="global_pool")(x, ids)


def _of_vocabulary(words: WordFacts | None, vocabulary_size: int) -> WordFacts:
    """The words, if they are of this vocabulary."""
    counted = len(words.document_frequencies) - len(words.pair_keys) if words else 0
    if words is None or counted != vocabulary_size:
        raise ValueError(
            "A linear model of words needs the document frequency of each of its ids. Received: "
            f"{counted or 'none'} for a vocabulary of {vocabulary_size}. Count them on the "
            "training split, or set network.kind=reference."
        )
    return words


def _convolution(filters: int, number: int, policy: str) -> keras.layers.Layer:
    return TrunkConv1D(filters, 5, activation="relu", dtype=policy, name=f"conv_{number}")


def compile_model(
    model: keras.Model,
    heads: Heads,
    loss_weights: Mapping[str, float],
    learning_rate: float,
    steps: int | None = None,
    *,
    weight_decay: float = 0.0,
    label_smoothing: float = 0.0,
) -> None:
    """Compiles with a loss a head; `known.loss` of each is its mean over known labels alone.

    The step size rises in the first tenth of `steps` and then falls to 0 along a cosine; without
    `steps` it stays. `weight_decay` and `label_smoothing` are those of `TrainingSettings`.

    A label's sample weight of 0 leaves its head out of the gradient. The loss itself is averaged
    over the whole batch, which would understate it by the share of unknown labels; the metric
    divides by the known ones and carries no loss weight, so the objective can be built from it.
    """
    trained = {head.name: trained_output(model, head.name) for head in heads}
    optimizer = OnePassAdam(step_sizes(learning_rate, steps), weight_decay=weight_decay or None)
    free = [weight for weight in model.trainable_variables if weight.name not in DECAYED]
    optimizer.exclude_from_weight_decay(var_list=free)
    model.compile(
        optimizer=optimizer,
        loss={trained[head.name]: make_loss(model, head, label_smoothing) for head in heads},
        loss_weights={
            trained[head.name]: float(loss_weights.get(head.name, 1.0)) for head in heads
        },
        weighted_metrics={head.name: [network_of(head).known_loss()] for head in heads},
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


def for_outputs(batches: tf.data.Dataset, model: keras.Model) -> tf.data.Dataset:
    """Batches of `dataset` with a target and a weight for each output of steps as well."""
    thresholds = {
        head_of(layer.name): layer.thresholds
        for layer in model.layers
        if isinstance(layer, MeanOfSteps)
    }

    def add_steps(tokens: Any, targets: Any, weights: Any) -> tuple[Any, Any, Any]:
        above = {
            steps_name(name): tf.cast(targets[name] > tf.constant([bounds], tf.float32), tf.float32)
            for name, bounds in thresholds.items()
        }
        its_weights = {steps_name(name): weights[name] for name in thresholds}
        return tokens, {**targets, **above}, {**weights, **its_weights}

    return batches.map(add_steps, num_parallel_calls=tf.data.AUTOTUNE) if thresholds else batches


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

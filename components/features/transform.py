"""Raw examples to token ids, targets and masks, as one tf.Transform graph.

| enters (raw example) | leaves (transformed example) |
|---|---|
| `author_id` bytes | `author_id` bytes |
| `posts` bytes, one or more | `tokens` int64, variable length |
| regression label, 0 or 1 number | `<head>` float32 `[1]` standardised, `<head>.known` `[1]` |
| amount or group, 0 or 1 number | `<head>` float32 `[classes]` one-hot, `<head>.known` |
| binary label, 0 or 1 text | `<head>` float32 `[1]`, `<head>.known` |

What the training split taught about the labels leaves too, the same values in every row, so that
the graph itself is their one keeper: `<head>.mean` and `<head>.deviation` of a regression head,
`<head>.boundaries` of a classes head cut from an amount. Beside the vocabulary of tokens, a list of
the commonest pairs of neighbouring tokens is counted for the Trainer (asset `pairs`), see
`counting`: `text.pairs` of them are kept. Called by the Transform component
through `preprocessing_fn`; the Trainer and the served model run the same graph.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from components.features.counting import count_pairs, count_tokens, make_vocabulary
from components.features.moments import mean_and_variance
from components.features.settings import TextSettings
from components.features.tokens import tokenize_posts
from components.heads.binary import BinaryHead
from components.heads.classes import ClassesHead
from components.heads.declared import heads_from_json
from components.heads.regression import RegressionHead
from components.ingest.amounts import QUANTILE_ERROR

RESERVED_IDS = 2
VOCABULARY = "tokens"
PAIRS = "pairs"
FEWEST_USES = 2

# tf.Transform runs `preprocessing_fn` nine times and inspects each op: a function that TensorFlow
# has traced once is one op.
_tokenize_posts = tf.function(tokenize_posts, autograph=False)
_count_tokens = tf.function(count_tokens, autograph=False)
_count_pairs = tf.function(count_pairs, autograph=False)


def preprocessing_fn(
    inputs: dict[str, Any], custom_config: dict[str, str]
) -> dict[str, tf.Tensor | tf.SparseTensor]:
    """The hook of the Transform component.

    Args:
        inputs: the raw example's features, all sparse.
        custom_config: `heads` and `text`, both JSON.

    Returns:
        The transformed features of the module's table.
    """
    heads = heads_from_json(custom_config["heads"])
    text = TextSettings.model_validate_json(custom_config["text"])
    outputs: dict[str, Any] = {
        "author_id": _dense(inputs["author_id"], b""),
        "tokens": token_ids(inputs["posts"], text),
    }
    for head in heads:
        if isinstance(head, RegressionHead):
            outputs |= _regression_target(head, inputs[head.name])
        elif isinstance(head, ClassesHead):
            outputs |= _classes_target(head, inputs[head.name])
        elif isinstance(head, BinaryHead):
            outputs |= _binary_target(head, inputs[head.name])
    return outputs


def token_ids(posts: tf.SparseTensor, text: TextSettings) -> tf.SparseTensor:
    """Ids of each author's tokens: 0 padding, 1 out of vocabulary, then by falling frequency.

    Args:
        posts: sparse strings `[batch, (posts)]`.
        text: lengths and vocabulary size.

    Returns:
        Sparse int64 `[batch, (tokens)]`.
    """
    tokens = _tokenize_posts(tf.RaggedTensor.from_sparse(posts), text.max_tokens)
    vocabulary = make_vocabulary(
        _count_tokens(tokens), VOCABULARY, text.vocabulary_size - RESERVED_IDS
    )
    ids = tft.apply_vocabulary(tokens.to_sparse(), vocabulary, default_value=-1)
    if text.pairs:
        # The network itself finds them among the ids; the transformed examples need not hold them.
        make_vocabulary(_count_pairs(tokens), PAIRS, text.pairs, FEWEST_USES)
    return tf.SparseTensor(ids.indices, ids.values + RESERVED_IDS, ids.dense_shape)


def _regression_target(head: RegressionHead, labels: tf.SparseTensor) -> dict[str, tf.Tensor]:
    known = _known(labels)
    mean, variance = mean_and_variance(labels.values)
    mean = tf.cast(mean, tf.float32)
    deviation = tf.maximum(tf.cast(tf.sqrt(variance), tf.float32), 1e-6)
    return {
        head.name: (_dense(labels, 0.0) - mean) / deviation * known,
        head.known_name: known,
        head.internal("mean"): _in_every_row(tf.reshape(mean, [1]), known),
        head.internal("deviation"): _in_every_row(tf.reshape(deviation, [1]), known),
    }


def _classes_target(head: ClassesHead, labels: tf.SparseTensor) -> dict[str, tf.Tensor]:
    known = _known(labels)
    outputs = {head.known_name: known}
    if head.given_as == "amount":
        boundaries = tft.quantiles(labels.values, head.classes, QUANTILE_ERROR)
        boundaries = tf.reshape(tf.cast(boundaries, tf.float32), [head.classes - 1])
        groups = tf.searchsorted(boundaries, _dense(labels, 0.0)[:, 0], side="right")
        outputs[head.internal("boundaries")] = _in_every_row(boundaries, known)
    else:
        groups = tf.cast(_dense(labels, 0)[:, 0], tf.int32)
    outputs[head.name] = tf.one_hot(groups, head.classes, dtype=tf.float32) * known
    return outputs


def _binary_target(head: BinaryHead, labels: tf.SparseTensor) -> dict[str, tf.Tensor]:
    value = _dense(labels, b"")
    positive = tf.cast(tf.equal(value, head.positive), tf.float32)
    negative = tf.cast(tf.equal(value, head.negative), tf.float32)
    return {head.name: positive, head.known_name: positive + negative}


def _dense(sparse: tf.SparseTensor, default: Any) -> tf.Tensor:
    # tf.sparse.to_dense gives width 0 where no author of a batch has a value.
    return tft.sparse_tensor_to_dense_with_shape(sparse, [None, 1], default)


def _known(labels: tf.SparseTensor) -> tf.Tensor:
    ones = tf.ones_like(labels.values, dtype=tf.float32)
    return _dense(tf.SparseTensor(labels.indices, ones, labels.dense_shape), 0.0)


def _in_every_row(constant: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    # Explicit width: the transformed schema needs it, broadcasting alone loses it.
    return tf.tile(constant[tf.newaxis, :], [tf.shape(rows)[0], 1])

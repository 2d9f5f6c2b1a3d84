"""Raw examples to token ids, targets and masks, as one tf.Transform graph.

| enters (raw example) | leaves (transformed example) |
|---|---|
| `author_id` bytes | `author_id` bytes |
| `posts` bytes, one or more | `tokens` int64, variable length |
| a label, 0 or 1 number or text | `<head>` float32 `[width]`, the target; `<head>.known` `[1]` |

What the training split taught about the labels leaves too, such as `<head>.mean`, the same values
in every row, so that the graph itself is their one keeper: see `components.training.heads`. Beside
the vocabulary of tokens, a list of the commonest pairs of neighbouring tokens is counted for the
Trainer (asset `pairs`), see `counting`: `text.pairs` of them are kept. The Trainer and the served
model run the same graph.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from components.features.counting import count_pairs, count_tokens, make_vocabulary
from components.features.labels import dense
from components.features.settings import TextSettings
from components.features.tokens import tokenize_posts
from components.heads.declared import heads_from_json
from components.training.heads import network_of

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
        "author_id": dense(inputs["author_id"], b""),
        "tokens": token_ids(inputs["posts"], text),
    }
    for head in heads:
        outputs |= network_of(head).features(inputs[head.name])
    return outputs


def token_ids(posts: tf.SparseTensor, text: TextSettings) -> tf.SparseTensor:
    """Ids of each author's tokens: 0 padding, 1 out of vocabulary, then by falling frequency.

    Args:
        posts: sparse strings `[batch, (posts)]`.
        text: bytes that are read, vocabulary size.

    Returns:
        Sparse int64 `[batch, (tokens)]`.
    """
    tokens = _tokenize_posts(tf.RaggedTensor.from_sparse(posts), text.maximum_bytes)
    vocabulary = make_vocabulary(
        _count_tokens(tokens), VOCABULARY, text.vocabulary_size - RESERVED_IDS
    )
    ids = tft.apply_vocabulary(tokens.to_sparse(), vocabulary, default_value=-1)
    if text.pairs:
        # The network itself finds them among the ids; the transformed examples need not hold them.
        make_vocabulary(_count_pairs(tokens), PAIRS, text.pairs, FEWEST_USES)
    return tf.SparseTensor(ids.indices, ids.values + RESERVED_IDS, ids.dense_shape)

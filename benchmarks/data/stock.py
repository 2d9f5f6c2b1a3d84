"""The preprocessing_fn that a user of stock TFX writes for the same features: no cleverness.

Called by TFX's Transform in the benchmark's peer. Same cut, same labels; a vocabulary by
`tft.compute_and_apply_vocabulary` with its default settings, and no pairs, which makes its work
smaller than that of `components.features.transform`.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

MAXIMUM_BYTES = 256 * 1024


def preprocessing_fn(inputs: dict[str, Any]) -> dict[str, Any]:
    """Tokens of lower-case words and marks, their ids, standardised or bucketed labels."""
    posts = tf.RaggedTensor.from_sparse(inputs["posts"])
    joined = tf.strings.reduce_join(posts, axis=1, separator=" ")
    text = tf.strings.lower(tf.strings.substr(joined, 0, MAXIMUM_BYTES))
    spaced = tf.strings.regex_replace(text, r"([^\p{L}\p{N}\s])", r" \1 ")
    tokens = tf.strings.split(spaced).to_sparse()
    return {
        "author_id": inputs["author_id"],
        "tokens": tft.compute_and_apply_vocabulary(tokens),
        "age": tft.scale_to_z_score(_dense(inputs["age"])),
        "income": tft.bucketize(_dense(inputs["income"]), 10),
        "gender": tft.compute_and_apply_vocabulary(inputs["gender"]),
    }


def _dense(labels: Any) -> tf.Tensor:
    return tft.sparse_tensor_to_dense_with_shape(labels, [None, 1], 0.0)[:, 0]

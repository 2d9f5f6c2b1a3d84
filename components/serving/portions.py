"""Answers of a batch of authors, made in portions that are bounded by tokens.

Each portion is padded to its longest author, so a long one beside many would take gigabytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from components.training.dataset import BATCH_TOKENS


def answer_in_portions(
    network: Callable[[tf.Tensor], Mapping[str, tf.Tensor]],
    tokens: tf.RaggedTensor,
    widths: Mapping[str, int],
    most_tokens: int = BATCH_TOKENS,
) -> dict[str, tf.Tensor]:
    """The network's answers, authors of like length together.

        lengths 3, 9, 2, 4 and most_tokens = 10 -> portions of 9 | 4, 3 | 2

    Args:
        network: int32 `[authors, tokens]`, padded by 0 -> {output: `[authors, width]`}.
        tokens: ragged ids `[batch, (tokens)]`.
        widths: of the outputs that are wanted.
        most_tokens: of a portion, padding counted, unless one author alone has more.

    Returns:
        {output: float32 `[batch, width]`}, in the order of `tokens`.
    """
    lengths = tf.cast(tokens.row_lengths(), tf.int32)
    order = tf.argsort(lengths, direction="DESCENDING", stable=True)
    falling, authors = tf.gather(lengths, order), tf.size(lengths)

    def ask(start: Any, place: Any, found: dict[str, Any]) -> tuple[Any, Any, dict[str, Any]]:
        longest = tf.reduce_max(tf.concat([falling[start : start + 1], [1]], axis=0))
        end = start + tf.maximum(most_tokens // longest, 1)
        ids = tf.cast(tf.gather(tokens, order[start:end]).to_tensor(), tf.int32)
        outputs = network(tf.ensure_shape(ids, [None, None]))
        written = {
            name: array.write(place, tf.cast(outputs[name], tf.float32))
            for name, array in found.items()
        }
        return end, place + 1, written

    empty = {
        name: tf.TensorArray(
            tf.float32, 0, dynamic_size=True, infer_shape=False, element_shape=[None, width]
        )
        for name, width in widths.items()
    }
    # An empty batch is a portion too.
    *_, found = tf.while_loop(
        lambda start, *_: start < tf.maximum(authors, 1),
        ask,
        (tf.constant(0), tf.constant(0), empty),
        parallel_iterations=1,
    )
    back = tf.argsort(order)
    return {name: tf.gather(found[name].concat(), back) for name in widths}

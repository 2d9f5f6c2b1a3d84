"""A number's labels onto their scale and outputs back from it, in a TensorFlow graph.

The same as `components.heads.scale.NumberScale`, for which of the scales the training split's facts
name: all three are computed, and one is taken. Knows nothing of TFX.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from components.heads.scale import LARGEST_EXPONENT, NAMES

Facts = Mapping[str, tf.Tensor]
"""By name, `[batch, 1]` or `[batch, knots]`, the same in every row."""


def onto_scale(labels: tf.Tensor, facts: Facts) -> tf.Tensor:
    """float32 `[batch, 1]` -> the same."""
    # log(0), where the scale is another one, must not be taken.
    offset = tf.where(_is(facts, "log"), facts["offset"], 1.0)
    return _choose(
        facts,
        linear=labels,
        log=tf.math.log(tf.maximum(labels, 0.0) + offset),
        quantile=_pieces(facts["knots"], facts["scores"], labels),
    )


def back_from_scale(values: tf.Tensor, facts: Facts, bounds: tuple[float, float]) -> tf.Tensor:
    """The inverse; from another scale than the linear one, within the bounds."""
    log = tf.exp(tf.minimum(values, LARGEST_EXPONENT)) - facts["offset"]
    quantile = _pieces(facts["scores"], facts["knots"], values)
    return _choose(
        facts,
        linear=values,
        log=tf.clip_by_value(log, *bounds),
        quantile=tf.clip_by_value(quantile, *bounds),
    )


def _is(facts: Facts, name: Any) -> tf.Tensor:
    return tf.equal(facts["scale"], float(NAMES.index(name)))


def _choose(facts: Facts, *, linear: tf.Tensor, log: tf.Tensor, quantile: tf.Tensor) -> tf.Tensor:
    return tf.where(_is(facts, "log"), log, tf.where(_is(facts, "quantile"), quantile, linear))


def _pieces(given: tf.Tensor, wanted: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """Straight lines through knots, `[batch, knots]`, of which the last may fill up the rest."""
    last = tf.reduce_sum(tf.cast(given < given[:, -1:], tf.int32), axis=1, keepdims=True) - 1
    place = tf.searchsorted(given, values, side="right") - 1
    piece = tf.maximum(tf.minimum(place, last), 0)
    x, y, next_x, next_y = (
        tf.gather(table, where, batch_dims=1)
        for where in (piece, piece + 1)
        for table in (given, wanted)
    )
    return y + (values - x) * tf.math.divide_no_nan(next_y - y, next_x - x)

"""Adam whose step over a large weight is one pass.

Called by `model.compile_model`. Knows nothing of TFX.
"""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf

LARGE = 1_000_000
"""Numbers of a weight. Compiling takes 80 ms each time that a network is built, more than the
passes over a smaller weight cost in thousands of steps."""


@keras.saving.register_keras_serializable("authorprofile")
class OnePassAdam(keras.optimizers.Adam):
    """`keras.optimizers.Adam`, its arithmetic compiled into one pass over each large weight.

    Keras runs a dozen operations over a table of 12.8 million numbers in each step, each of which
    reads and writes all of it. Every row still moves in every step, by its running mean, whether
    the batch held its token or not: to leave the others where they are ("lazy Adam") would be
    another function, and was no faster. Measured by `benchmarks.training`. Weight decay is Keras's
    own, before each step: w - learning rate * decay * w (Loshchilov and Hutter, "Decoupled Weight
    Decay Regularization", 2019).
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        # The rows of an embedding's gradient are added up once, not in each place that reads them.
        dense = tf.convert_to_tensor(gradient)
        step = super().update_step
        if tf.distribute.has_strategy() or math.prod(variable.shape) < LARGE:
            step(dense, variable, learning_rate)
            return
        tf.function(lambda: step(dense, variable, learning_rate), jit_compile=True)()

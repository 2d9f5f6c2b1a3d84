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

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._pulled: dict[str, tuple[Any, float]] = {}

    def pull_to_start(self, variable: Any, strength: float) -> None:
        """Draws a weight to the value that it has now: each step takes `learning rate * strength`
        of what it has moved since, as weight decay does of the weight itself.

        It is decoupled from the loss, so that no loss weight changes it. The start is no variable:
        it is given anew, by the table, whenever a training is resumed.
        """
        self._pulled = {variable.name: (tf.constant(variable.numpy()), strength)}

    def _draw(self, variable: Any, learning_rate: Any) -> None:
        # TensorFlow's own variable comes here, and of replicas one each: `table/replica_1:0`.
        name = variable.name.partition(":")[0].partition("/")[0]
        if name not in self._pulled:
            return
        start, strength = self._pulled[name]
        # No more than all of it, or it would swing to the other side, further in each step.
        share = tf.minimum(tf.cast(learning_rate, variable.dtype) * strength, 1.0)
        self.assign_sub(variable, (variable - start) * share)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        # The rows of an embedding's gradient are added up once, not in each place that reads them.
        dense = tf.convert_to_tensor(gradient)
        adam_step = super().update_step

        def step(gradient: Any, variable: Any, learning_rate: Any) -> None:
            self._draw(variable, learning_rate)
            adam_step(gradient, variable, learning_rate)

        if tf.distribute.has_strategy() or math.prod(variable.shape) < LARGE:
            step(dense, variable, learning_rate)
            return
        tf.function(lambda: step(dense, variable, learning_rate), jit_compile=True)()

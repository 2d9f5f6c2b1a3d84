"""A compiled Keras model set back to its start, so that it trains anew without being built anew.

Called by the contenders that are Keras models.
"""

from __future__ import annotations

from collections.abc import Callable

import keras


def remember_start(model: keras.Model) -> Callable[[], None]:
    """A call that gives the model's and its optimizer's variables the values they have now."""
    model.optimizer.build(model.trainable_variables)
    variables = [*model.variables, *model.optimizer.variables]
    values = [keras.ops.convert_to_numpy(variable) for variable in variables]

    def restart() -> None:
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)

    return restart

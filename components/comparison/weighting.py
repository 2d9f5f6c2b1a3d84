"""Loss weights that are learned beside the network, to be compared with searched ones.

Enters: a compiled network of `training.model`. Leaves: the same network whose loss weighs each head
by its own learned uncertainty. Knows nothing of TFX.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from components.heads.declared import Heads
from components.training.heads import network_of
from components.training.model import trained_output


class UncertaintyWeighted(keras.Model):
    """A network whose loss is the sum over heads of exp(-s) loss + s / 2, each s learned from 0.

    s is the logarithm of a head's variance; for a number's squared loss exp(-s) stands at half.

    Source: Kendall, Gal and Cipolla, "Multi-Task Learning Using Uncertainty to Weigh Losses for
    Scene Geometry and Semantics", 2018, equation 7.
    """

    def __init__(self, inputs: Any, outputs: Any, heads: Heads, losses: dict[str, Any], name: str):
        """Args: tensors of the network; heads; {head: Keras loss}; the network's name."""
        super().__init__(inputs, outputs, name=name)
        self.heads = heads
        self.head_losses = losses
        self.log_variances = self.add_weight(
            shape=(len(heads),), initializer="zeros", name="log_variances"
        )

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, **_: Any
    ) -> Any:
        """The weighed sum and the penalties; takes {head: `[batch, width]`} as Keras gives them."""
        total = sum(self.losses) if self.losses else 0.0
        for place, head in enumerate(self.heads):
            name = trained_output(self, head.name)
            loss = self.head_losses[head.name](y[name], y_pred[name], sample_weight[name])
            s = self.log_variances[place]
            # Steps are learned as probabilities.
            share = network_of(head).variance_share if name == head.name else 1.0
            total = total + share * ops.exp(-s) * loss + 0.5 * s
        return total

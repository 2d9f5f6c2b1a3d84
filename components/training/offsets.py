"""A head's logits: what the network adds to the linear baseline's.

    logits = scale * offset + correction
    shrunk = offset + share * (logits - offset)

The scale starts at 1 and the correction at 0, so that training starts at the baseline.
"""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable("authorprofile")
class CorrectOffset(keras.layers.Layer):
    """`scale * offset + correction`; input and output shape: float `[batch, logits]`."""

    def build(self, *shapes: Any) -> None:
        self.scale = self.add_weight(shape=(), initializer="ones", name="scale")

    def call(self, offset: Any, correction: Any) -> Any:
        return self.scale * offset + correction

    def compute_output_shape(self, offset_shape: Any, correction_shape: Any) -> Any:
        return offset_shape


@keras.saving.register_keras_serializable("authorprofile")
class KeepShare(keras.layers.Layer):
    """`offset + share * (logits - offset)`; has no weights.

    Args:
        share: of the correction that is kept, 0 to 1.

    Input and output shape: float `[batch, logits]`.
    """

    def __init__(self, share: float, **kwargs: Any):
        super().__init__(**kwargs)
        self.share = share

    def call(self, offset: Any, logits: Any) -> Any:
        return offset + self.share * (logits - offset)

    def compute_output_shape(self, offset_shape: Any, logits_shape: Any) -> Any:
        return offset_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "share": self.share}

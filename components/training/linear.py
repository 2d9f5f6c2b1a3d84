"""The linear baseline as a layer: what the component `Baseline` fitted, inside the served graph."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("authorprofile")
class LinearTerms(keras.layers.Layer):
    """An author's logits by the linear model: (sum of weight * row) @ mixing + bias.

    Args:
        terms: rows of the linear model.
        columns: weight vectors.
        logits: numbers that leave.

    Input shape: `ids` int and `weights` float `[batch, terms]`, of `terms.weigh_terms`. Output
    shape: float32 `[batch, logits]`.
    """

    def __init__(self, terms: int, columns: int, logits: int, **kwargs: Any):
        super().__init__(dtype="float32", trainable=False, **kwargs)
        self.terms = terms
        self.columns = columns
        self.logits = logits

    def build(self, *shapes: Any) -> None:
        self.rows = self.add_weight(shape=(self.terms, self.columns), name="rows")
        self.mixing = self.add_weight(shape=(self.columns, self.logits), name="mixing")
        self.bias = self.add_weight(shape=(self.logits,), name="bias")

    def call(self, ids: Any, weights: Any) -> Any:
        scores = ops.einsum("bt,btc->bc", weights, ops.take(self.rows, ids, axis=0))
        return ops.matmul(scores, self.mixing) + self.bias

    def compute_output_spec(self, ids: Any, weights: Any) -> keras.KerasTensor:
        return keras.KerasTensor((ids.shape[0], self.logits), dtype="float32")

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        # Neither is a choice of who builds the layer.
        del config["dtype"], config["trainable"]
        return {**config, "terms": self.terms, "columns": self.columns, "logits": self.logits}

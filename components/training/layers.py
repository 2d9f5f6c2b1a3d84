"""The layers that Keras does not have: padding, a bound, token dropout, a masked global pool.

Together they let an author's answer depend on that author alone: ids are padded to the shortest
sequence the network can take, and what a batch adds beyond an author's own length is masked.
Called by `model.build_model`. Knows nothing of TFX.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

PADDING_ID = 0
UNKNOWN_ID = 1


@keras.saving.register_keras_serializable("authorprofile")
class PadTokens(keras.layers.Layer):
    """Pads token ids on the right to a minimum length.

    Args:
        minimum: shortest length that leaves.

    Input shape: int `[batch, tokens]`. Output shape: int `[batch, max(tokens, minimum)]`.
    """

    def __init__(self, minimum: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.minimum = minimum

    def call(self, ids: Any) -> Any:
        missing = ops.maximum(self.minimum - ops.shape(ids)[1], 0)
        # `ops.pad` takes no symbolic width; a slice of appended padding is the same.
        padding = ops.full((ops.shape(ids)[0], missing), PADDING_ID, dtype=ids.dtype)
        return ops.concatenate([ids, padding], axis=1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        tokens = input_shape[1]
        return (input_shape[0], None if tokens is None else max(tokens, self.minimum))

    def compute_output_spec(self, ids: Any) -> keras.KerasTensor:
        return keras.KerasTensor(self.compute_output_shape(ids.shape), dtype=ids.dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "minimum": self.minimum}


@keras.saving.register_keras_serializable("authorprofile")
class FirstTokens(keras.layers.Layer):
    """An author's first tokens.

    Args:
        most: tokens that leave.

    Input shape: int `[batch, tokens]`. Output shape: int `[batch, min(tokens, most)]`.
    """

    def __init__(self, most: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.most = most

    def call(self, ids: Any) -> Any:
        return ids[:, : self.most]

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        tokens = input_shape[1]
        return (input_shape[0], None if tokens is None else min(tokens, self.most))

    def compute_output_spec(self, ids: Any) -> keras.KerasTensor:
        return keras.KerasTensor(self.compute_output_shape(ids.shape), dtype=ids.dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "most": self.most}


@keras.saving.register_keras_serializable("authorprofile")
class TokenDropout(keras.layers.Layer):
    """In training, replaces a random share of the tokens by the unknown token.

    Args:
        rate: share replaced; padding stays.
        seed: of the draws.

    Input and output shape: int `[batch, tokens]`.
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.rate = rate
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, ids: Any, training: bool = False) -> Any:
        if not training or self.rate == 0:
            return ids
        draws = keras.random.uniform(ops.shape(ids), seed=self.seed_generator, dtype="float32")
        dropped = ops.logical_and(draws < self.rate, ids != PADDING_ID)
        return ops.where(dropped, ops.full_like(ids, UNKNOWN_ID), ids)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}


@keras.saving.register_keras_serializable("authorprofile")
class OwnGlobalMaxPooling1D(keras.layers.Layer):
    """Maximum over the positions that an author's own tokens reach.

    The features are >= 0 (they come out of a relu), so masking by 0 is exact.

    Args:
        minimum: length to which every author's own sequence is padded.

    Input shape: float `[batch, positions, filters]` and int `[batch, tokens]`, the unpadded or
    padded ids, from which each author's length follows. Output shape: float `[batch, filters]`.
    """

    def __init__(self, minimum: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.minimum = minimum

    def call(self, features: Any, ids: Any) -> Any:
        tokens = ops.sum(ops.cast(ids != PADDING_ID, "int32"), axis=1)
        own = own_positions(ops.maximum(tokens, self.minimum))
        mask = ops.arange(ops.shape(features)[1])[None, :] < own[:, None]
        return ops.max(features * ops.cast(mask, features.dtype)[:, :, None], axis=1)

    def compute_output_shape(
        self, features_shape: tuple[int | None, ...], ids_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        return (features_shape[0], features_shape[2])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "minimum": self.minimum}


def own_positions(tokens: Any) -> Any:
    """Positions left before the global pool of a sequence of this many tokens.

    The arithmetic of the trunk: convolution 5, pool 5, two convolutions, pool 5, two
    convolutions; so 269 tokens leave 1 position, 294 leave 2.
    """
    pooled_once = (tokens - 4) // 5
    pooled_twice = (pooled_once - 8) // 5
    return pooled_twice - 8

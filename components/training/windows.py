"""Long authors as windows: cut at random in training, spread evenly in answering, then averaged.

Enters: token ids, 0 = padding. Leaves: windows of equal length for the trunk, and the mean of what
the trunk says of an author's own windows. Which windows an author has follows from that author's
length alone, so the answer is the same in every batch, in the Trainer, the Evaluator and the served
model, which all call the one network that holds these layers. Called by `model.build_model`. Knows
nothing of TFX.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from components.training.layers import PADDING_ID


@keras.saving.register_keras_serializable("authorprofile")
class CutWindows(keras.layers.Layer):
    """Cuts each author into windows; an author no longer than one window is that window.

    An author of n tokens has ceil(n / window_tokens) windows. In answering their starts are spread
    evenly from the first token to the last full window, so neighbours may overlap:

        n = 700, window_tokens = 300 -> 3 windows, from tokens 0, 200 and 400

    In training at most `windows` of them are drawn afresh each step.

    Args:
        window_tokens: length of a window, at the most: where no author of a batch has as many, its
            windows are as long as the batch, which changes nothing but the work.
        windows: windows drawn of an author in training, at the most.
        seed: of the draws.
        shortest: tokens that a batch has at the least; None: `window_tokens`.

    Input shape: int `[batch, tokens]`, `tokens >= shortest`.
    Output shape: int `[batch, windows, min(tokens, window_tokens)]`; windows that an author does
    not have are all padding.
    """

    def __init__(
        self,
        window_tokens: int,
        windows: int,
        seed: int | None = None,
        shortest: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.shortest = shortest
        self.window_tokens = window_tokens
        self.windows = windows
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, ids: Any, training: bool = False) -> Any:
        tokens = ops.sum(ops.cast(ids != PADDING_ID, "int32"), axis=1, keepdims=True)
        room = ops.maximum(tokens - self.window_tokens, 0)
        own = ops.maximum(-(-tokens // self.window_tokens), 1)
        widest = -(-ops.shape(ids)[1] // self.window_tokens)
        if training:
            widest = ops.minimum(widest, self.windows)
            starts = self._draw_starts(ids, room, widest)
        else:
            starts = ops.arange(widest)[None, :] * room // ops.maximum(own - 1, 1)
        cut = _gather(ids, ops.minimum(starts, room), self._width(ids))
        return ops.where((ops.arange(widest)[None, :] < own)[:, :, None], cut, PADDING_ID)

    def _width(self, ids: Any) -> Any:
        if self._is_always_whole:
            return self.window_tokens
        return ops.minimum(ops.shape(ids)[1], self.window_tokens)

    @property
    def _is_always_whole(self) -> bool:
        return self.shortest is None or self.shortest >= self.window_tokens

    def _draw_starts(self, ids: Any, room: Any, count: Any) -> Any:
        shape = (ops.shape(ids)[0], count)
        draws = keras.random.uniform(shape, seed=self.seed_generator, dtype="float32")
        return ops.cast(draws * ops.cast(room + 1, "float32"), "int32")

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (input_shape[0], None, self.window_tokens if self._is_always_whole else None)

    def compute_output_spec(self, ids: Any, training: bool = False) -> keras.KerasTensor:
        return keras.KerasTensor(self.compute_output_shape(ids.shape), dtype=ids.dtype)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "window_tokens": self.window_tokens,
            "windows": self.windows,
            "seed": self.seed,
            "shortest": self.shortest,
        }


def _gather(ids: Any, starts: Any, length: Any) -> Any:
    """Slices of `length` from each start of each row.

    int `[batch, tokens]`, int `[batch, windows]` -> int `[batch, windows, length]`.
    """
    rows, tokens = ops.shape(ids)[0], ops.shape(ids)[1]
    offsets = ops.arange(rows)[:, None, None] * tokens
    positions = starts[:, :, None] + ops.arange(length)[None, None, :]
    return ops.take(ops.reshape(ids, (-1,)), offsets + positions)


@keras.saving.register_keras_serializable("authorprofile")
class FlattenWindows(keras.layers.Layer):
    """Windows of all authors in one batch, for the trunk.

    Input shape: int `[batch, windows, window_tokens]`. Output shape: int `[batch * windows,
    window_tokens]`.
    """

    def call(self, windows: Any) -> Any:
        return ops.reshape(windows, (-1, ops.shape(windows)[2]))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (None, input_shape[2])


@keras.saving.register_keras_serializable("authorprofile")
class MeanOfWindows(keras.layers.Layer):
    """Mean over the windows that an author has.

    Input shape: float `[batch * windows, features]` and int `[batch, windows, window_tokens]`.
    Output shape: float `[batch, features]`.
    """

    def call(self, features: Any, windows: Any) -> Any:
        count = ops.shape(windows)[1]
        has_tokens = ops.any(windows != PADDING_ID, axis=2)
        # An author without a token still has the first window.
        own = ops.logical_or(has_tokens, ops.arange(count)[None, :] == 0)
        weight = ops.cast(own, features.dtype)[:, :, None]
        by_author = ops.reshape(features, (-1, count, features.shape[1]))
        return ops.sum(by_author * weight, axis=1) / ops.sum(weight, axis=1)

    def compute_output_shape(
        self, features_shape: tuple[int | None, ...], windows_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        return (windows_shape[0], features_shape[1])

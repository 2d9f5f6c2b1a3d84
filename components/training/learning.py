"""A whole training: a fit that `eval` selects, then one on the authors of `train` and `eval`.

Enters: a way to build the network, the settings of the training, the data. Leaves two networks of
the same settings, whose answers are shrunk alike:

- `selected`, trained on `train`. `eval` chooses its epoch and its shares, and calibration is fitted
  on its answers about `eval`. A later training starts from it: it meets the same authors in its own
  `eval`, whom its start must not have seen.
- `final`, built and fitted in the same way on `train` and `eval`, for as many epochs as `eval`
  chose, at whose end its step size is 0. It serves.

What a network of words lacks most is authors, and those that selected are an eighth more. Nothing
is fitted on answers about authors that a network has learned from: shares, temperatures and
intervals of `final` are those of `selected`, which knows fewer authors, so that an interval would
rather be too wide; of 6,000 authors, intervals of 80 % held 79.8 % (docs/quality.md).

Called by the Trainer, the comparison and the quality benchmark. Knows nothing of TFX.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from components.training.fitting import FitState, TrainingData, fit, join_splits
from components.training.settings import TrainingSettings
from components.training.shrinkage import find_shares, shrink_answers


@dataclass(frozen=True)
class Learned:
    """What a training leaves.

    Attributes:
        selected: trained on `train`.
        final: trained on `train` and `eval`; `selected` itself where `refit` is off.
        state: of the fit of `selected`.
        shares: of each head's answer that both keep.
        authors: that `final` learned from.
    """

    selected: keras.Model
    final: keras.Model
    state: FitState
    shares: dict[str, float]
    authors: int

    @property
    def refitted(self) -> bool:
        """Whether `final` has learned from `eval` too."""
        return self.final is not self.selected


def learn(
    build: Callable[[TrainingData, int], keras.Model],
    data: TrainingData,
    training: TrainingSettings,
    folder: Path,
    *,
    strategy: tf.distribute.Strategy | None = None,
    callbacks: tuple[keras.callbacks.Callback, ...] = (),
    logger: logging.Logger,
) -> Learned:
    """Trains `selected`, then `final`; a training that was killed goes on where it was.

    Args:
        build: the compiled network for this data and number of epochs.
        data: of `load_data`.
        training: `epochs` and `patience`, which follow from the data where they are not given,
            `seed`, `refit`.
        folder: of the checkpoints.
        strategy: of `distribution.choose_strategy`; None: one device. Of several workers, the
            chief's networks alone are those that `eval` chose.
        callbacks: of the first fit.
        logger: a line an epoch.
    """
    strategy = strategy or tf.distribute.get_strategy()
    training = training.for_steps(data.train.steps)
    assert training.epochs and training.patience
    model, state = _fit_anew(
        build,
        data,
        training.epochs,
        strategy,
        patience=training.patience,
        seed=training.seed,
        folder=folder,
        callbacks=callbacks,
        logger=logger,
    )
    shares = find_shares(model, data)
    selected = shrink_answers(model, data.train.constants, shares)
    if not training.refit:
        return Learned(selected, selected, state, shares, data.train.authors)
    everyone = join_splits(data)
    epochs = state.best_epoch + 1
    model, _ = _fit_anew(
        build,
        everyone,
        epochs,
        strategy,
        patience=epochs,
        seed=training.seed,
        folder=folder / "final",
        selects=False,
        logger=logger,
    )
    final = shrink_answers(model, everyone.train.constants, shares)
    return Learned(selected, final, state, shares, everyone.train.authors)


def _fit_anew(
    build: Callable[[TrainingData, int], keras.Model],
    data: TrainingData,
    epochs: int,
    strategy: tf.distribute.Strategy,
    **fitting: Any,
) -> tuple[keras.Model, FitState]:
    """Builds a network under the strategy and fits it; one that answers without other replicas."""
    with strategy.scope():
        model = build(data, epochs)
    state = fit(model, data, epochs=epochs, **fitting)
    if strategy.num_replicas_in_sync > 1:
        fitted, model = model, build(data, epochs)
        model.set_weights(fitted.get_weights())
    return model, state

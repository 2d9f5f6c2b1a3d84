"""The row `keras`: the reference network as a user would write it, until it gains no more.

Enters: a fold's authors. Leaves: answers about `test`. Arrays are padded to the longest author, at
most 1,500 tokens; `model.fit` stops after three epochs without a lower loss on `eval` and keeps the
best. Unknown labels weigh nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from benchmarks.networks.arrays import BATCH
from benchmarks.networks.plain_keras import make_model
from benchmarks.quality.clock import now
from benchmarks.quality.corpus import Fold
from benchmarks.quality.networks import Outcome
from components.training.fitting import TrainingData
from components.training.heads import network_of
from components.training.hooks import HookSettings
from components.training.settings import MINIMUM_TOKENS

MAX_TOKENS, PATIENCE, MOST_EPOCHS = 1500, 3, 100


def by_plain_keras(fold: Fold, data: TrainingData, settings: HookSettings, work: Path) -> Outcome:
    """Learns from `train` by a Keras script; `work` is not used."""
    del work
    heads = settings.heads
    longest = min(MAX_TOKENS, max(map(len, fold.train_ids)))
    train, selecting = (
        _arrays(rows.as_numpy_iterator(), longest) for rows in (data.train_rows, data.eval_rows)
    )
    started = now()
    keras.utils.set_random_seed(settings.training.seed)
    activations = {head.name: network_of(head).activation for head in heads}
    losses = {head.name: network_of(head).loss() for head in heads}
    widths = {head.name: head.width for head in heads}
    model = make_model(fold.vocabulary_size, widths, activations, losses)
    stops = keras.callbacks.EarlyStopping(patience=PATIENCE, restore_best_weights=True)
    told = model.fit(
        *train[:2],
        sample_weight=train[2],
        validation_data=selecting,
        batch_size=BATCH,
        epochs=MOST_EPOCHS,
        callbacks=[stops],
        verbose=0,
    )
    spent = now().since(started)
    answers = model.predict(_pad(fold.test_ids, longest), batch_size=BATCH, verbose=0)
    epochs = {"epochs": len(told.history["loss"])}
    found = {name: np.asarray(values, "float64") for name, values in answers.items()}
    return Outcome(found, spent, epochs, [], model.count_params())


def _arrays(rows: Iterable[Any], longest: int) -> tuple[Any, Any, Any]:
    """Ids, targets and weights of rows of `dataset.to_row`."""
    inputs, targets, weights = zip(*rows, strict=True)

    def columns(values: tuple[dict[str, Any], ...]) -> dict[str, np.ndarray]:
        return {name: np.stack([one[name] for one in values]) for name in values[0]}

    return _pad([one["tokens"] for one in inputs], longest), columns(targets), columns(weights)


def _pad(authors: list[np.ndarray], longest: int) -> np.ndarray:
    ids = np.zeros((len(authors), max(longest, MINIMUM_TOKENS)), "int32")
    for row, tokens in zip(ids, authors, strict=True):
        row[: min(len(tokens), longest)] = tokens[:longest]
    return ids

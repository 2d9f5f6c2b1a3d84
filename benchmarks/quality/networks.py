"""The rows of the table: how each chooses its settings and learns, and what it answers.

Enters: a fold and the settings. Leaves: answers of each `test` author, as the network gives them.
`by_search` is the pipeline's own Tuner and fit; the others are its fit with weights that are given.
Called by `measure`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from benchmarks.quality.clock import Spent, now
from benchmarks.quality.corpus import Fold
from components.comparison.networks import with_learned_weights
from components.heads.calibration import Calibration
from components.heads.declared import Heads
from components.training.calibration import calibrate
from components.training.dataset import authors_of, bucket_bounds
from components.training.fitting import TrainingData
from components.training.hooks import HookSettings
from components.training.learning import learn
from components.training.tuner import (
    ProfileHyperModel,
    apply_hyperparameters,
    build_candidate,
    make_tuner,
)

LOGGER = logging.getLogger("authorprofile.quality")
ANSWERED_AUTHORS = 64

Answers = dict[str, np.ndarray]


@dataclass(frozen=True)
class Outcome:
    """What one row gave.

    Attributes:
        answers: float `[test authors, units]` a head, as the network gives them (standardised).
        spent: by search and training.
        chosen: settings that were searched.
        skills: mean skill on `eval`, an epoch each.
        parameters: of the network.
        shares: of each head's answer, that `eval` lets stand.
        calibrations: of each head, fitted on `eval` by the network that `eval` selected.
        selected: that network's answers; `answers` itself where nothing was fitted after it.
    """

    answers: Answers
    spent: Spent
    chosen: dict[str, Any]
    skills: list[float]
    parameters: int
    shares: dict[str, float] = field(default_factory=dict)
    calibrations: dict[str, Calibration] = field(default_factory=dict)
    selected: Answers = field(default_factory=dict)


def by_search(fold: Fold, settings: HookSettings, work: Path) -> Outcome:
    """The pipeline's Tuner, then its fit with what was chosen."""
    started = now()
    hypermodel = ProfileHyperModel(settings, fold.data, work / "fits")
    tuner = make_tuner(hypermodel, settings.tuner, settings.training.seed, work / "search")
    tuner.search(verbose=0)
    chosen = tuner.get_best_hyperparameters(1)[0].values
    outcome = by_fit(fold, apply_hyperparameters(settings, chosen), work)
    return replace(outcome, spent=now().since(started), chosen=chosen)


def by_fit(fold: Fold, settings: HookSettings, work: Path) -> Outcome:
    """The pipeline's fit with the given settings."""
    return _learn(fold, settings, work, build_candidate)


def by_uncertainty(fold: Fold, settings: HookSettings, work: Path) -> Outcome:
    """The fit with loss weights that are learned beside the network (Kendall 2018)."""
    return _learn(fold, settings, work, with_learned_weights)


def _learn(
    fold: Fold,
    settings: HookSettings,
    work: Path,
    build: Callable[[HookSettings, TrainingData, int], keras.Model],
) -> Outcome:
    started = now()
    learned = learn(
        partial(build, settings),
        fold.data,
        settings.training,
        work / "fit",
        logger=LOGGER,
    )
    spent = now().since(started)
    final, selected = (
        answer(model, settings.heads, fold.test_ids) for model in (learned.final, learned.selected)
    )
    scales = {head.name: head.scale_and_offset(fold.facts)[0] for head in settings.heads}
    coverage = settings.training.interval_coverage
    calibrations = calibrate(
        learned.selected, fold.data, scales, coverage, refitted=learned.refitted
    )
    skills = [epoch["val_skill"] for epoch in learned.state.history]
    parameters = learned.final.count_params()
    return Outcome(final, spent, {}, skills, parameters, learned.shares, calibrations, selected)


def answer(model: keras.Model, heads: Heads, ids: list[np.ndarray]) -> Answers:
    """Answers of authors in their order, in batches of like length, as large as a training's."""
    answers = {head.name: np.zeros((len(ids), head.width)) for head in heads}
    lengths = np.array([len(author) for author in ids])
    bounds = bucket_bounds(int(lengths.max(initial=0)))
    buckets = np.searchsorted(bounds, lengths)
    parts = [
        (width, numbers[start : start + size])
        for bucket, width in enumerate(bounds)
        for numbers in [np.flatnonzero(buckets == bucket)]
        for size in [authors_of(width, ANSWERED_AUTHORS)]
        for start in range(0, len(numbers), size)
    ]
    for width, part in parts:
        batch = np.zeros((len(part), width), "int32")
        for row, number in enumerate(part):
            batch[row, : len(ids[number])] = ids[number]
        for name, values in model.predict_on_batch(batch).items():
            answers[name][part] = values
    return answers

"""The rows of the table: how each chooses its settings and learns, and what it answers.

Enters: a fold and the settings. Leaves: answers of each `test` author, as the network gives them.
`by_search` is the pipeline's own Tuner and fit; the others are its fit with weights that are given.
Called by `measure`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks.quality.clock import Spent, now
from benchmarks.quality.corpus import Fold
from components.comparison.networks import with_learned_weights
from components.heads.calibration import Calibration
from components.heads.declared import Heads
from components.linear.artifact import FINAL, SELECTION
from components.serving.portions import answer_in_portions
from components.training.calibration import calibrate
from components.training.fitting import FitState, TrainingData, join_splits, with_rows
from components.training.held_out import pool_heads
from components.training.hooks import HookSettings
from components.training.learning import Learned, find_shares, held_out_of, learn
from components.training.trainer import baseline_parameters
from components.training.tuner import (
    ProfileHyperModel,
    apply_hyperparameters,
    build_candidate,
    make_tuner,
)

LOGGER = logging.getLogger("authorprofile.quality")

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
        shares: of each head, what is kept of the network's correction and of the answer.
        calibrations: of each head, fitted on `eval` by the network that `eval` selected.
        selected: that network's answers; `answers` itself where nothing was fitted after it.
    """

    answers: Answers
    spent: Spent
    chosen: dict[str, Any]
    skills: list[float]
    parameters: int
    shares: dict[str, dict[str, float]] = field(default_factory=dict)
    calibrations: dict[str, Calibration] = field(default_factory=dict)
    selected: Answers = field(default_factory=dict)


Learner = Callable[[Fold, TrainingData, HookSettings, Path], Outcome]


def by_search(fold: Fold, data: TrainingData, settings: HookSettings, work: Path) -> Outcome:
    """The pipeline's Tuner, then its fit with what was chosen."""
    started = now()
    hypermodel = ProfileHyperModel(settings, data, work / "fits")
    tuner = make_tuner(hypermodel, settings.tuner, settings.training.seed, work / "search")
    tuner.search(verbose=0)
    chosen = tuner.get_best_hyperparameters(1)[0].values
    outcome = by_fit(fold, data, apply_hyperparameters(settings, chosen), work)
    return replace(outcome, spent=now().since(started), chosen=chosen)


def by_fit(fold: Fold, data: TrainingData, settings: HookSettings, work: Path) -> Outcome:
    """The pipeline's fit with the given settings."""
    return _learn(fold, data, settings, work, build_candidate)


def by_uncertainty(fold: Fold, data: TrainingData, settings: HookSettings, work: Path) -> Outcome:
    """The fit with loss weights that are learned beside the network (Kendall 2018)."""
    return _learn(fold, data, settings, work, with_learned_weights)


def by_baseline(fold: Fold, data: TrainingData, settings: HookSettings, work: Path) -> Outcome:
    """The linear baseline alone: that of a network which was not trained."""
    del work
    started = now()
    model = build_candidate(settings, data, 1)
    parts = [with_rows(data, *rows) for rows in data.folds] or [data]
    held_out = pool_heads([held_out_of(model, part) for part in parts])
    constants = data.train.constants, join_splits(data).train.constants
    learned = Learned(
        data.heads,
        data.links,
        model,
        model,
        FitState(),
        find_shares(data, held_out),
        held_out,
        constants,
        data.train.authors + data.eval.authors,
    )
    linear = settings.linear_models()[FINAL]
    assert linear
    answers = answer(learned.linear_answering(linear), settings.heads, fold.test_ids)
    return Outcome(answers, now().since(started), {}, [], baseline_parameters(settings))


def _learn(
    fold: Fold,
    data: TrainingData,
    settings: HookSettings,
    work: Path,
    build: Callable[[HookSettings, TrainingData, int], keras.Model],
) -> Outcome:
    started = now()
    learned = learn(
        partial(build, settings),
        data,
        settings.training,
        work / "fit",
        logger=LOGGER,
    )
    spent = now().since(started)
    linear = settings.linear_models()
    of_final = linear[FINAL if learned.refitted else SELECTION]
    final, selected = (
        answer(model, settings.heads, fold.test_ids)
        for model in (learned.answering(of_final), learned.answering_selected(linear[SELECTION]))
    )
    scales = {head.name: head.scale_and_offset(fold.facts)[0] for head in settings.heads}
    calibrations = calibrate(learned, scales, settings.training.interval_coverage)
    skills = [epoch["val_skill"] for epoch in learned.state.history]
    shares = {name: asdict(found) for name, found in learned.shares.items()}
    parameters = learned.final.count_params()
    return Outcome(final, spent, {}, skills, parameters, shares, calibrations, selected)


def answer(model: keras.Model, heads: Heads, ids: list[np.ndarray]) -> Answers:
    """Answers of authors in their order, as the served model makes them."""
    ask = tf.function(
        lambda tokens: answer_in_portions(
            lambda batch: model({"tokens": batch} if isinstance(model.input, dict) else batch),
            tokens,
            {head.name: head.width for head in heads},
        ),
        input_signature=[tf.RaggedTensorSpec([None, None], tf.int32)],
    )
    found = ask(tf.RaggedTensor.from_row_lengths(np.concatenate(ids), [len(one) for one in ids]))
    return {name: values.numpy().astype("float64") for name, values in found.items()}

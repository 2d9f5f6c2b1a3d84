"""The search for loss weights and training settings, by Keras Tuner.

Enters: transformed `train` and `eval` examples, the search space. Leaves: the best hyperparameters
and a table of trials. The objective is the mean skill of the heads on `eval`: it does not depend on
the loss weights, against which a search of `val_loss` would let the smallest weights win. The
first head's weight is fixed at 1, since beside the learning rate only ratios matter. Called by the
Tuner component through `tuner_fn`; a search that was killed goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import tensorflow as tf
import tensorflow_transform as tft
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx.components.tuner.component import TunerFnResult

from components.heads.declared import Heads
from components.training.fitting import OBJECTIVE, TrainingData, fit, take_fraction
from components.training.heads import network_of
from components.training.hooks import HookSettings
from components.training.model import build_model, choose_precision, compile_model, trained_output
from components.training.oracles import BayesianOracle, RandomOracle
from components.training.pruning import MedianStopping
from components.training.searched import CHOICES, WEIGHT_PREFIX, is_of_another_kind, is_set
from components.training.settings import (
    PASSES,
    FloatRange,
    SearchSpace,
    TrainingSettings,
    TunerSettings,
)
from components.training.skill_error import skill_errors

LOGGER = logging.getLogger("authorprofile.tuner")


def tuner_fn(fn_args: FnArgs) -> TunerFnResult:
    """The hook of the Tuner component: the tuner and what its `search` is called with."""
    settings = HookSettings.from_custom_config(fn_args.custom_config)
    output = tft.TFTransformOutput(fn_args.transform_graph_path)
    data = settings.open_data(fn_args, output, settings.training.batch_size)
    # The same seed finds the same trials: no op may depend on the order of threads.
    tf.config.experimental.enable_op_determinism()
    folder = settings.state_folder("search", fn_args, fn_args.working_dir)
    hypermodel = ProfileHyperModel(settings, data, folder / "fits")
    tuner = make_tuner(hypermodel, settings.tuner, settings.training.seed, folder)
    # Where machines share a search, the oracle alone knows the trials.
    trials = getattr(tuner.oracle, "trials", {})
    finished = sum(trial.status == "COMPLETED" for trial in trials.values())
    if finished:
        LOGGER.info("resuming the search after %d trial%s", finished, "s" * (finished != 1))
        hypermodel.fits = finished
    return TunerFnResult(tuner=tuner, fit_kwargs={"verbose": 0})


def make_tuner(
    hypermodel: ProfileHyperModel, settings: TunerSettings, seed: int, folder: Path
) -> keras_tuner.Tuner:
    """The configured algorithm over `hypermodel`, its state in `folder`, resumed where there."""
    objective = keras_tuner.Objective(OBJECTIVE, "max")
    place = {"directory": str(folder), "project_name": "trials"}
    if settings.algorithm == "hyperband":
        tuner = keras_tuner.Hyperband(
            hypermodel,
            objective,
            max_epochs=settings.epochs or hypermodel.epochs,
            seed=seed,
            **place,
        )
        # Hyperband leaves no bound; the TFX Tuner then fails after the search.
        tuner.oracle.max_trials = settings.trials
        return tuner
    oracle = RandomOracle if settings.algorithm == "random" else BayesianOracle
    chooser = oracle(objective=objective, max_trials=settings.trials, seed=seed)
    return keras_tuner.Tuner(chooser, hypermodel, **place)


def declare_space(
    hp: keras_tuner.HyperParameters,
    heads: Heads,
    space: SearchSpace,
    training: TrainingSettings,
) -> None:
    """Declares what is searched; the defaults are the configured settings, where in range.

    What is set for a head is not searched for it; what is set for all is not in the space.
    """
    for head in heads[1:]:
        if space.loss_weight and head.name not in training.loss_weights:
            _declare_log(hp, WEIGHT_PREFIX + head.name, space.loss_weight, 1.0)
    if space.learning_rate:
        _declare_log(hp, "learning_rate", space.learning_rate, training.learning_rate)
    for name in CHOICES:
        if values := getattr(space, name):
            _declare_choice(hp, name, values, getattr(training, name))


def _declare_choice(
    hp: keras_tuner.HyperParameters, name: str, values: Sequence[Any], wanted: Any
) -> None:
    hp.Choice(name, list(values), default=wanted if wanted in values else None)


def _declare_log(
    hp: keras_tuner.HyperParameters, name: str, bounds: FloatRange, wanted: float
) -> None:
    if bounds.minimum == bounds.maximum:
        hp.Fixed(name, bounds.minimum)
        return
    default = min(max(wanted, bounds.minimum), bounds.maximum)
    hp.Float(name, bounds.minimum, bounds.maximum, sampling="log", default=default)


def apply_hyperparameters(settings: HookSettings, values: dict[str, Any]) -> HookSettings:
    """The settings with searched values in place of those that were not set.

    The values may be of an earlier search, when something else was set. Those of an earlier release
    that were found for another kind of network (`is_of_another_kind`) say nothing of this one.
    """
    heads = settings.heads
    if is_of_another_kind(values, settings.network.kind):
        return settings
    values = {name: v for name, v in values.items() if not is_set(name, settings.by_hand)}
    weights = {
        head.name: float(values[WEIGHT_PREFIX + head.name])
        for head in heads
        if WEIGHT_PREFIX + head.name in values
    }
    changes: dict[str, Any] = {
        name: float(values[name]) for name in ("learning_rate", *CHOICES) if name in values
    }
    if weights:
        set_weights = settings.training.loss_weights
        changes["loss_weights"] = {heads[0].name: 1.0, **set_weights, **weights}
    return replace(settings, training=settings.training.model_copy(update=changes))


class ProfileHyperModel(keras_tuner.HyperModel):
    """Builds and fits one candidate; trials share the prepared data.

    Args:
        settings: of the hook.
        data: of `load_data`; trials see `tuner.fraction` of its training authors.
        folder: of the fits' checkpoints, one folder a candidate.
    """

    def __init__(self, settings: HookSettings, data: TrainingData, folder: Path):
        super().__init__(name="authorprofile")
        self.settings = settings
        self.data = take_fraction(data, settings.tuner.fraction)
        self.epochs = settings.tuner.epochs or PASSES
        """Of a trial: enough to compare settings by, though a training may take more."""
        self.patience = settings.training.patience or self.epochs
        self.folder = folder
        self.fits = 0
        """Candidates fitted, those before a resumption among them."""

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        settings = self.settings
        declare_space(hp, settings.heads, settings.tuner.space, settings.training)
        chosen = apply_hyperparameters(settings, hp.values)
        return build_candidate(chosen, self.data, self.epochs)

    def fit(
        self, hp: keras_tuner.HyperParameters, model: keras.Model, *args: Any, **kwargs: Any
    ) -> dict[str, float]:
        """Fits one candidate; returns `val_skill`, its error and each head's, of its best epoch."""
        self.fits += 1
        tuner = self.settings.tuner
        name = hashlib.sha256(json.dumps(hp.values, sort_keys=True).encode()).hexdigest()[:16]
        callbacks = list(kwargs.get("callbacks", []))
        if tuner.prune and tuner.algorithm != "hyperband":
            callbacks.append(MedianStopping(self.folder, self.folder / name))
        state = fit(
            model,
            self.data,
            epochs=kwargs.get("epochs", self.epochs),
            patience=self.patience,
            seed=self.settings.training.seed,
            folder=self.folder / name,
            first_epoch=kwargs.get("initial_epoch", 0),
            callbacks=tuple(callbacks),
            logger=LOGGER,
        )
        best = state.history[state.best_epoch - state.first_epoch]
        LOGGER.info(
            "trial %d of %d: skill on eval %.3f at epoch %d",
            self.fits,
            tuner.trials,
            state.best_skill,
            state.best_epoch + 1,
        )
        skills = {key: value for key, value in best.items() if key.endswith("skill")}
        return {**skills, **skill_errors(model, self.data)}


def build_candidate(settings: HookSettings, data: TrainingData, epochs: int) -> keras.Model:
    """The compiled network of these settings, for a training of so many epochs.

    The reference network has a row for each id of the configured vocabulary, used or not; the
    default one a row for each id that the training split uses.
    """
    training, network = settings.training, settings.network
    of_reference = network.kind == "reference"
    model = build_model(
        settings.heads,
        settings.text.vocabulary_size if of_reference else data.vocabulary_size,
        network,
        links=data.links,
        table=data.table,
        dropout=training.dropout,
        seed=training.seed,
        precision=choose_precision(training.precision),
    )
    compile_model(
        model,
        settings.heads,
        balanced_weights(settings, data, model),
        training.learning_rate,
        data.train.steps * epochs,
        weight_decay=training.weight_decay,
        pull=network.pull,
        label_smoothing=training.label_smoothing,
    )
    return model


def balanced_weights(
    settings: HookSettings, data: TrainingData, model: keras.Model
) -> dict[str, float]:
    """What each head's loss is multiplied by, from the configured loss weights.

    A loss is first divided by that of the best constant, so that a weight means the same for each
    kind of head; then the weights are scaled to a mean of one, so that neither the step size nor
    the pull toward the table's start changes its meaning with them.
    """
    weights = {head.name: settings.training.loss_weights.get(head.name, 1.0) for head in data.heads}
    mean = sum(weights.values()) / len(weights)
    balanced = {}
    for head in data.heads:
        loss = data.train.constant_losses[head.name]
        if trained_output(model, head.name) != head.name:
            loss = network_of(head).steps_loss(data.links[head.name])
        balanced[head.name] = weights[head.name] / mean / (loss if loss > 0 else 1.0)
    return balanced

"""One fit of the network, which Tuner and Trainer share: batches in, best weights and history out.

Stops early on the mean skill of `eval` and restores the best weights. With a folder for
checkpoints, a fit that was killed goes on after its last whole epoch and ends with the same
weights as an uninterrupted one. A model that was built under a `tf.distribute` strategy is fitted
on all of its replicas.
"""

from __future__ import annotations

import json
import logging
import math
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from components.heads.declared import Heads
from components.heads.links import Link
from components.heads.names import KNOWN_LOSS
from components.table.artifact import Table
from components.training.dataset import (
    TRAINING_TOKENS,
    SplitSummary,
    make_batches,
    summarise,
    training_batches,
)
from components.training.distribution import fit_replicas, follow_chief, is_chief
from components.training.model import for_model
from components.training.skill import mean_skill, skill

OBJECTIVE = "val_skill"
FEWEST_AUTHORS = 2000


@dataclass(frozen=True)
class TrainingData:
    """The two splits that training may see, with what a pass over them counted.

    Attributes:
        heads: what is predicted.
        train_rows: with the offsets that no author's own label is in.
        eval_rows: with the offsets of the linear model that was fitted on `train`.
        train, eval: counts of both.
        batch_size: authors a step.
        vocabulary_size: token ids in all, padding and unknown among them.
        links: of each head.
        table: terms and where their rows start.
        everyone: rows of `train` and of `eval`, with the offsets of the last fit, in which no
            author's own label is either.
        folds: where `eval` is small, for each part of all authors the rows to learn from and those
            that are answered, of whom nothing has seen a label.
    """

    heads: Heads
    train_rows: tf.data.Dataset
    eval_rows: tf.data.Dataset
    train: SplitSummary
    eval: SplitSummary
    batch_size: int
    vocabulary_size: int
    links: Mapping[str, Link] = field(default_factory=dict)
    table: Table | None = None
    everyone: tuple[tf.data.Dataset, tf.data.Dataset] | None = None
    folds: tuple[tuple[tf.data.Dataset, tf.data.Dataset], ...] = ()


def make_data(
    heads: Heads,
    train_rows: tf.data.Dataset,
    eval_rows: tf.data.Dataset,
    batch_size: int,
    vocabulary_size: int,
    **further: Any,
) -> TrainingData:
    """Counts both splits; the records stay on disk.

    The arguments are those of `TrainingData`.

    Raises:
        ValueError: a head's labels do not differ in `eval`, so its skill is not defined there.
    """
    train = summarise(train_rows, heads, batch_size, TRAINING_TOKENS)
    selecting = summarise(eval_rows, heads, batch_size)
    mean_skill(dict.fromkeys(selecting.constant_losses, 0.0), selecting.constant_losses)
    return TrainingData(
        heads, train_rows, eval_rows, train, selecting, batch_size, vocabulary_size, **further
    )


def take_fraction(data: TrainingData, fraction: float) -> TrainingData:
    """The data with a share of the training authors alone, counted anew.

    They are the first ones in the files; of fewer than `FEWEST_AUTHORS` none is left out.
    """
    authors = max(round(data.train.authors * fraction), FEWEST_AUTHORS)
    if authors >= data.train.authors:
        return data
    return with_rows(data, data.train_rows.take(authors))


def join_splits(data: TrainingData) -> TrainingData:
    """The data with the authors of `eval` among the training authors, counted anew.

    They are mixed in evenly, in an order that is always the same, with offsets of their own
    (`TrainingData.everyone`). The vocabulary stays.
    """
    shares = [float(data.train.authors), float(data.eval.authors)]
    rows = tf.data.Dataset.sample_from_datasets(
        list(data.everyone or (data.train_rows, data.eval_rows)),
        [share / sum(shares) for share in shares],
        seed=0,
        stop_on_empty_dataset=False,
        rerandomize_each_iteration=False,
    )
    return with_rows(data, rows)


def with_rows(
    data: TrainingData, train_rows: tf.data.Dataset, eval_rows: tf.data.Dataset | None = None
) -> TrainingData:
    """The data with other rows, counted anew; `eval` stays where None is given."""
    train = summarise(train_rows, data.heads, data.batch_size, TRAINING_TOKENS)
    changed = replace(data, train_rows=train_rows, train=train)
    if eval_rows is None:
        return changed
    selecting = summarise(eval_rows, data.heads, data.batch_size)
    return replace(changed, eval_rows=eval_rows, eval=selecting)


def head_skills(logs: dict[str, float], constant_losses: dict[str, float]) -> dict[str, float]:
    """Each head's skill on `eval` from an epoch's Keras logs."""
    return {
        name: skill(known_loss(name, logs), constant) for name, constant in constant_losses.items()
    }


def known_loss(head_name: str, logs: dict[str, float]) -> float:
    """A head's loss over the known labels of `eval`, from an epoch's Keras logs."""
    # Keras leaves the output's name out of a metric's where there is one output alone.
    named = f"val_{head_name}_{KNOWN_LOSS}"
    return logs[named if named in logs else f"val_{KNOWN_LOSS}"]


class MeanSkill(keras.callbacks.Callback):
    """Adds `val_skill`, the objective, and `val_<head>_skill` to each epoch's logs.

    Args:
        constant_losses: of the heads whose skill is defined on `eval`; of none, the objective is 0.
    """

    def __init__(self, constant_losses: dict[str, float]):
        super().__init__()
        self.constant_losses = constant_losses

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        logs = logs if logs is not None else {}
        losses = {name: known_loss(name, logs) for name in self.constant_losses}
        if not all(math.isfinite(loss) for loss in losses.values()):
            logs[OBJECTIVE] = -math.inf
            self.model.stop_training = True
            return
        logs[OBJECTIVE] = mean_skill(losses, self.constant_losses) if losses else 0.0
        for name, value in head_skills(logs, self.constant_losses).items():
            logs[f"val_{name}_skill"] = value


class EpochSeeds(keras.callbacks.Callback):
    """Starts every dropout layer anew each epoch, from the seed and the epoch's number alone.

    Checkpoints do not keep the state of seed generators; so a resumed epoch draws the same. Each
    replica has draws of its own, which repeat too.
    """

    def __init__(self, seed: int):
        super().__init__()
        self.seed = seed

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._restart(tf.constant(epoch, tf.int64))

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        run = self.model.distribute_strategy.run
        self._restart = tf.function(lambda epoch: run(self._assign, (epoch,)), autograph=False)

    def _assign(self, epoch: Any) -> None:
        layers = self.model.layers
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        first = self.seed + tf.cast(replica, tf.int64) * len(layers)
        for number, layer in enumerate(layers):
            generator = getattr(layer, "seed_generator", None)
            if generator is not None:
                generator.state.assign(tf.stack([first + number, epoch]))


@dataclass
class FitState:
    """Where a fit stands after a whole epoch; what a checkpoint keeps beside the weights."""

    first_epoch: int = 0
    next_epoch: int = 0
    best_skill: float = -math.inf
    best_epoch: int = -1
    epochs_without_gain: int = 0
    history: list[dict[str, float]] = field(default_factory=list)


class BestWeights(keras.callbacks.Callback):
    """Keeps the best weights, stops after `patience` epochs without gain, resumes after a kill.

    Args:
        folder: of the checkpoints. `state.json` is renamed into place last and names the weights
            it belongs to, so a kill at any moment leaves the last whole epoch.
        patience: epochs without a better `val_skill`.
        first_epoch: number of the first epoch, where the model was trained before.
        report: called with the state after each epoch.
        selects: whether `eval` chooses the epoch; else each is better than the one before.
    """

    def __init__(
        self,
        folder: Path,
        patience: int,
        first_epoch: int = 0,
        report: Callable[[FitState], None] = lambda _: None,
        selects: bool = True,
    ):
        super().__init__()
        self.folder = folder
        self.patience = patience
        self.report = report
        self.selects = selects
        self.state = FitState(first_epoch=first_epoch, next_epoch=first_epoch)
        self.keeps_files = True

    def resume(self, model: keras.Model) -> int:
        """Loads the last whole epoch, where there is one; returns the epoch to go on with."""
        strategy = model.distribute_strategy
        self.keeps_files = is_chief(strategy)
        path = self.folder / "state.json"
        if self.keeps_files:
            self.folder.mkdir(parents=True, exist_ok=True)
        if self.keeps_files and path.exists():
            self.state = FitState(**json.loads(path.read_text(encoding="utf-8")))
            # An optimizer without variables would pass its saved state over in silence.
            with strategy.scope():
                model.optimizer.build(model.trainable_variables)
            model.load_weights(self._weights("epoch", self.state.next_epoch - 1))
        if strategy.num_replicas_in_sync > 1:
            self._follow_chief(model)
        return self.state.next_epoch

    def _follow_chief(self, model: keras.Model) -> None:
        state = self.state
        epochs = state.next_epoch, state.best_epoch, state.epochs_without_gain
        skill, *agreed = follow_chief(model, (state.best_skill, *epochs))
        next_epoch, best_epoch, without_gain = (int(number) for number in agreed)
        self.state = replace(
            state,
            next_epoch=next_epoch,
            best_skill=skill,
            best_epoch=best_epoch,
            epochs_without_gain=without_gain,
        )

    def is_finished(self) -> bool:
        """Whether the state says that no further epoch is wanted."""
        return self.state.epochs_without_gain >= self.patience

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        values = {name: float(value) for name, value in (logs or {}).items()}
        previous = self.state
        gained = values[OBJECTIVE] > (previous.best_skill if self.selects else -math.inf)
        self.state = FitState(
            first_epoch=previous.first_epoch,
            next_epoch=epoch + 1,
            best_skill=values[OBJECTIVE] if gained else previous.best_skill,
            best_epoch=epoch if gained else previous.best_epoch,
            epochs_without_gain=0 if gained else previous.epochs_without_gain + 1,
            history=[*previous.history, values],
        )
        if self.keeps_files:
            self._save(epoch)
        self.report(self.state)
        if self.is_finished():
            self.model.stop_training = True

    def _save(self, epoch: int) -> None:
        self.model.save_weights(self._weights("epoch", epoch))
        beside = self.folder / "state.json.partial"
        beside.write_text(json.dumps(asdict(self.state)), encoding="utf-8")
        os.replace(beside, self.folder / "state.json")
        for path in self.folder.glob("epoch-*.weights.h5"):
            if path not in (
                self._weights("epoch", epoch),
                self._weights("epoch", self.state.best_epoch),
            ):
                path.unlink()

    def restore_best(self) -> None:
        """Loads the weights of the best epoch; of several workers, the chief alone does.

        Raises:
            ValueError: no epoch ended with a finite skill.
        """
        if self.state.best_epoch < 0:
            raise ValueError(
                "Training must end at least one epoch with a finite loss. Received none: the loss "
                "became infinite or NaN. Lower training.learning_rate."
            )
        if self.keeps_files:
            self.model.load_weights(self._weights("epoch", self.state.best_epoch))

    def discard(self) -> None:
        """Deletes the checkpoints: the fit is over and its result is kept elsewhere."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _weights(self, kind: str, epoch: int) -> Path:
        return self.folder / f"{kind}-{epoch:04d}.weights.h5"


def _judged(data: TrainingData, selects: bool) -> dict[str, float]:
    """Constant losses of the heads whose skill is told."""
    losses = data.eval.constant_losses
    # Where nothing is chosen, `eval` may be some dozens of authors whose labels are all alike.
    return losses if selects else {name: loss for name, loss in losses.items() if loss > 0}


def fit(
    model: keras.Model,
    data: TrainingData,
    *,
    epochs: int,
    patience: int,
    seed: int,
    folder: Path,
    first_epoch: int = 0,
    callbacks: tuple[keras.callbacks.Callback, ...] = (),
    selects: bool = True,
    logger: logging.Logger,
) -> FitState:
    """Fits a compiled model and leaves its best weights in it.

    Args:
        model: of `build_model`, compiled by `compile_model`.
        data: of `load_data`.
        epochs: passes at the most, those before a resumption included.
        patience: epochs without gain before it stops.
        seed: of the order of authors.
        folder: of the checkpoints.
        first_epoch: where a model that was trained before goes on (Hyperband).
        callbacks: further ones; they see `val_skill` in the logs.
        selects: False where `eval` is trained on, or too small to choose: the last epoch is kept.
        logger: one line an epoch.

    Returns:
        The state after the last epoch; its history has one row an epoch.
    """

    def report(state: FitState) -> None:
        if not selects:
            # A skill on authors that were trained on would look like one of authors that were not.
            logger.debug("epoch %d of %d; the last one is kept", state.next_epoch, epochs)
            return
        logger.debug(
            "epoch %d of %d: skill on eval %.3f, best %.3f",
            state.next_epoch,
            epochs,
            state.history[-1][OBJECTIVE],
            state.best_skill,
        )

    best = BestWeights(folder, patience, first_epoch, report, selects)
    best.set_model(model)
    next_epoch = best.resume(model)
    if next_epoch > first_epoch:
        logger.info("resuming after epoch %d of %d", next_epoch, epochs)
    if next_epoch < epochs and not best.is_finished():
        size = data.batch_size
        training = training_batches(data.train_rows, size, data.train.longest, seed, next_epoch)
        counted = tf.data.experimental.assert_cardinality(data.eval.steps)
        selecting = make_batches(data.eval_rows, size, data.eval.longest).apply(counted)
        several = model.distribute_strategy.num_replicas_in_sync > 1
        training, selecting = for_model(training, model), for_model(selecting, model)
        if not several:
            # A step that has to make the optimizer's or the metrics' variables is traced twice.
            model._symbolic_build(data_batch=training.element_spec)
        # The rows are shuffled already; Keras warns of a dataset that it is asked to shuffle.
        fit_alone = partial(model.fit, shuffle=False)
        run_epochs = partial(fit_replicas, model) if several else fit_alone
        run_epochs(
            training,
            initial_epoch=next_epoch,
            epochs=epochs,
            steps_per_epoch=data.train.steps,
            validation_data=selecting,
            callbacks=[
                EpochSeeds(seed),
                MeanSkill(_judged(data, selects)),
                best,
                *callbacks,
            ],
            verbose=0,
        )
    best.restore_best()
    return best.state

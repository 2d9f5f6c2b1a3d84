"""A whole training: a fit that `eval` selects, then one on the authors of `train` and `eval`.

Enters: a way to build the network, the settings of the training, the data. Leaves two networks of
the same settings, whose answers are shrunk alike:

- `selected`, trained on `train`. `eval` chooses its epoch. A later training starts from it: it
  meets the same authors in its own `eval`, whom its start must not have seen.
- `final`, built and fitted in the same way on `train` and `eval`, for as many epochs as `eval`
  chose, at whose end its step size is 0. It serves.

Shares, temperatures and intervals of `final` are those of `selected`, fitted on its answers about
`eval`: nothing is fitted on answers about authors that a network has learned from. Where `eval` is
small (`TrainingData.folds`), they are fitted on all authors of both splits instead: of each part by
a network that was trained on the other parts, with offsets of linear models that saw neither; then
no epoch is chosen, since some dozens of authors would choose by chance.

The earlier network of a warm start has not seen `eval` either: it has learned from authors of
`train` alone. Networks of parts do not start from it, since it may have seen those that answer.

`selected` knows fewer authors than `final`, so that an interval would rather be too wide.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from components.heads.arrays import Array
from components.heads.declared import Heads
from components.heads.links import Link
from components.linear.artifact import LinearModel
from components.training.conv import linear_model, shrunk_model
from components.training.fitting import FitState, TrainingData, fit, join_splits, with_rows
from components.training.held_out import HeldOut, answer_held_out, pool_heads
from components.training.paths import Gains, path_gains
from components.training.settings import TrainingSettings
from components.training.shrinkage import fit_correction, fit_share, shrink_answers


@dataclass(frozen=True)
class Shares:
    """What of a head is kept; see `shrinkage`.

    Attributes:
        network: of the correction of the linear baseline; 1 of a network without offsets.
        answer: of the way from the constant to the answer.
        baseline: the same of the linear baseline alone.
    """

    network: float = 1.0
    answer: float = 1.0
    baseline: float = 1.0


@dataclass(frozen=True)
class Learned:
    """What a training leaves.

    Attributes:
        heads, links: what is predicted, and how an answer follows from logits.
        selected: trained on `train`, as it was trained.
        final: trained on `train` and `eval`; `selected` itself where `refit` is off.
        state: of the fit of `selected`.
        shares: of each head, that both keep.
        held_out: by head, the answers that the shares were found on.
        constants: mean targets that `selected` and `final` shrink to.
        authors: that `final` learned from.
    """

    heads: Heads
    links: Mapping[str, Link]
    selected: keras.Model
    final: keras.Model
    state: FitState
    shares: dict[str, Shares]
    held_out: dict[str, HeldOut]
    constants: tuple[dict[str, list[float]], dict[str, list[float]]]
    authors: int

    def path_gains(self) -> dict[str, Gains]:
        """By head what each path of the network adds by itself; see `paths`."""
        return {
            head.name: path_gains(
                head,
                self.links[head.name],
                self.held_out[head.name],
                self.held_out_answers(head.name)[1],
                np.array(self.constants[0][head.name]),
            )
            for head in self.heads
            if self.held_out[head.name].without
        }

    @property
    def refitted(self) -> bool:
        """Whether `final` has learned from `eval` too."""
        return self.final is not self.selected

    def answering(self, linear: LinearModel | None) -> keras.Model:
        """`final` as it answers: tokens -> {head: `[batch, width]`}.

        Args:
            linear: fitted on the same authors; None for a network without offsets.
        """
        return self._shrunk(self.final, self.constants[1], linear)

    def answering_selected(self, linear: LinearModel | None) -> keras.Model:
        """The same of `selected`."""
        return self._shrunk(self.selected, self.constants[0], linear)

    def _shrunk(
        self, model: keras.Model, constants: dict[str, list[float]], linear: LinearModel | None
    ) -> keras.Model:
        if linear:
            kept = {name: shares.network for name, shares in self.shares.items()}
            model = shrunk_model(model, self.heads, self.links, kept, linear)
        shares = {name: found.answer for name, found in self.shares.items()}
        return shrink_answers(model, constants, shares)

    def linear_answering(self, linear: LinearModel) -> keras.Model:
        """The linear baseline as it answers: tokens -> {head: `[batch, width]`}."""
        alone = linear_model(self.final, self.heads, self.links, linear)
        shares = {name: found.baseline for name, found in self.shares.items()}
        return shrink_answers(alone, self.constants[1], shares)

    def held_out_answers(self, name: str, *, of_baseline: bool = False) -> tuple[Array, Array]:
        """Labels and answers of a head as they are served, but for what is calibrated on them."""
        found, shares = self.held_out[name], self.shares[name]
        constant = np.array(self.constants[0][name])
        if of_baseline:
            answers, share = found.kept(self.links[name], 0.0), shares.baseline
        else:
            answers, share = _answers(found, self.links.get(name), shares.network), shares.answer
        return found.labels, constant + share * (answers - constant)


def learn(
    build: Callable[[TrainingData, int], keras.Model],
    data: TrainingData,
    training: TrainingSettings,
    folder: Path,
    *,
    strategy: tf.distribute.Strategy | None = None,
    callbacks: tuple[keras.callbacks.Callback, ...] = (),
    logger: logging.Logger,
    build_apart: Callable[[TrainingData, int], keras.Model] | None = None,
) -> Learned:
    """Trains `selected`, then `final`; a training that was killed goes on where it was.

    Args:
        build: the compiled network for this data and number of epochs.
        data: of `make_data`.
        training: `epochs` and `patience`, which follow from the data where they are not given,
            `seed`, `refit`.
        folder: of the checkpoints.
        strategy: of `distribution.choose_strategy`; None: one device. Of several workers, the
            chief's networks alone are those that `eval` chose.
        callbacks: of the first fit.
        logger: a line an epoch.
        build_apart: the same of a network that has seen nobody; None: `build`'s have not.
    """
    strategy = strategy or tf.distribute.get_strategy()
    training = training.for_steps(data.train.steps)
    assert training.epochs and training.patience
    fitting: dict[str, Any] = {"seed": training.seed, "logger": logger}
    selected, state = _fit_anew(
        build,
        data,
        training.epochs,
        strategy,
        patience=training.patience,
        folder=folder,
        callbacks=callbacks,
        selects=not data.folds,
        **fitting,
    )
    epochs = state.best_epoch + 1
    last = {"patience": epochs, "selects": False, **fitting}
    if data.folds:
        held_out = pool_heads(
            _fit_folds(build_apart or build, data, epochs, strategy, folder, last)
        )
    else:
        held_out = held_out_of(selected, data)
    shares = find_shares(data, held_out)
    final, everyone = selected, data
    if training.refit:
        everyone = join_splits(data)
        final, _ = _fit_anew(build, everyone, epochs, strategy, folder=folder / "final", **last)
    return Learned(
        data.heads,
        data.links,
        selected,
        final,
        state,
        shares,
        held_out,
        (data.train.constants, everyone.train.constants),
        everyone.train.authors,
    )


def find_shares(data: TrainingData, held_out: Mapping[str, HeldOut]) -> dict[str, Shares]:
    """The shares of each head that its held-out authors support; see `shrinkage`."""
    shares = {}
    for head in data.heads:
        found, link = held_out[head.name], data.links.get(head.name)
        constant = np.array(data.train.constants[head.name])
        network, baseline = 1.0, 1.0
        if found.logits.shape[1]:
            assert link is not None
            network = fit_correction(head, link, found.offsets, found.logits, found.labels)
            alone = found.kept(link, 0.0)
            baseline = fit_share(head, alone, found.labels, constant)
        answers = _answers(found, link, network)
        answer = fit_share(head, answers, found.labels, constant)
        shares[head.name] = Shares(network, answer, baseline)
    return shares


def _answers(found: HeldOut, link: Link | None, network_share: float) -> Array:
    """The network's answers, of whose correction a share is kept."""
    if not found.logits.shape[1]:
        return found.answers
    assert link is not None
    return found.kept(link, network_share)


def held_out_of(model: keras.Model, data: TrainingData) -> dict[str, HeldOut]:
    """What a network says of the rows of `eval`, which it was not trained on."""
    return answer_held_out(
        model, data.heads, data.eval_rows, data.eval, data.batch_size, paths=True
    )


def _fit_folds(
    build: Callable[[TrainingData, int], keras.Model],
    data: TrainingData,
    epochs: int,
    strategy: tf.distribute.Strategy,
    folder: Path,
    fitting: dict[str, Any],
) -> list[dict[str, HeldOut]]:
    """What a network says of each part of all authors that was trained on the other parts."""
    found: list[dict[str, HeldOut]] = []
    parts = [with_rows(data, *rows) for rows in data.folds]
    # Of a dozen authors a part may have none.
    parts = [part for part in parts if part.eval.authors and part.train.authors]
    places = [folder / f"fold-{number}" for number in range(len(parts))]
    if strategy.num_replicas_in_sync > 1:
        for place, part in zip(places, parts, strict=True):
            model, _ = _fit_anew(build, part, epochs, strategy, folder=place, **fitting)
            found.append(held_out_of(model, part))
        return found
    # Its steps decide how the step size falls; parts have about as many.
    model = build(max(parts, key=lambda part: part.train.steps), epochs)
    start = model.get_weights()
    for place, part in zip(places, parts, strict=True):
        # To build and compile a network takes longer than to fit one on few authors.
        model.set_weights(start)
        for variable in model.optimizer.variables:
            variable.assign(keras.ops.zeros_like(variable))
        fit(model, part, epochs=epochs, folder=place, **fitting)
        found.append(held_out_of(model, part))
    return found


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

"""The networks that a comparison trains: the same data, epochs and recipe, other loss weights.

Enters: the hook's settings with the chosen hyperparameters, the training data. Leaves: a trained
Keras model for each group of heads of a row.

| row | loss weights |
|---|---|
| chosen weights | those of the run: searched, or configured |
| equal weights | 1 each |
| hand-set 0.25 / 1 / 10 | age 0.25, income 1, gender 10; where the heads are among these |
| uncertainty weighting | learned beside the network (`weighting`) |
| one network a head | a network of its own for each head |

All other settings are those that were chosen, in all rows alike, which favours the first.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import keras

from components.comparison.weighting import UncertaintyWeighted
from components.training.fitting import TrainingData
from components.training.hooks import HookSettings
from components.training.learning import Learned, learn
from components.training.model import compile_model, make_loss
from components.training.tuner import build_candidate

LOGGER = logging.getLogger("authorprofile.comparison")
HAND_SET = {"age": 0.25, "income": 1.0, "gender": 10.0}


@dataclass(frozen=True)
class Row:
    """One way to weigh the heads.

    Attributes:
        name: for people to read.
        groups: settings of each network; their heads together are all heads.
        is_learned: whether the weights are learned beside the network.
    """

    name: str
    groups: tuple[HookSettings, ...]
    is_learned: bool = False


def comparison_rows(settings: HookSettings) -> list[Row]:
    """The rows of the module's table; one head alone has nothing to weigh, and gets the first."""
    rows = [Row("chosen weights", (settings,))]
    if len(settings.heads) == 1:
        return rows
    rows.append(Row("equal weights", (_weighed(settings, {}),)))
    if all(head.name in HAND_SET for head in settings.heads):
        weights = {head.name: HAND_SET[head.name] for head in settings.heads}
        rows.append(Row("hand-set 0.25 / 1 / 10", (_weighed(settings, weights),)))
    rows.append(Row("uncertainty weighting", (_weighed(settings, {}),), is_learned=True))
    alone = tuple(replace(_weighed(settings, {}), heads=(head,)) for head in settings.heads)
    return [*rows, Row("one network a head", alone)]


def _weighed(settings: HookSettings, weights: dict[str, float]) -> HookSettings:
    training = settings.training.model_copy(update={"loss_weights": weights})
    return replace(settings, training=training)


def train_row(
    row: Row, data: dict[tuple[str, ...], TrainingData], seed: int, folder: Path
) -> Iterator[tuple[HookSettings, Learned]]:
    """Trains the row's networks, one after the other; a killed one goes on from `folder`.

    `data` are by the names of the heads they hold; `seed` is of weights, order and dropout.
    """
    for number, group in enumerate(row.groups):
        training = group.training.model_copy(update={"seed": seed})
        group = replace(group, training=training)
        its_data = data[tuple(head.name for head in group.heads)]
        keras.backend.clear_session()
        build = with_learned_weights if row.is_learned else build_candidate
        learned = learn(
            partial(build, group),
            its_data,
            training,
            folder / f"{row.name.replace(' / ', '-').replace(' ', '-')}-{seed}-{number}",
            logger=LOGGER,
        )
        yield group, learned


def with_learned_weights(group: HookSettings, data: TrainingData, epochs: int) -> keras.Model:
    """`build_candidate`'s network, compiled so that its loss weights are learned."""
    model = build_candidate(group, data, epochs)
    training = group.training
    losses = {head.name: make_loss(model, head, training.label_smoothing) for head in group.heads}
    weighted = UncertaintyWeighted(model.input, model.output, group.heads, losses, model.name)
    steps = data.train.steps * epochs
    compile_model(
        weighted,
        group.heads,
        {},
        training.learning_rate,
        steps,
        weight_decay=training.weight_decay,
        pull=group.network.pull,
    )
    return weighted

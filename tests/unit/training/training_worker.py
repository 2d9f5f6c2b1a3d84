"""One worker of a training, as a process of its own: trains each kind of network in turn.

    python training_worker.py FOLDER NAME [EPOCH_TO_DIE_IN]

FOLDER holds what `write_files` leaves, which NAME `alone` does. The chief's checkpoints are in
`FOLDER/NAME`; beside them it leaves `KIND.npz`, the weights, and `KIND.json`, the state. So
does each worker `NAME.seeds.json`, the seeds of its replicas in the last epoch. `alone` has one
device, `devices` two; any other name takes the workers of TF_CONFIG. With an epoch, the
worker kills itself when it begins that of the first network.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from components.training.distribution import choose_strategy, is_chief, wait_for_all
from components.training.fitting import TrainingData, fit
from components.training.loading import load_data
from components.training.model import build_model, compile_model
from components.training.settings import ReferenceSettings
from tests.unit.training.small_network import HEADS, SMALL, SPEC, VOCABULARY, write_files

KINDS = {
    # The crop holds the longest author, so that nothing but dropout is random.
    "conv": SMALL.model_copy(update={"crop_tokens": 500, "term_dropout": 0.0}),
    "reference": ReferenceSettings(
        embedding_width=6, first_filters=5, filters=7, dense_width=4, token_dropout=0.0
    ),
}
BATCH_SIZE, EPOCHS = 8, 4


def open_data(folder: Path) -> TrainingData:
    """The splits in `folder`."""
    patterns = [[str(folder / "examples" / split / "*")] for split in ("train", "eval")]
    table, baseline = (str(folder / name) for name in ("table", "baseline"))
    return load_data(*patterns, SPEC, HEADS, VOCABULARY, BATCH_SIZE, table, baseline)


def train(data, kind, folder, strategy, callbacks=()):
    """The network of that kind, fitted under the strategy, and the state it ended in."""
    given = {"links": data.links, "table": data.table, "seed": 3}
    with strategy.scope():
        model = build_model(HEADS, VOCABULARY, KINDS[kind], **given)
        steps = EPOCHS * data.train.steps
        recipe = {"weight_decay": 0.1, "label_smoothing": 0.1, "pull": 5.0}
        compile_model(model, HEADS, {}, 1e-2, steps, **recipe)
    state = fit(
        model,
        data,
        epochs=EPOCHS,
        patience=9,
        seed=1,
        folder=folder / kind,
        callbacks=callbacks,
        logger=logging.getLogger("authorprofile.test"),
    )
    return model, state


class Death(keras.callbacks.Callback):
    """Kills the process at an epoch's begin, as `kill -9` would."""

    def __init__(self, epoch: int):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if epoch == self.epoch:
            os.kill(os.getpid(), signal.SIGKILL)


def main(folder: Path, name: str, *dies_in: str) -> None:
    """Trains every kind and leaves what the chief has."""
    logging.basicConfig(level=logging.INFO)
    if name == "devices":
        processor = tf.config.list_physical_devices("CPU")[0]
        two = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(processor, two)
    strategy = choose_strategy("auto", os.environ.get("TF_CONFIG"))
    assert strategy.num_replicas_in_sync == (1 if name == "alone" else 2)
    tf.config.experimental.enable_op_determinism()
    if name == "alone":
        # Splits whose batches two replicas cannot always share evenly.
        write_files(folder, {"train": 45, "eval": 21})
    data = open_data(folder)
    callbacks = tuple(Death(int(epoch)) for epoch in dies_in)
    for kind in KINDS:
        model, state = train(data, kind, folder / name, strategy, callbacks=callbacks)
        if kind == "conv":
            seeds = model.get_layer("crop").seed_generator.state.value
        if is_chief(strategy):
            np.savez(folder / name / f"{kind}.npz", *model.get_weights())
            (folder / name / f"{kind}.json").write_text(json.dumps(asdict(state)))
    of_replicas = [copy.numpy().tolist() for copy in strategy.experimental_local_results(seeds)]
    (folder / f"{name}.seeds.json").write_text(json.dumps(of_replicas))
    wait_for_all(strategy)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])

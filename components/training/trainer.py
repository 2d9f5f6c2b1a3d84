"""Trains the network on the chosen settings (`learning`), calibrates it on `eval` and exports it.

Enters: transformed `train` and `eval` examples, the transform graph, hyperparameters. Leaves: the
SavedModel; in the model run `training.json` (settings, epochs, counts, calibration), `answers.json`
(what the network in memory says of some `eval` authors, calibrated, for the serving check),
TensorBoard logs, and in `network/` what a later training may start from. Called by the Trainer
component through `run_fn`; where several workers train together, in each of them, and the chief
alone leaves anything.
"""

from __future__ import annotations

import itertools
import json
import logging
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import keras
import tensorflow as tf
import tensorflow_transform as tft
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx.utils import io_utils

from components.heads.calibration import Calibration
from components.linear.artifact import FINAL, SELECTION
from components.serving.export import (
    Answering,
    ServedModel,
    describe_heads,
    export,
    label_facts,
)
from components.training.calibration import calibrate
from components.training.dataset import read_examples
from components.training.distribution import choose_strategy, is_chief, wait_for_all
from components.training.fitting import TrainingData
from components.training.hooks import HookSettings, read_tokens
from components.training.learning import Learned, learn
from components.training.model import choose_precision
from components.training.searched import is_of_another_kind
from components.training.settings import TrainingSettings
from components.training.tuner import apply_hyperparameters, build_candidate
from components.training.warm_start import FOLDER, Start, open_start, save_network

LOGGER = logging.getLogger("authorprofile.trainer")
CHECKED_AUTHORS = 32
TOLERANCES = {"float32": 1e-4, "bfloat16": 2e-2}


def run_fn(fn_args: FnArgs) -> None:
    """The hook of the Trainer component."""
    started = time.monotonic()
    settings = HookSettings.from_custom_config(fn_args.custom_config)
    values = (fn_args.hyperparameters or {}).get("values", {})
    settings = apply_hyperparameters(settings, values)
    if is_of_another_kind(values, settings.network.kind):
        LOGGER.info(
            "the hyperparameters were found for another kind of network, and none of them is used"
        )
    training = settings.training
    # Before anything else of TensorFlow: several workers must meet first.
    strategy = choose_strategy(training.devices, os.environ.get("TF_CONFIG"))
    transform = tft.TFTransformOutput(fn_args.transform_graph_path)
    data = settings.open_data(fn_args, transform, training.batch_size)
    # The same seed gives the same network: no op may depend on the order of threads.
    tf.config.experimental.enable_op_determinism()
    networks = StartedNetworks(settings, find_start(transform, settings, data))
    board = keras.callbacks.TensorBoard(log_dir=fn_args.model_run_dir)
    learned = learn(
        networks.build,
        data,
        training,
        settings.state_folder("fit", fn_args, fn_args.model_run_dir),
        strategy=strategy,
        callbacks=(board,) if is_chief(strategy) else (),
        logger=LOGGER,
        build_apart=networks.build_anew,
    )
    if not is_chief(strategy):
        # TFX looks for the exported model in every worker.
        wait_for_all(strategy)
        return
    LOGGER.debug("shares kept: %s", learned.shares)
    served, calibrations = calibrated_model(learned, transform, settings)
    export(served, fn_args.serving_model_dir)
    for head, entry in zip(settings.heads, describe_heads(served)["heads"], strict=True):
        if note := head.scale_note(entry):
            LOGGER.info(note)
    answers = in_memory_answers(served, fn_args, transform, training)
    _write_json(os.path.join(fn_args.model_run_dir, "answers.json"), answers)
    save_network(
        learned.selected,
        read_tokens(transform),
        label_facts(transform, settings.heads),
        os.path.join(fn_args.model_run_dir, FOLDER),
        settings.train_share,
    )
    seconds = time.monotonic() - started
    record = training_record(learned, data, settings, calibrations, seconds)
    record["warm_start"] = networks.record.record() if networks.record else None
    _write_json(os.path.join(fn_args.model_run_dir, "training.json"), record)
    LOGGER.info(
        "%s parameters, %d epoch%s, skill on eval %.3f at epoch %d, the %s",
        f"{learned.final.count_params():,}",
        learned.state.next_epoch,
        "s" * (learned.state.next_epoch != 1),
        learned.state.best_skill,
        learned.state.best_epoch + 1,
        "last" if data.folds else "best",
    )
    wait_for_all(strategy)


def find_start(
    transform: tft.TFTransformOutput, settings: HookSettings, data: TrainingData
) -> Start | None:
    """The earlier network that the settings name; None where they name none.

    Raises:
        WarmStartError: it is not there.
    """
    if not settings.warm_start:
        return None
    return open_start(
        os.path.join(settings.warm_start, FOLDER),
        settings.network.kind,
        read_tokens(transform),
        label_facts(transform, settings.heads),
        settings.heads,
        data.table,
        settings.train_share,
    )


class StartedNetworks:
    """Builds the networks of a training, all from the same earlier one where there is one.

    Args:
        settings: of the hook.
        start: of `find_start`.
    """

    def __init__(self, settings: HookSettings, start: Start | None):
        self.settings = settings
        self.start = start
        self.record = start.record if start else None
        """What `training.json` keeps."""
        if start and start.is_cold:
            LOGGER.info(start.record.describe())
            self.start = None

    def build(self, data: TrainingData, epochs: int) -> keras.Model:
        """A compiled network, its weights carried over."""
        if self.start is None:
            return self.build_anew(data, epochs)
        # Before it is compiled: the optimizer pulls the table to the rows that it has then.
        data = replace(data, table=self.start.table or data.table)
        model = self.build_anew(data, epochs)
        record = self.start.carry_over(model)
        # It is told once, of the first network.
        if not self.record or not self.record.carried:
            LOGGER.info(record.describe())
        self.record = record
        return model

    def build_anew(self, data: TrainingData, epochs: int) -> keras.Model:
        """A compiled network that has seen nobody."""
        return build_candidate(self.settings, data, epochs)


def calibrated_model(
    learned: Learned, transform: tft.TFTransformOutput, settings: HookSettings
) -> tuple[ServedModel, dict[str, Calibration]]:
    """The model as it will be served, and what was fitted for it on held-out authors, by head."""
    linear = settings.linear_models()[FINAL if learned.refitted else SELECTION]
    facts = label_facts(transform, settings.heads)
    scales = {head.name: head.scale_and_offset(facts)[0] for head in settings.heads}
    coverage = settings.training.interval_coverage
    fitted = calibrate(learned, scales, coverage)
    for name, calibration in fitted.items():
        LOGGER.debug("calibrated %s on %d held-out labels", name, calibration.labels)
    baseline = None
    if linear:
        of_baseline = calibrate(learned, scales, coverage, of_baseline=True)
        baseline = Answering(learned.linear_answering(linear), _descriptions(of_baseline))
    served = ServedModel(
        Answering(learned.answering(linear), _descriptions(fitted)),
        transform,
        settings.heads,
        settings.judging.age_bands,
        baseline,
    )
    return served, fitted


def _descriptions(fitted: Mapping[str, Calibration]) -> dict[str, dict[str, Any]]:
    return {name: calibration.description() for name, calibration in fitted.items()}


def in_memory_answers(
    served: ServedModel,
    fn_args: FnArgs,
    transform: tft.TFTransformOutput,
    training: TrainingSettings,
) -> dict[str, Any]:
    """Answers for the first `eval` authors from their transformed examples, for the check."""
    examples = read_examples(fn_args.eval_files, transform.transformed_feature_spec())
    authors = []
    for example in itertools.islice(examples.batch(1), CHECKED_AUTHORS):
        answers = served.answer(example)
        authors.append(
            {
                "author_id": example["author_id"].numpy()[0, 0].decode("utf-8"),
                "answers": {name: value.numpy()[0].tolist() for name, value in answers.items()},
            }
        )
    return {
        "tolerance": TOLERANCES[choose_precision(training.precision)],
        "authors": authors,
    }


def training_record(
    learned: Learned,
    data: TrainingData,
    settings: HookSettings,
    calibrations: dict[str, Calibration],
    seconds: float,
) -> dict[str, Any]:
    """What a reader wants to know of a training."""
    state = learned.state
    return {
        "parameters": learned.final.count_params(),
        "network": settings.network.model_dump(),
        "baseline_parameters": baseline_parameters(settings),
        "settings": settings.training.for_steps(data.train.steps).model_dump(),
        "precision": choose_precision(settings.training.precision),
        "authors": {"train": data.train.authors, "eval": data.eval.authors},
        "known_labels": {"train": data.train.known, "eval": data.eval.known},
        "best_epoch": state.best_epoch + 1,
        "epoch_was_chosen": not data.folds,
        "best_skill": state.best_skill,
        "epochs": state.history,
        "shares": {name: asdict(shares) for name, shares in learned.shares.items()},
        "paths": learned.path_gains(),
        "learned_from": learned.authors,
        "calibration": {name: asdict(fitted) for name, fitted in calibrations.items()},
        "seconds": round(seconds, 1),
    }


def baseline_parameters(settings: HookSettings) -> int:
    """Numbers of the linear model inside the network; 0 where there is none."""
    linear = settings.linear_models()[SELECTION] or {}
    return sum(head.weights.size + head.mixing.size + head.bias.size for head in linear.values())


def _write_json(path: str, content: dict[str, Any]) -> None:
    io_utils.write_string_file(path, json.dumps(content, indent=1))

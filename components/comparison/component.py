"""The TFX component behind `run --compare`: was one network for all heads, so weighed, worth it?

Enters: raw and transformed examples, the transform graph, the chosen hyperparameters. Leaves:
`comparison.json`: rows of `networks.comparison_rows`, each with its seeds and, per head, the skill
on `test`: mean over seeds, with an interval over authors; and a row of the linear baseline, which
no seed changes.

    {"budget": {"epochs": 20, "seeds": [1, 2, 3]},
     "rows": [{"name": "equal weights", "seeds": 3,
               "heads": {"age": {"mean": 0.69, "lower": 0.64, "upper": 0.74}}}]}

Nothing is chosen by it: early stopping and calibration look at `eval`, and what serves is the
Trainer's model, which the first row's first seed makes again. It may use training, judging and
serving's export, since it does all three. Memory: one network, and some 200 bytes of terms an
author, head and seed.
"""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
from tfx import types
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx.dsl.components.base import base_executor, executor_spec
from tfx.types import artifact_utils, standard_artifacts
from tfx.types.artifact import Artifact
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from tfx.utils import io_utils

from components.comparison import COMPARISON_FILE
from components.comparison.judging import Terms, score_over_runs
from components.comparison.networks import Row, comparison_rows, train_row
from components.heads.metrics import SKILL
from components.serving.export import ServedModel, describe_heads
from components.training.artifacts import READ_BESIDE, artifact_folders
from components.training.fitting import TrainingData
from components.training.hooks import BASELINE, TABLE, HookSettings
from components.training.trainer import calibrated_model
from components.training.tuner import apply_hyperparameters
from components.wiring import Artifacts, WiredComponent

LOGGER = logging.getLogger("authorprofile.comparison")
SPLIT = "test"
LINEAR = "linear baseline"
HYPERPARAMETERS_FILE = "best_hyperparameters.txt"
AUTHORS_A_BATCH = 64


class Comparison(Artifact):
    """Networks weighted in other ways, trained with the same budget: `comparison.json`."""

    TYPE_NAME = "components.Comparison"


class HeadComparisonSpec(ComponentSpec):
    """Inputs, outputs and properties of `HeadComparison`."""

    PARAMETERS = {
        "settings": ExecutionParameter(type=str),  # `HookSettings.to_custom_config` as JSON
        "seeds": ExecutionParameter(type=int),  # trainings a row
    }
    INPUTS = {
        "examples": ChannelParameter(type=standard_artifacts.Examples),  # raw
        "transformed_examples": ChannelParameter(type=standard_artifacts.Examples),
        "transform_graph": ChannelParameter(type=standard_artifacts.TransformGraph),
        "hyperparameters": ChannelParameter(type=standard_artifacts.HyperParameters, optional=True),
        **READ_BESIDE,
    }
    OUTPUTS = {"comparison": ChannelParameter(type=Comparison)}


class HeadComparisonExecutor(base_executor.BaseExecutor):
    """Trains, judges, writes."""

    def Do(
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        """Writes `comparison.json`."""
        self._log_startup(input_dict, output_dict, exec_properties)
        settings = HookSettings.from_custom_config(json.loads(exec_properties["settings"]))
        folders = artifact_folders(input_dict)
        settings = replace(settings, table=folders[TABLE], baseline=folders[BASELINE])
        settings = apply_hyperparameters(settings, read_hyperparameters(input_dict))
        arguments = FnArgs(
            transform_graph_path=artifact_utils.get_single_uri(input_dict["transform_graph"]),
            train_files=[_pattern(input_dict["transformed_examples"], "train")],
            eval_files=[_pattern(input_dict["transformed_examples"], "eval")],
        )
        content = compare(
            settings,
            arguments,
            _pattern(input_dict["examples"], SPLIT),
            exec_properties["seeds"],
            settings.state_folder("comparison", arguments, self._get_tmp_dir()),
        )
        folder = artifact_utils.get_single_uri(output_dict["comparison"])
        io_utils.write_string_file(
            os.path.join(folder, COMPARISON_FILE), json.dumps(content, indent=1)
        )


class HeadComparison(WiredComponent):
    """Compares ways to weigh the heads; output `comparison`."""

    SPEC_CLASS = HeadComparisonSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(HeadComparisonExecutor)


def compare(
    settings: HookSettings, arguments: FnArgs, test_pattern: str, seeds: int, folder: Path
) -> dict[str, Any]:
    """Trains and judges every row.

    Args:
        settings: with the chosen hyperparameters.
        arguments: transform graph, files of `train` and `eval`.
        test_pattern: files of raw `test` examples.
        seeds: trainings a row; the first has the run's own seed.
        folder: of work in progress; a killed comparison goes on there.

    Returns:
        The content of `comparison.json`; null where a score is not defined.
    """
    # The same seed gives the same network: no op may depend on the order of threads.
    tf.config.experimental.enable_op_determinism()
    transform = tft.TFTransformOutput(arguments.transform_graph_path)
    rows = comparison_rows(settings)
    data = {
        tuple(head.name for head in group.heads): group.open_data(
            arguments, transform, group.training.batch_size
        )
        for row in rows
        for group in row.groups
    }
    numbers = [settings.training.seed + place for place in range(seeds)]
    told = []
    linear: dict[str, Terms] = {}
    for row in rows:
        runs = []
        for place, seed in enumerate(numbers):
            terms, of_baseline = _run(row, data, transform, test_pattern, seed, folder)
            runs.append(terms)
            linear = linear or of_baseline
            LOGGER.info("%s, training %d of %d", row.name, place + 1, seeds)
        told.append({"name": row.name, "seeds": seeds, "heads": _skills(settings, runs)})
    if linear:
        told.append({"name": LINEAR, "seeds": 1, "heads": _skills(settings, [linear])})
    steps = next(iter(data.values())).train.steps
    epochs = settings.training.for_steps(steps).epochs
    return {"budget": {"epochs": epochs, "seeds": numbers}, "rows": told}


def _run(
    row: Row,
    data: dict[tuple[str, ...], TrainingData],
    transform: tft.TFTransformOutput,
    test_pattern: str,
    seed: int,
    folder: Path,
) -> tuple[dict[str, Terms], dict[str, Terms]]:
    """Terms of the row's networks, and of the linear baseline inside a network of all heads."""
    terms: dict[str, Terms] = {}
    linear: dict[str, Terms] = {}
    for group, learned in train_row(row, data, seed, folder):
        served, _ = calibrated_model(learned, transform, group)
        terms |= author_terms(served, test_pattern)
        if served.linear is not None and len(row.groups) == 1 and not row.is_learned:
            linear = author_terms(served, test_pattern, of_baseline=True)
    return terms, linear


def author_terms(
    served: ServedModel, pattern: str, *, of_baseline: bool = False
) -> dict[str, Terms]:
    """By head, the terms of each author of raw examples whose label is known.

    Args:
        served: the model.
        pattern: files of raw examples.
        of_baseline: of the answers of the linear baseline inside.
    """
    ask = served.serve_baseline if of_baseline else served.serve_examples
    terms: dict[str, dict[str, Sequence[float]]] = {head.name: {} for head in served.heads}
    entries = {entry["name"]: entry for entry in describe_heads(served)["heads"]}
    judged = [head.judged_by(entries[head.name]) for head in served.heads]
    for batch in _batches(pattern):
        answers, labels = ask(batch), served.transform_features(batch)
        ids = tf.io.parse_example(batch, {"author_id": tf.io.FixedLenFeature([], tf.string)})
        for head in judged:
            for author, label, answer, known in zip(
                ids["author_id"].numpy(),
                labels[head.name].numpy().astype(np.float64),
                answers[head.name].numpy().astype(np.float64),
                labels[head.known_name].numpy()[:, 0],
                strict=True,
            ):
                if known:
                    terms[head.name][author.decode()] = head.terms(label, answer).tolist()
    return dict(terms)


def _batches(pattern: str) -> Iterator[tf.Tensor]:
    files = tf.data.Dataset.list_files([pattern], shuffle=False)
    yield from tf.data.TFRecordDataset(files, compression_type="GZIP").batch(AUTHORS_A_BATCH)


def _skills(settings: HookSettings, runs: list[dict[str, Terms]]) -> dict[str, dict[str, Any]]:
    found = {}
    for head in settings.heads:
        scores = score_over_runs(
            head, [run[head.name] for run in runs], settings.judging.confidence
        )
        mean, lower, upper = (
            value if math.isfinite(value) else None for value in scores.get(SKILL, (math.nan,) * 3)
        )
        found[head.name] = {"mean": mean, "lower": lower, "upper": upper}
    return found


def read_hyperparameters(inputs: Artifacts) -> dict[str, Any]:
    """Values that a search chose; empty without a search."""
    if not inputs.get("hyperparameters"):
        return {}
    folder = artifact_utils.get_single_uri(inputs["hyperparameters"])
    content = io_utils.read_bytes_file(os.path.join(folder, HYPERPARAMETERS_FILE))
    values: dict[str, Any] = json.loads(content)["values"]
    return values


def _pattern(examples: list[types.Artifact], split: str) -> str:
    return str(io_utils.all_files_pattern(artifact_utils.get_split_uri(examples, split)))

"""The serving check: an exported model must answer in a fresh process before it may serve.

Enters: the exported model; the Trainer's `model_run`, whose `answers.json` holds what the network
answered in memory for some authors of `eval`; the raw Examples. Leaves: an InfraBlessing, which
the Pusher heeds, with `check.json`: the faults, each one sentence without an author's text; and
`SHA256SUMS`, the files of the model that was asked, whose digest is the blessing's property
`model_digest`. A model that fails is not blessed; an error is raised only where the check itself
cannot be made.

    answers.json: {"tolerance": 1e-4,
                   "authors": [{"author_id": "a1", "answers": {"age": [31.2], "gender": [0.4]}}]}
    check.json:   {"blessed": true, "faults": [], "tolerance": 1e-4, "authors": 32, "probes": 10,
                   "largest_gaps": {"age": 2e-7, "gender": 1e-8}, "seconds": 14.2,
                   "model_digest": "sha256:9f86d08..."}
"""

from __future__ import annotations

import json
import logging
import math
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf
from tfx import types
from tfx.dsl.components.base import base_executor, executor_spec
from tfx.dsl.io import fileio
from tfx.types import artifact_utils, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from tfx.utils import io_utils

from components.digests import Manifest, read_manifest
from components.serving import verdict
from components.serving.assets import ServedHeads, read_served_heads
from components.serving.checked import write_checked
from components.serving.fresh_process import ask_in_fresh_process, question
from components.wiring import Artifacts, WiredComponent, serving_path

ANSWERS_FILE, CHECK_FILE = "answers.json", "check.json"
SPLIT, TOLERANCE = "eval", 1e-4
_LOG = logging.getLogger("authorprofile.serving")
_AUTHORS_A_BATCH = 8


class ServingCheckSpec(ComponentSpec):
    """Channels and parameters of `ServingCheck`."""

    PARAMETERS = {
        # For the fresh process, from its start to its last answer.
        "timeout_seconds": ExecutionParameter(type=int),
        # Largest gap to the Trainer's answers; by default the one they name.
        "tolerance": ExecutionParameter(type=float, optional=True),
    }
    INPUTS = {
        "model": ChannelParameter(type=standard_artifacts.Model),
        "model_run": ChannelParameter(type=standard_artifacts.ModelRun),  # holds `answers.json`
        "examples": ChannelParameter(type=standard_artifacts.Examples),  # raw
    }
    OUTPUTS = {"infra_blessing": ChannelParameter(type=standard_artifacts.InfraBlessing)}


class ServingCheckExecutor(base_executor.BaseExecutor):
    """Asks the model, judges its answers, blesses it or does not."""

    def Do(
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        """Fills the blessing: `blessed` 1 or 0, `reason` where it is 0, and `check.json`.

        Raises:
            ValueError: the Trainer's answers or their authors' Examples are missing.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        model = artifact_utils.get_single_instance(input_dict["model"])
        run = artifact_utils.get_single_instance(input_dict["model_run"])
        blessing = artifact_utils.get_single_instance(output_dict["infra_blessing"])
        trained = read_trainer_answers(run.uri)
        wanted = [author["author_id"] for author in trained["authors"]]
        examples = read_examples(
            artifact_utils.get_split_uri(input_dict["examples"], SPLIT), wanted
        )
        path = serving_path(model)
        tolerance = exec_properties.get("tolerance") or trained.get("tolerance", TOLERANCE)
        with tempfile.TemporaryDirectory(prefix="serving-check-") as scratch:
            local = local_model(path, Path(scratch))
            # Before it is asked: what changes meanwhile is then no more what is listed.
            manifest = read_manifest(local)
            report = check_model(
                local, trained["authors"], examples, tolerance, exec_properties["timeout_seconds"]
            )
        _record(blessing, report, manifest)


class ServingCheck(WiredComponent):
    """Blesses a model that answers where nothing of this repository is, as the Trainer's did.

    Output `infra_blessing`: what `Pusher(infra_blessing=...)` reads.
    """

    SPEC_CLASS = ServingCheckSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(ServingCheckExecutor)


def read_trainer_answers(run_uri: str) -> dict[str, Any]:
    """What the Trainer's own model answered: `{"tolerance", "authors"}`. Raises ValueError."""
    path = os.path.join(run_uri, ANSWERS_FILE)
    if not fileio.exists(path):
        raise ValueError(
            f"the Trainer must leave {ANSWERS_FILE} in its model_run; {path} is missing. "
            "Train again."
        )
    answers: dict[str, Any] = json.loads(io_utils.read_bytes_file(path))
    if not answers["authors"]:
        raise ValueError(
            f"{path} must hold the answers for at least one author; it holds none. "
            f"Give more data, so that the split {SPLIT} is not empty, and train again."
        )
    return answers


def read_examples(split_uri: str, author_ids: Sequence[str]) -> list[bytes]:
    """The serialized raw Examples of some authors, in their order; reads until all are found.

    Raises:
        ValueError: an author is not in the split.
    """
    missing = {author_id.encode() for author_id in author_ids}
    found: dict[bytes, bytes] = {}
    files = sorted(fileio.glob(os.path.join(split_uri, "*")))
    for record in tf.data.TFRecordDataset(files, compression_type="GZIP").as_numpy_iterator():
        example = tf.train.Example.FromString(record)
        author_id = example.features.feature["author_id"].bytes_list.value[0]
        if author_id in missing:
            missing.remove(author_id)
            found[author_id] = record
            if not missing:
                return [found[author_id.encode()] for author_id in author_ids]
    raise ValueError(
        f"every author of {ANSWERS_FILE} must be in {split_uri}; {len(missing)} of "
        f"{len(author_ids)} are not. Give the check the Examples that the Trainer was given."
    )


def local_model(path: str, scratch: Path) -> Path:
    """The model's folder on this machine, copied into `scratch` where it is elsewhere."""
    if "://" not in path:
        return Path(path)
    io_utils.copy_dir(path, str(scratch / "model"))
    return scratch / "model"


def check_model(
    model: Path,
    authors: Sequence[dict[str, Any]],
    examples: Sequence[bytes],
    tolerance: float,
    timeout_seconds: int,
) -> dict[str, Any]:
    """Asks a model in a fresh process and judges it; a bad model is a report, not an error.

    Args:
        model: folder of the SavedModel.
        authors: `{"author_id", "answers": {head: row}}`, the Trainer's own answers.
        examples: the same authors' serialized raw Examples, in the same order.
        tolerance: largest gap to the Trainer's answers.
        timeout_seconds: for the fresh process.

    Returns:
        What `check.json` holds.
    """
    started = time.monotonic()
    gaps: dict[str, float] = {}
    try:
        served = read_served_heads(model)
        fault, answers = ask_in_fresh_process(model, _questions(served, examples), timeout_seconds)
        faults = [fault] if fault else []
        if not fault:
            answers[verdict.TRAINER] = {
                name: [author["answers"][name] for author in authors]
                for name in authors[0]["answers"]
            }
            faults, gaps = verdict.judge(served.heads, answers, tolerance)
    except ValueError as error:
        faults = [str(error)]
    return {
        "blessed": not faults,
        "faults": faults,
        "tolerance": tolerance,
        "authors": len(authors),
        "probes": len(verdict.PROBES),
        "largest_gaps": {name: gap if math.isfinite(gap) else None for name, gap in gaps.items()},
        "seconds": round(time.monotonic() - started, 1),
    }


def _questions(served: ServedHeads, examples: Sequence[bytes]) -> list[dict[str, Any]]:
    texts = [served.separator.encode().join(posts) for posts in verdict.PROBES.values()]
    probes = [_example(name, posts) for name, posts in verdict.PROBES.items()]
    steps = range(0, len(examples), _AUTHORS_A_BATCH)
    authors = [examples[step : step + _AUTHORS_A_BATCH] for step in steps]
    return [
        question(verdict.TOGETHER, "posts", "posts", [texts]),
        question(verdict.ALONE, "posts", "posts", [[text] for text in texts]),
        question(verdict.AS_EXAMPLES, "serving_default", "examples", [probes]),
        question(verdict.AUTHORS, "serving_default", "examples", authors, private=True),
    ]


def _example(author_id: str, posts: Sequence[bytes]) -> bytes:
    example = tf.train.Example()
    example.features.feature["author_id"].bytes_list.value.append(author_id.encode())
    example.features.feature["posts"].bytes_list.value.extend(posts)
    return bytes(example.SerializeToString())


def _record(blessing: types.Artifact, report: dict[str, Any], manifest: Manifest) -> None:
    write_checked(blessing, manifest)
    report = {**report, "model_digest": manifest.digest}
    text = json.dumps(report, indent=2, ensure_ascii=False)
    io_utils.write_string_file(os.path.join(blessing.uri, CHECK_FILE), text)
    blessing.set_int_custom_property("blessed", int(report["blessed"]))
    if report["blessed"]:
        _LOG.info(
            "%d probes, %d authors answered in a fresh process as in training",
            report["probes"],
            report["authors"],
        )
        return
    blessing.set_string_custom_property("reason", "; ".join(report["faults"]))
    for fault in report["faults"]:
        _LOG.warning("failed: %s", fault)

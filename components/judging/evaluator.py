"""The TFX component that judges a trained model, head by head.

Enters: raw `examples` (their `test` split alone is read), the trained `model`, and where there is
one the deployed model as `baseline_model`, from a Resolver of blessed models. Leaves: `evaluation`
(TFMA's files) and `blessing` (the properties that Pusher and such a Resolver read, the empty file
BLESSED or NOT_BLESSED, and `verdict.json`). The linear baseline inside the model is judged beside
it, where it has one; it is told, and blocks nothing.

The stock Evaluator is not extended: its `Do` is one piece that blesses by TFMA's thresholds, which
know no interval and no head, and it fails on a baseline with other outputs.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from typing import Any

from tfx import types
from tfx.components.evaluator import constants
from tfx.dsl.components.base import base_beam_component, base_beam_executor, executor_spec
from tfx.types import artifact_utils, standard_artifacts, system_executions
from tfx.types.component_spec import ChannelParameter, ExecutionParameter
from tfx.utils import io_utils

from components.beam_graphs import answers_kept
from components.heads.declared import Heads, heads_from_json
from components.judging.blessing import VERDICT_FILE, Comparison, Verdict, describe, judge_head
from components.judging.comparison import InService, compare_with
from components.judging.evaluation import evaluate, make_eval_config
from components.judging.in_service import is_empty
from components.judging.metrics import BASELINE, CANDIDATE, LINEAR
from components.judging.results import Evaluation, read_evaluation
from components.judging.settings import JudgingSettings
from components.judging.signatures import (
    UnfitModelError,
    declared_heads,
    linear_heads,
    unanswered_heads,
)
from components.wiring import Artifacts, WiredComponent, serving_path

LOGGER = logging.getLogger("authorprofile.judging")
SPLIT = "test"


@dataclass(frozen=True)
class _Job:
    """What does not change between an evaluation and its repetition."""

    heads: Heads
    settings: JudgingSettings
    file_patterns: list[str]
    path: str
    linear_heads: tuple[str, ...]
    output_path: str


class Executor(base_beam_executor.BaseBeamExecutor):
    """Evaluates, judges, writes."""

    def Do(
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        """Judges `model`; inputs, outputs and properties are those of `HeadEvaluator`.

        Raises:
            UnfitModelError: the model does not answer a declared head as the contract says.
            ValueError: the examples have no split `test`.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        heads = heads_from_json(exec_properties["heads"])
        settings = JudgingSettings.model_validate_json(exec_properties["settings"])
        model = artifact_utils.get_single_instance(input_dict["model"])
        blessing = artifact_utils.get_single_instance(output_dict["blessing"])
        output_path = artifact_utils.get_single_uri(output_dict["evaluation"])
        path = serving_path(model)
        _require_every_head(path, heads)
        in_service = _in_service(input_dict.get("baseline_model") or [], path, heads)
        job = _Job(
            heads=heads,
            settings=settings,
            file_patterns=_file_patterns(input_dict["examples"]),
            path=path,
            linear_heads=linear_heads(path, heads),
            output_path=output_path,
        )
        evaluation, in_service = self._evaluate(job, in_service)
        verdict = _judge(evaluation, in_service, settings)
        _write(verdict, blessing, model)
        for head in verdict.heads:
            LOGGER.info(describe(head))

    def _evaluate(
        self, job: _Job, in_service: InService | None
    ) -> tuple[Evaluation, InService | None]:
        """Evaluates beside the deployed model, or without it where that fails."""
        if in_service and in_service.heads:
            try:
                return self._run(job, in_service), in_service
            except Exception as fault:  # whatever the older model does, it must not block this one
                reason = f"the evaluation beside the deployed model raised {type(fault).__name__}"
                LOGGER.warning("%s; it is repeated without that model", reason)
                in_service = in_service.left_out(reason)
                io_utils.delete_dir(job.output_path)
        return self._run(job, None), in_service

    def _run(self, job: _Job, in_service: InService | None) -> Evaluation:
        compared = {name: in_service.masks[name] for name in in_service.heads} if in_service else {}
        model_paths = {CANDIDATE: job.path}
        if in_service:
            model_paths[BASELINE] = in_service.path
        if job.linear_heads:
            model_paths[LINEAR] = job.path
        config = make_eval_config(
            job.heads, job.settings, compared, declared_heads(job.path), job.linear_heads
        )
        with answers_kept(), self._make_beam_pipeline() as pipeline:
            evaluate(pipeline, job.file_patterns, config, model_paths, job.output_path)
        return read_evaluation(job.output_path, job.heads, model_paths.keys() - {CANDIDATE})


def _require_every_head(path: str, heads: Heads) -> None:
    missing = unanswered_heads(path, heads)
    if missing:
        faults = "; ".join(f"{name}: {reason}" for name, reason in missing.items())
        raise UnfitModelError(f"the trained model must answer every declared head; {faults}")


def _in_service(
    artifacts: list[types.Artifact], candidate_path: str, heads: Heads
) -> InService | None:
    if not artifacts or is_empty(artifacts[0]):
        return None
    artifact = artifact_utils.get_single_instance(artifacts)
    in_service = compare_with(
        artifact.uri, artifact.id, serving_path(artifact), candidate_path, heads
    )
    for name, note in in_service.notes.items():
        LOGGER.info("%s: %s", name, note)
    return in_service


def _file_patterns(examples: list[types.Artifact]) -> list[str]:
    for artifact in examples:
        splits = artifact_utils.decode_split_names(artifact.split_names)
        if SPLIT not in splits:
            raise ValueError(
                f"judging reads the split {SPLIT} alone; the examples at {artifact.uri} have "
                f"{', '.join(splits) or 'none'}"
            )
    uris = artifact_utils.get_split_uris(examples, SPLIT)
    return [io_utils.all_files_pattern(uri) for uri in uris]


def _judge(
    evaluation: Evaluation, in_service: InService | None, settings: JudgingSettings
) -> Verdict:
    notes = in_service.notes if in_service else {}
    heads = [
        judge_head(
            result,
            evaluation.comparisons.get(name, Comparison()).with_note(notes.get(name, "")),
            settings,
            evaluation.linear.get(name),
        )
        for name, result in evaluation.results.items()
    ]
    falling_short = [head.name for head in heads if not head.blessed]
    return Verdict(
        blessed=not falling_short,
        falling_short=falling_short,
        split=SPLIT,
        authors=evaluation.authors,
        confidence=settings.confidence,
        settings=settings,
        baseline=in_service.record if in_service else None,
        heads=heads,
        slices=evaluation.slices,
    )


def _write(verdict: Verdict, blessing: types.Artifact, model: types.Artifact) -> None:
    """Fills the blessing as the stock Evaluator does, and adds the verdict."""
    blessing.set_string_custom_property(
        constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY, model.uri
    )
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY, model.id)
    if verdict.baseline:
        blessing.set_string_custom_property(
            constants.ARTIFACT_PROPERTY_BASELINE_MODEL_URI_KEY, verdict.baseline.uri
        )
        blessing.set_int_custom_property(
            constants.ARTIFACT_PROPERTY_BASELINE_MODEL_ID_KEY, verdict.baseline.artifact_id
        )
    io_utils.write_string_file(
        os.path.join(blessing.uri, VERDICT_FILE), verdict.model_dump_json(indent=2)
    )
    name, value = (
        (constants.BLESSED_FILE_NAME, constants.BLESSED_VALUE)
        if verdict.blessed
        else (constants.NOT_BLESSED_FILE_NAME, constants.NOT_BLESSED_VALUE)
    )
    io_utils.write_string_file(os.path.join(blessing.uri, name), "")
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, value)


class HeadEvaluatorSpec(types.ComponentSpec):
    """Inputs, outputs and properties of `HeadEvaluator`."""

    PARAMETERS = {
        "heads": ExecutionParameter(type=str),  # JSON of `heads_to_json`
        "settings": ExecutionParameter(type=str),  # `JudgingSettings` as JSON
    }
    INPUTS = {
        "examples": ChannelParameter(type=standard_artifacts.Examples),  # raw
        "model": ChannelParameter(type=standard_artifacts.Model),
        # That in service; the channel may be empty.
        "baseline_model": ChannelParameter(type=standard_artifacts.Model, optional=True),
    }
    OUTPUTS = {
        "evaluation": ChannelParameter(type=standard_artifacts.ModelEvaluation),
        "blessing": ChannelParameter(type=standard_artifacts.ModelBlessing),
    }
    TYPE_ANNOTATION = system_executions.Evaluate


class HeadEvaluator(WiredComponent, base_beam_component.BaseBeamComponent):
    """Judges a model on the split `test`; outputs `evaluation` and `blessing`."""

    SPEC_CLASS = HeadEvaluatorSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

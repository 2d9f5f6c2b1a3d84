"""The TFMA evaluation: what it is told and how it is run.

Enters: the heads, the settings, the candidate and beside it the deployed model and the linear
baseline, which is the candidate's own SavedModel under another signature; the `test` split. Leaves:
TFMA's result files, which `results` reads.

Labels and masks come from each model's own `transform_features`, so that a model whose income
groups were cut at other amounts is asked about its own groups. Slices come from the candidate's.
"""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import tfx  # noqa: F401  TFMA imports half of itself only, unless tfx came first

# isort: split
import apache_beam as beam
import tensorflow_model_analysis as tfma
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_model_analysis import constants
from tensorflow_model_analysis.proto import config_pb2
from tfx_bsl.public import tfxio

from components.heads.base import Head
from components.heads.declared import Heads, heads_to_json
from components.heads.names import internal_name
from components.judging.metrics import AUTHOR_ID, BASELINE, CANDIDATE, LINEAR, AuthorScores
from components.judging.settings import JudgingSettings
from components.judging.signatures import (
    LABEL_SIGNATURE,
    LINEAR_SIGNATURE,
    PREDICTION_SIGNATURE,
    GuardedModel,
)

# A batch is padded to its longest author: many authors in one would take gigabytes.
AUTHORS_A_BATCH = 64


def make_eval_config(
    heads: Heads,
    settings: JudgingSettings,
    baseline_masks: Mapping[str, str] = MappingProxyType({}),
    entries: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
    linear_heads: Collection[str] = (),
) -> config_pb2.EvalConfig:
    """What TFMA computes.

    Args:
        heads: the declared heads, all answered by the candidate.
        settings: the level of the intervals is read.
        baseline_masks: of the heads that the deployed model answers too, what that model calls the
            mask of the labels; empty where there is no such model.
        entries: of the candidate's `assets/heads.json` by head; all models are judged by them.
        linear_heads: names of those that the candidate's linear baseline answers.
    """
    masks = {head.name: head.known_name for head in heads}
    models = [_model_spec(CANDIDATE, masks)]
    if baseline_masks:
        models.append(_model_spec(BASELINE, baseline_masks))
    if linear_heads:
        models.append(_model_spec(LINEAR, {name: masks[name] for name in linear_heads}))
    answered = {spec.name: set(spec.label_keys) for spec in models}
    return config_pb2.EvalConfig(
        model_specs=models,
        metrics_specs=[
            config_pb2.MetricsSpec(metrics=[config_pb2.MetricConfig(class_name="ExampleCount")]),
            *(
                _metrics_spec(head, entries.get(head.name, {}), settings, answered)
                for head in heads
            ),
        ],
        slicing_specs=[
            config_pb2.SlicingSpec(),
            *(
                config_pb2.SlicingSpec(feature_keys=[head.slice_name])
                for head in heads
                if head.sliced
            ),
        ],
        options=config_pb2.Options(include_default_metrics={"value": False}),
    )


def _model_spec(name: str, masks: Mapping[str, str]) -> config_pb2.ModelSpec:
    return config_pb2.ModelSpec(
        name=name,
        is_baseline=name == BASELINE,
        model_type=tfma.TF_GENERIC,
        signature_name=LINEAR_SIGNATURE if name == LINEAR else PREDICTION_SIGNATURE,
        preprocessing_function_names=[LABEL_SIGNATURE],
        label_keys={head: head for head in masks},
        example_weight_keys=dict(masks),
    )


def _metrics_spec(
    head: Head,
    entry: Mapping[str, Any],
    settings: JudgingSettings,
    answered: Mapping[str, Collection[str]],
) -> config_pb2.MetricsSpec:
    config = {
        "head": heads_to_json((head,)),
        "entry": json.dumps(entry),
        "confidence": settings.confidence,
    }
    return config_pb2.MetricsSpec(
        metrics=[
            config_pb2.MetricConfig(
                class_name=AuthorScores.__name__,
                module=AuthorScores.__module__,
                config=json.dumps(config),
            )
        ],
        model_names=[model for model, names in answered.items() if head.name in names],
        output_names=[head.name],
        example_weights=config_pb2.ExampleWeightOptions(weighted=True),
    )


def evaluate(
    pipeline: beam.Pipeline,
    file_patterns: Sequence[str],
    config: config_pb2.EvalConfig,
    model_paths: Mapping[str, str],
    output_path: str,
) -> None:
    """Adds the evaluation to a Beam pipeline; TFMA's files are in `output_path` once it has run.

    The files are TFRecords of raw examples; the models have the names of the config.
    """
    # The linear baseline is in the candidate's own files, which are loaded once.
    loaders = {path: _loader(path) for path in model_paths.values()}
    models = [
        tfma.default_eval_shared_model(
            path, model_name=name, eval_config=config, custom_model_loader=loaders[path]
        )
        for name, path in model_paths.items()
    ]
    authors = tfxio.TFExampleRecord(
        file_pattern=list(file_patterns),
        schema=schema_pb2.Schema(
            feature=[schema_pb2.Feature(name=AUTHOR_ID, type=schema_pb2.FeatureType.BYTES)]
        ),
        raw_record_column_name=tfma.ARROW_INPUT_COLUMN,
        telemetry_descriptors=["HeadEvaluator"],
    )
    _ = (
        pipeline
        | "ReadAuthors" >> authors.BeamSource(AUTHORS_A_BATCH)
        | "Evaluate"
        >> tfma.ExtractEvaluateAndWriteResults(
            eval_config=config,
            eval_shared_model=models,
            extractors=_extractors(config, models),
            output_path=output_path,
        )
    )


def _loader(path: str) -> tfma.ModelLoader:
    return tfma.ModelLoader(functools.partial(GuardedModel, path))


def _extractors(
    config: config_pb2.EvalConfig, models: list[Any]
) -> list[tfma.extractors.Extractor]:
    """TFMA's own, with two put between them.

    Each output keeps its name, were it a model's only one. Slices of all but the candidate are
    taken out: an author is in one slice of a feature.
    """
    extractors: list[Any] = tfma.default_extractors(eval_config=config, eval_shared_model=models)
    outputs = {
        spec.name if len(config.model_specs) > 1 else "": sorted(spec.label_keys)
        for spec in config.model_specs
    }
    for before, name, function in (
        ("ExtractSliceKeys", "KeepCandidateSlices", _with_candidate_slices),
        ("KeepCandidateSlices", "NameOnlyOutputs", functools.partial(_with_names, outputs)),
    ):
        stages = [extractor.stage_name for extractor in extractors]
        own = tfma.extractors.Extractor(stage_name=name, ptransform=beam.Map(function))
        extractors.insert(stages.index(before), own)
    return extractors


def _with_names(outputs: Mapping[str, Sequence[str]], extracts: dict[str, Any]) -> dict[str, Any]:
    """Puts a model's only output back into the dictionary that TFMA has taken it out of.

    Metrics ask for an output by name (`tensorflow_model_analysis/utils/model_util.py`,
    `prefer_dict_outputs`).

    Args:
        outputs: by model the outputs that are judged; the only model has no name.
        extracts: of one author or of a batch.
    """
    answers = extracts[constants.PREDICTIONS_KEY]
    by_model = {"": answers} if "" in outputs else answers
    named = {
        model: answer if isinstance(answer, Mapping) else {outputs[model][0]: answer}
        for model, answer in by_model.items()
    }
    extracts = copy.copy(extracts)
    extracts[constants.PREDICTIONS_KEY] = named.get("", named)
    return extracts


def _with_candidate_slices(extracts: dict[str, Any]) -> dict[str, Any]:
    features = dict(extracts[constants.TRANSFORMED_FEATURES_KEY])
    end = internal_name("", "slice")
    # With one model alone the features are not by model.
    for model in {BASELINE, LINEAR} & features.keys():
        kept = features[model].items()
        features[model] = {name: value for name, value in kept if not name.endswith(end)}
    extracts = copy.copy(extracts)
    extracts[constants.TRANSFORMED_FEATURES_KEY] = features
    return extracts

"""The ExampleGen of the pipeline: files of posts and labels in, Examples and their audit out.

Enters: patterns, heads and settings as execution properties. Leaves: artifact `examples` with the
splits train, eval and test (see `examples`), and artifact `audit` (see `audit`). A subclass of
FileBasedExampleGen, so that every TFX runner gives it a driver.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

import tensorflow as tf
from tfx.components.example_gen import utils
from tfx.components.example_gen.component import FileBasedExampleGen
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_beam_executor, executor_spec
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils, standard_component_specs
from tfx.types.component_spec import ChannelParameter, ExecutionParameter
from tfx.utils import proto_utils

from components.beam_graphs import answers_kept
from components.disk_shuffle import disk_for
from components.heads.declared import Heads, heads_from_json
from components.ingest.audit import JoinAudit
from components.ingest.audit_sources import load_summary, log_summary
from components.ingest.checks import JoinError, check_join, list_notes
from components.ingest.examples import WriteExamples
from components.ingest.join import IngestSources
from components.ingest.records import SPLITS
from components.ingest.settings import IngestSettings
from components.ingest.sources import KINDS, SourceFile, count_shards, find_sources, plain_bytes
from components.ingest.spans import (
    WINDOW,
    PostsDriver,
    Selection,
    find_selected,
    make_input_config,
    parse_patterns,
    patterns_of,
    read_window,
    select_span,
)
from components.retraining.plan import PLAN, given_plan
from components.wiring import Artifacts, WiredComponent

SPAN, FINGERPRINT = utils.SPAN_PROPERTY_NAME, utils.FINGERPRINT_PROPERTY_NAME
SPANS = "spans"
"""Property of the examples: the spans they were made of, as a JSON list."""
_log = logging.getLogger("authorprofile.ingest")


class Executor(base_beam_executor.BaseBeamExecutor):
    """Reads, joins, writes Examples and audit, then checks the audit."""

    def Do(
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        """Runs one execution.

        A failed execution's outputs are removed by TFX; the audit is kept beside the artifact's
        folder, as `<folder>-failed`.

        Raises:
            SourceError: a pattern names no file, or a file that cannot be a source.
            JoinError: the join may not be trained on; names where the audit is kept.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        examples = artifact_utils.get_single_instance(output_dict["examples"])
        audit = artifact_utils.get_single_instance(output_dict["audit"])
        heads = heads_from_json(exec_properties["heads"])
        settings = planned_settings(exec_properties)
        selection = select_input(exec_properties)
        if selection:
            spans, sources = find_selected(selection, settings.window)
            span = selection.span
            examples.set_string_custom_property(FINGERPRINT, selection.fingerprint)
        else:
            spans, sources = _find_sources(exec_properties)
            span = examples.get_int_custom_property(SPAN)
        examples.split_names = artifact_utils.encode_split_names(list(SPLITS))
        # The driver leaves it as a custom property; StatisticsGen hands on the property proper.
        examples.span = span
        examples.set_string_custom_property(SPANS, json.dumps(spans or [span]))
        examples_utils.set_payload_format(examples, example_gen_pb2.FORMAT_TF_EXAMPLE)
        examples_utils.set_file_format(examples, "tfrecords_gzip")
        with answers_kept():
            pipeline = self._make_beam_pipeline()
            with disk_for(pipeline, audit.uri, plain_bytes(sources)) as disk, pipeline:
                authors = pipeline | IngestSources(sources, heads, settings, audit.uri, disk)
                for split in SPLITS:
                    _ = authors[split] | f"Write {split}" >> WriteExamples(
                        artifact_utils.get_split_uri([examples], split),
                        count_shards(sources, getattr(settings.splits, split)),
                        heads,
                        disk,
                    )
        _check_audit(audit.uri, heads, settings)


class PostsExampleGenSpec(standard_component_specs.FileBasedExampleGenSpec):
    """TFX's file-based ExampleGen, with heads, settings and the audit."""

    PARAMETERS: ClassVar[dict[str, Any]] = {
        **standard_component_specs.FileBasedExampleGenSpec.PARAMETERS,
        "heads": ExecutionParameter(type=str),
        "ingest": ExecutionParameter(type=str),
        "posts": ExecutionParameter(type=str, optional=True),
        "labels": ExecutionParameter(type=str, optional=True),
        SPAN: ExecutionParameter(type=int, optional=True),
        PLAN: ExecutionParameter(type=str, optional=True),
    }
    OUTPUTS: ClassVar[dict[str, Any]] = {
        **standard_component_specs.FileBasedExampleGenSpec.OUTPUTS,
        "audit": ChannelParameter(type=JoinAudit),
    }


class PostsExampleGen(WiredComponent, FileBasedExampleGen):
    """Joins posts and labels by author into examples in three splits.

    Outputs: `examples` (Examples: train, eval, test) and `audit` (JoinAudit).
    """

    SPEC_CLASS = PostsExampleGenSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)
    DRIVER_CLASS = PostsDriver

    def __init__(
        self,
        posts: Sequence[str],
        labels: Sequence[str],
        heads: str,
        ingest: str,
        submitted: Mapping[str, Any] = MappingProxyType({}),
        plan: Any = None,
    ) -> None:
        """Builds the component.

        Args:
            posts: paths or globs of posts; `{SPAN}` and `{VERSION}` stand for the newest.
            labels: paths or globs of label records; may have the same placeholders, or none.
            heads: the heads as JSON, from `heads_to_json`.
            ingest: the `IngestSettings` as JSON.
            submitted: runtime parameters `posts`, `labels` (`format_patterns`) and `span` (-1: the
                newest), which a submission may give in place of the above; see `select_input`.
            plan: of `RetrainingPlanner`, which spans are read; None: there is none.

        Raises:
            SourceError: posts and labels lie on different storages.
        """
        input_base, input_config = make_input_config(posts, labels)
        super().__init__(
            input_base=input_base,
            input_config=input_config,
            output_config=example_gen_pb2.Output(),
            output_data_format=example_gen_pb2.FORMAT_TF_EXAMPLE,
            output_file_format=example_gen_pb2.FORMAT_TFRECORDS_GZIP,
            heads=heads,
            ingest=ingest,
            plan=plan,
            **submitted,
        )


def select_input(exec_properties: Mapping[str, Any]) -> Selection | None:
    """What a submission names to be read; None where none did, and TFX's driver has decided.

    A platform's driver that ran before (`platform_driver`) has filled the placeholders, and left
    the fingerprint beside them; where a platform has no drivers they are filled here.

    Raises:
        SourceError: the patterns have no files, or not the wanted span.
    """
    if not exec_properties.get("posts"):
        return None
    posts, labels = (parse_patterns(exec_properties[kind]) for kind in KINDS)
    span = int(exec_properties[SPAN])
    if FINGERPRINT in exec_properties:
        return Selection(posts, labels, span, str(exec_properties[FINGERPRINT]))
    window = planned_settings(exec_properties).window
    # A plan has settled the newest span, be it a submission's.
    is_open = span < 0 or given_plan(exec_properties).until is not None
    return select_span(posts, labels, None if is_open else span, window)


def planned_settings(exec_properties: Mapping[str, Any]) -> IngestSettings:
    """The join's settings, with the spans of a plan where there is one."""
    settings = IngestSettings.model_validate_json(exec_properties["ingest"])
    return given_plan(exec_properties).apply(settings)


def _find_sources(exec_properties: dict[str, Any]) -> tuple[list[int], tuple[SourceFile, ...]]:
    """The spans of a window, none where one span is read, and the files."""
    if exec_properties.get(WINDOW):
        return read_window(exec_properties[WINDOW])
    config = example_gen_pb2.Input()
    proto_utils.json_to_proto(exec_properties["input_config"], config)
    return [], find_sources(*patterns_of(exec_properties["input_base"], config.splits))


def _check_audit(audit_folder: str, heads: Heads, settings: IngestSettings) -> None:
    summary = load_summary(audit_folder)
    log_summary(summary)
    try:
        check_join(summary, heads, settings)
    except JoinError as error:
        kept = _keep_audit(audit_folder)
        raise JoinError(f"{error}\nThe audit of this join is kept in {kept}") from None
    for note in list_notes(summary, heads):
        _log.warning(note)


def _keep_audit(audit_folder: str) -> str:
    kept = f"{audit_folder.rstrip('/')}-failed"
    tf.io.gfile.makedirs(kept)
    for name in tf.io.gfile.listdir(audit_folder):
        tf.io.gfile.copy(f"{audit_folder}/{name}", f"{kept}/{name}", overwrite=True)
    return kept

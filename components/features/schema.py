"""The schema of the raw examples, which follows from the declared heads alone.

Enters: heads, bounds of drift. Leaves: a `Schema` artifact holding `schema.pbtxt`, readable text.
The statistics and their validation, the transform graph and the served model's parsing all follow
from it.
"""

import logging
import math
import os

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx import v1 as tfx

from components.features.settings import ValidationSettings
from components.heads.base import Head
from components.heads.declared import Heads, heads_from_json

FILE_NAME = "schema.pbtxt"

LOGGER = logging.getLogger("authorprofile.schema")


def build_schema(heads: Heads, validation: ValidationSettings) -> schema_pb2.Schema:
    """The schema of raw examples: id, posts and, where known, one label a head."""
    schema = schema_pb2.Schema()
    for name, most in (("author_id", 1), ("posts", None)):
        feature = schema.feature.add(name=name, type=schema_pb2.BYTES)
        feature.presence.min_fraction = 1.0
        feature.value_count.min = 1
        if most:
            feature.value_count.max = most
    for head in heads:
        feature = schema.feature.add(name=head.name)
        feature.presence.min_count = 1
        feature.value_count.min = feature.value_count.max = 1
        drift = feature.drift_comparator
        if head.stored_as == "text":
            feature.type = schema_pb2.BYTES
            # An empty list of values would allow none.
            if head.label_values:
                feature.string_domain.value.extend(head.label_values)
            drift.infinity_norm.threshold = validation.maximum_label_drift
        else:
            _declare_numbers(feature, head)
            drift.jensen_shannon_divergence.threshold = validation.maximum_label_drift
    return schema


def _declare_numbers(feature: schema_pb2.Feature, head: Head) -> None:
    is_whole = head.stored_as == "whole number"
    feature.type = schema_pb2.INT if is_whole else schema_pb2.FLOAT
    domain = feature.int_domain if is_whole else feature.float_domain
    low, high = head.bounds or (-math.inf, math.inf)
    if math.isfinite(low):
        domain.min = int(low) if is_whole else low
    if math.isfinite(high):
        domain.max = int(high) if is_whole else high


def read_schema(uri: str) -> schema_pb2.Schema:
    """The schema of a `Schema` artifact."""
    with tfx.dsl.io.fileio.open(os.path.join(uri, FILE_NAME)) as file:
        return text_format.Parse(file.read(), schema_pb2.Schema())


@tfx.dsl.components.component
def HeadsSchema(  # noqa: N802 - a component is named as a class
    heads: tfx.dsl.components.Parameter[str],
    validation: tfx.dsl.components.Parameter[str],
    schema: tfx.dsl.components.OutputArtifact[tfx.types.standard_artifacts.Schema],
) -> None:
    """Writes the schema of the declared heads.

    Args:
        heads: JSON of `heads_to_json`.
        validation: JSON of `ValidationSettings`.
        schema: where it is written.
    """
    declared = heads_from_json(heads)
    text = text_format.MessageToString(
        build_schema(declared, ValidationSettings.model_validate_json(validation))
    )
    with tfx.dsl.io.fileio.open(os.path.join(schema.uri, FILE_NAME), "w") as file:
        file.write(text)
    LOGGER.info("follows from the heads %s", ", ".join(head.name for head in declared))

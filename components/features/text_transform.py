"""The Transform component, which also says what vocabulary it has counted.

Enters: raw examples, schema, the hook `transform.preprocessing_fn`. Leaves: what TFX's own
Transform leaves, and one log line for the console.
"""

from __future__ import annotations

import json
import logging
from typing import Any

import tensorflow_transform as tft
from tfx.components.transform import component as stock_component
from tfx.components.transform import executor as stock_executor
from tfx.dsl.components.base import executor_spec
from tfx.types import artifact_utils, standard_component_specs

from components.beam_graphs import answers_kept
from components.features.settings import TextSettings
from components.features.transform import RESERVED_IDS, VOCABULARY
from components.wiring import Artifacts

LOGGER = logging.getLogger("authorprofile.transform")


class TextTransformExecutor(stock_executor.Executor):
    """Transforms as TFX's executor does, then says how large the vocabulary is."""

    def Do(
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        config = json.loads(exec_properties[standard_component_specs.CUSTOM_CONFIG_KEY])
        text = TextSettings.model_validate_json(config["text"])
        with answers_kept():
            super().Do(input_dict, output_dict, exec_properties)
        graph = artifact_utils.get_single_uri(
            output_dict[standard_component_specs.TRANSFORM_GRAPH_KEY]
        )
        tokens = tft.TFTransformOutput(graph).vocabulary_size_by_name(VOCABULARY)
        ids, most = f"{tokens + RESERVED_IDS:,}", f"{text.vocabulary_size:,}"
        LOGGER.info("vocabulary of %s ids, at most %s", ids, most)


class TextTransform(stock_component.Transform):
    """TFX's Transform with the executor of this module."""

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(TextTransformExecutor)

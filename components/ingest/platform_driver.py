"""What Vertex AI runs before the ExampleGen: which files are new, before the cache is asked.

Enters: the command line of TFX's own driver for Vertex AI (`ExecutorInput` as JSON, the inputs'
specification). Leaves: an `ExecutorOutput` file with `posts`, `labels` and `span` filled in and the
files' fingerprint, by which the platform finds an unchanged step in its cache. TFX's driver wants
all patterns to move together (see `spans`), and knows no patterns that are given at submission.
Called by Vertex AI as `python -m components.ingest.platform_driver`. Kubeflow runs no drivers.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2
from tfx.dsl.io import fileio
from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_entrypoint_utils

from components.ingest.example_gen import FINGERPRINT, SPAN, select_input
from components.ingest.spans import format_patterns


def main(arguments: Sequence[str] | None = None) -> None:
    """Writes what was found to the file that the `ExecutorInput` names.

    Raises:
        SourceError: the patterns have no files, or not the wanted span.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--json_serialized_invocation_args", required=True)
    parser.add_argument("--json_serialized_inputs_spec_args", required=True)
    # Beam's arguments follow.
    given, _ = parser.parse_known_args(arguments)
    invocation, specification = (
        json_format.Parse(text, message, ignore_unknown_fields=True)
        for text, message in (
            (given.json_serialized_invocation_args, pipeline_spec_pb2.ExecutorInput()),
            (given.json_serialized_inputs_spec_args, pipeline_spec_pb2.ComponentInputsSpec()),
        )
    )
    properties = kubeflow_v2_entrypoint_utils.parse_execution_properties(
        invocation.inputs.parameter_values, invocation.inputs.parameters, specification
    )
    selection = select_input(properties)
    if selection is None:
        raise ValueError("the step must be given the parameters posts, labels and span")
    output = pipeline_spec_pb2.ExecutorOutput()
    values = output.parameter_values
    values["posts"].string_value = format_patterns(selection.posts)
    values["labels"].string_value = format_patterns(selection.labels)
    values[SPAN].number_value = selection.span
    values[FINGERPRINT].string_value = selection.fingerprint
    fileio.makedirs(os.path.dirname(invocation.outputs.output_file))
    with fileio.open(invocation.outputs.output_file, "w") as file:
        file.write(json_format.MessageToJson(output, sort_keys=True))


if __name__ == "__main__":
    main()

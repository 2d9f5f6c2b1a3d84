"""Beam's runner for this machine, and it alone.

`DirectRunner` of Beam 2.77 first asks the network for another runner, Prism, whatever mode is
named, and takes `FnApiRunner` where that cannot be had: the same pipeline would run on one engine
here and on another there, and wait where a network swallows what is asked of it. `LocalRunner` is
the second at once. Named in the arguments of `pipeline.beam` and wherever a pipeline of this
machine is built.
"""

from __future__ import annotations

from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability.api import beam_provision_api_pb2
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.runners.portability.fn_api_runner.fn_runner import ExtendedProvisionInfo
from apache_beam.runners.portability.portable_runner import JobServiceHandle


class LocalRunner(FnApiRunner):
    """`FnApiRunner` that tells its workers the pipeline's options, as `DirectRunner` has it do."""

    def run_pipeline(self, pipeline: Any, options: PipelineOptions) -> Any:
        """Runs the pipeline; see the base class."""
        told = JobServiceHandle.encode_pipeline_options(options.get_all_options())
        self._provision_info = ExtendedProvisionInfo(
            beam_provision_api_pb2.ProvisionInfo(pipeline_options=told)
        )
        return super().run_pipeline(pipeline, options)

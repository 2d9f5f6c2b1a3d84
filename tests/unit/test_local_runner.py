"""The runner of this machine: Beam's, and no other asked for first."""

from __future__ import annotations

import logging

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability import prism_runner

from components.ingest.audit_sources import LOCAL_BEAM_ARGUMENTS
from components.local_runner import LocalRunner
from pipeline.beam import BeamSettings, beam_arguments


@pytest.mark.parametrize("arguments", [LOCAL_BEAM_ARGUMENTS, beam_arguments(BeamSettings())])
def test_no_other_runner_is_looked_for(tmp_path, monkeypatch, caplog, arguments):
    def asked(*_given, **_named):
        raise AssertionError("another runner was asked for")

    monkeypatch.setattr(prism_runner.PrismRunner, "run_pipeline", asked)
    with (
        caplog.at_level(logging.INFO),
        beam.Pipeline(options=PipelineOptions(list(arguments))) as pipeline,
    ):
        assert isinstance(pipeline.runner, LocalRunner)
        counted = pipeline | beam.Create([1, 2, 3]) | beam.CombineGlobally(sum)
        _ = counted | beam.io.WriteToText(str(tmp_path / "sum"), shard_name_template="")
    assert (tmp_path / "sum").read_text() == "6\n"
    assert "Prism" not in caplog.text


def test_beams_own_would_look_for_another(tmp_path, monkeypatch, caplog):
    """Where this fails, Beam has changed, and `LocalRunner` may go."""

    def asked(*_given, **_named):
        raise OSError("no network")

    monkeypatch.setattr(prism_runner.PrismRunner, "run_pipeline", asked)
    options = PipelineOptions(["--runner=DirectRunner", "--direct_running_mode=in_memory"])
    with caplog.at_level(logging.INFO), beam.Pipeline(options=options) as pipeline:
        _ = pipeline | beam.Create([1]) | beam.io.WriteToText(str(tmp_path / "one"))
    assert "Exception with PrismRunner:\n no network" in caplog.text

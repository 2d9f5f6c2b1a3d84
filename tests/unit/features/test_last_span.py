"""Which span drift is measured against, in a metadata store that holds several runs."""

import logging
import os
import re

import pandas as pd
import pytest
import tensorflow_data_validation as tfdv
from tfx import v1 as tfx
from tfx.types import standard_artifacts

from components.features.schema import HeadsSchema
from components.features.settings import ValidationSettings
from components.features.validation import ExamplesValidator, LastSpanStrategy
from components.heads.declared import heads_to_json, parse_heads

HEADS = heads_to_json(parse_heads({"age": {"kind": "regression"}}))
YOUNG, OLD = "20,22,24,26,28,30", "70,72,74,76,78,80"


@tfx.dsl.components.component
def Statistics(  # noqa: N802 - a component is named as a class
    span: tfx.dsl.components.Parameter[int],
    ages: tfx.dsl.components.Parameter[str],
    statistics: tfx.dsl.components.OutputArtifact[standard_artifacts.ExampleStatistics],
) -> None:
    """Statistics of one span, as StatisticsGen leaves them."""
    statistics.span = span
    statistics.split_names = '["train"]'
    frame = pd.DataFrame({"age": [float(age) for age in ages.split(",")] * 20})
    os.makedirs(os.path.join(statistics.uri, "Split-train"))
    path = os.path.join(statistics.uri, "Split-train", "FeatureStats.pb")
    with open(path, "wb") as file:
        file.write(tfdv.generate_statistics_from_dataframe(frame).SerializeToString())


@pytest.fixture
def run_span(tmp_path, caplog):
    """Runs the validation of one span; says what span drift was measured against, or None."""
    connection = tfx.orchestration.metadata.sqlite_metadata_connection_config(
        str(tmp_path / "metadata.sqlite")
    )

    def run(span, ages, bound=0.3):
        statistics = Statistics(span=span, ages=ages)
        schema = HeadsSchema(
            heads=HEADS,
            validation=ValidationSettings(maximum_label_drift=bound).model_dump_json(),
        )
        last_span = tfx.dsl.Resolver(
            strategy_class=LastSpanStrategy,
            statistics=statistics.outputs["statistics"],
            previous_statistics=tfx.dsl.Channel(type=standard_artifacts.ExampleStatistics),
        ).with_id("LastSpan")
        validator = ExamplesValidator(
            statistics=statistics.outputs["statistics"],
            schema=schema.outputs["schema"],
            heads=HEADS,
            previous_statistics=last_span.outputs["previous_statistics"],
        )
        caplog.clear()
        with caplog.at_level(logging.INFO, "authorprofile.validation"):
            tfx.orchestration.LocalDagRunner().run(
                tfx.dsl.Pipeline(
                    pipeline_name="spans",
                    pipeline_root=str(tmp_path / "artifacts"),
                    components=[statistics, schema, last_span, validator],
                    metadata_connection_config=connection,
                )
            )
        said = re.search(
            r"1 head sound in train(?:, drift measured against span (\d+))?", caplog.text
        )
        return int(said[1]) if said[1] else None

    return run


def test_drift_is_measured_against_the_latest_span_before_this_one(run_span):
    assert run_span(1, YOUNG) is None
    assert run_span(2, YOUNG) == 1
    assert run_span(4, YOUNG) == 2
    # An earlier span, run again after later ones: what comes after it is no measure.
    assert run_span(3, YOUNG) == 2
    # The same span with other records is measured against the span before it, not itself.
    assert run_span(4, ",".join(reversed(YOUNG.split(",")))) == 3


def test_a_span_that_was_stopped_is_no_measure_for_the_next(run_span):
    assert run_span(1, YOUNG) is None
    for span in (2, 3):
        with pytest.raises(Exception, match=r"train: age: .*drift.* 0\.3"):
            run_span(span, OLD)
    assert run_span(4, YOUNG) == 1
    # Accepted on purpose, it is the measure from then on.
    assert run_span(5, OLD, bound=1.0) == 4
    assert run_span(6, OLD) == 5

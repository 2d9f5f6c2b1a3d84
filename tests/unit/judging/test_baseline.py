"""Which model a candidate is judged against, in a metadata store that holds several runs."""

from pathlib import Path
from typing import Any

import pytest
from tfx import types
from tfx import v1 as tfx
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.types import artifact_utils, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.digests import CONTENT_PROPERTY, content_digest
from components.judging.baseline import ModelBeforeStrategy
from pipeline.lineage import read_last_run


@tfx.dsl.components.component
def Train(  # noqa: N802 - a component is named as a class
    settings: tfx.dsl.components.Parameter[str],
    model: tfx.dsl.components.OutputArtifact[standard_artifacts.Model],
) -> None:
    """A model that is called as its settings are."""
    model.set_string_custom_property("called", settings)
    Path(model.uri, "weights").write_text(settings)
    model.set_string_custom_property(CONTENT_PROPERTY, content_digest(model.uri))


class JudgeExecutor(base_executor.BaseExecutor):
    """Blesses as it is told, and keeps which model it judged against."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        blessing = artifact_utils.get_single_instance(output_dict["blessing"])
        model = artifact_utils.get_single_instance(input_dict["model"])
        blessing.set_int_custom_property("blessed", exec_properties["blessed"])
        blessing.set_int_custom_property("current_model_id", model.id)
        for baseline in input_dict.get("baseline_model", []):
            blessing.set_string_custom_property(
                "against", baseline.get_string_custom_property("called")
            )


class JudgeSpec(ComponentSpec):
    PARAMETERS = {"blessed": ExecutionParameter(type=int)}
    INPUTS = {
        "model": ChannelParameter(type=standard_artifacts.Model),
        "baseline_model": ChannelParameter(type=standard_artifacts.Model, optional=True),
    }
    OUTPUTS = {"blessing": ChannelParameter(type=standard_artifacts.ModelBlessing)}


class Judge(base_component.BaseComponent):
    """Stands for the Evaluator: the same channels."""

    SPEC_CLASS = JudgeSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(JudgeExecutor)


@pytest.fixture
def judge(tmp_path):
    """Runs training and judging; says against which model, and whether it was in the cache."""
    connection = tfx.orchestration.metadata.sqlite_metadata_connection_config(
        str(tmp_path / "metadata.sqlite")
    )

    def run(settings: str, blessed: bool) -> tuple[str, bool]:
        trainer = Train(settings=settings)
        in_service = tfx.dsl.Resolver(
            strategy_class=ModelBeforeStrategy,
            candidate=trainer.outputs["model"],
            model=tfx.dsl.Channel(type=standard_artifacts.Model),
            model_blessing=tfx.dsl.Channel(type=standard_artifacts.ModelBlessing),
        ).with_id("ModelInService")
        judge = Judge(
            JudgeSpec(
                model=trainer.outputs["model"],
                baseline_model=in_service.outputs["model"],
                blessed=int(blessed),
                blessing=types.Channel(type=standard_artifacts.ModelBlessing),
            )
        )
        tfx.orchestration.LocalDagRunner().run(
            tfx.dsl.Pipeline(
                pipeline_name="models",
                pipeline_root=str(tmp_path / "artifacts"),
                components=[trainer, in_service, judge],
                enable_cache=True,
                metadata_connection_config=connection,
            )
        )
        last = read_last_run(connection, "models")
        against = last.artifact("Judge", "blessing").get_string_custom_property("against")
        return against, "Judge" in last.reused

    return run


def test_a_model_is_judged_against_the_one_blessed_last(judge):
    assert judge("first", blessed=True) == ("", False)
    assert judge("second", blessed=True) == ("first", False)
    assert judge("poor", blessed=False) == ("second", False)
    # The poor one is newer, but was never in service.
    assert judge("third", blessed=True) == ("second", False)


def test_an_unchanged_run_is_judged_as_before_and_found_in_the_cache(judge):
    assert judge("first", blessed=True) == ("", False)
    assert judge("first", blessed=True) == ("", True)
    assert judge("second", blessed=True) == ("first", False)
    assert judge("second", blessed=True) == ("first", True)
    assert judge("poor", blessed=False) == ("second", False)
    assert judge("poor", blessed=False) == ("second", True)


def test_an_older_model_found_in_the_cache_is_judged_against_the_newer_one_in_service(judge):
    assert judge("old", blessed=True) == ("", False)
    assert judge("new", blessed=True) == ("old", False)
    # Back to the old settings: its model is in the cache, but "new" is in service now.
    assert judge("old", blessed=True) == ("new", False)
    # And forth: its judgement is in the cache too, and it is in service again.
    assert judge("new", blessed=True) == ("old", True)
    assert judge("latest", blessed=True) == ("new", False)


def test_a_model_that_was_damaged_since_is_judged_against_no_more(judge, tmp_path, caplog):
    for settings in ("first", "second"):
        judge(settings, blessed=True)
    paths = {path.read_text(): path for path in tmp_path.glob("artifacts/Train/model/*/weights")}
    paths["second"].write_text("secund")
    assert judge("third", blessed=True) == ("first", False)
    assert f"since its files are damaged: {paths['second'].parent}" in caplog.text

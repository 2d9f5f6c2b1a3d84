"""Which model the next one is compared with, after a rollback and after a push that never came."""

import pytest
from tfx import types
from tfx import v1 as tfx
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.types import artifact_utils, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.judging.baseline import ModelBeforeStrategy
from components.serving.rollback import roll_back
from components.serving.versions import push_version
from pipeline.config import load_config
from pipeline.lineage import read_last_run
from pipeline.service import follow_service


@tfx.dsl.components.component
def Train(  # noqa: N802 - a component is named as a class
    settings: tfx.dsl.components.Parameter[str],
    model: tfx.dsl.components.OutputArtifact[standard_artifacts.Model],
) -> None:
    """A model that is called as its settings are."""
    model.set_string_custom_property("called", settings)


class JudgeExecutor(base_executor.BaseExecutor):
    """Blesses everything, and keeps which model it judged against."""

    def Do(self, input_dict, output_dict, exec_properties):
        blessing = artifact_utils.get_single_instance(output_dict["blessing"])
        model = artifact_utils.get_single_instance(input_dict["model"])
        blessing.set_int_custom_property("blessed", 1)
        blessing.set_int_custom_property("current_model_id", model.id)
        for baseline in input_dict.get("baseline_model", []):
            called = baseline.get_string_custom_property("called")
            blessing.set_string_custom_property("against", called)


class JudgeSpec(ComponentSpec):
    PARAMETERS = {}
    INPUTS = {
        "model": ChannelParameter(type=standard_artifacts.Model),
        "baseline_model": ChannelParameter(type=standard_artifacts.Model, optional=True),
    }
    OUTPUTS = {"blessing": ChannelParameter(type=standard_artifacts.ModelBlessing)}


class Judge(base_component.BaseComponent):
    """Stands for the Evaluator."""

    SPEC_CLASS = JudgeSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(JudgeExecutor)


class PushExecutor(base_executor.BaseExecutor):
    """Pushes what it is told is there, as the pusher records it."""

    def Do(self, input_dict, output_dict, exec_properties):
        pushed = artifact_utils.get_single_instance(output_dict["pushed_model"])
        version = exec_properties["version"]
        pushed.set_int_custom_property("pushed", int(version > 0))
        pushed.set_string_custom_property("pushed_version", str(version))


class PushSpec(ComponentSpec):
    PARAMETERS = {"version": ExecutionParameter(type=int)}
    INPUTS = {
        "model": ChannelParameter(type=standard_artifacts.Model),
        "model_blessing": ChannelParameter(type=standard_artifacts.ModelBlessing),
    }
    OUTPUTS = {"pushed_model": ChannelParameter(type=standard_artifacts.PushedModel)}


class Push(base_component.BaseComponent):
    """Stands for the Pusher."""

    SPEC_CLASS = PushSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(PushExecutor)


@pytest.fixture
def train(tmp_path):
    """Trains, judges and pushes a model of a name; says against which one it was judged."""
    connection = tfx.orchestration.metadata.sqlite_metadata_connection_config(
        str(tmp_path / "metadata.sqlite")
    )
    serving = tmp_path / "serving"
    config = load_config(None, posts=["p"], labels=["l"], push=str(serving))

    def run(name, pushes=True):
        follow_service(connection, config)
        version = 0
        if pushes:
            model = tmp_path / "models" / name
            model.mkdir(parents=True)
            (model / "saved_model.pb").write_text(name)
            version = push_version(model, serving).version
        trainer = Train(settings=name)
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
                blessing=types.Channel(type=standard_artifacts.ModelBlessing),
            )
        )
        push = Push(
            PushSpec(
                model=trainer.outputs["model"],
                model_blessing=judge.outputs["blessing"],
                version=version,
                pushed_model=types.Channel(type=standard_artifacts.PushedModel),
            )
        )
        tfx.orchestration.LocalDagRunner().run(
            tfx.dsl.Pipeline(
                pipeline_name=config.name,
                pipeline_root=str(tmp_path / "artifacts"),
                components=[trainer, in_service, judge, push],
                metadata_connection_config=connection,
            )
        )
        run = read_last_run(connection, config.name)
        return run.artifact("Judge", "blessing").get_string_custom_property("against")

    return run, serving


def test_after_a_rollback_the_next_model_is_compared_with_what_serves(train):
    run, serving = train
    assert run("first") == ""
    assert run("second") == "first"
    assert run("third") == "second"
    roll_back(serving)
    assert run("fourth") == "second"
    # What was pushed since serves, and the rollback is history.
    assert run("fifth") == "fourth"


def test_a_blessed_model_that_never_came_into_service_is_not_what_others_are_compared_with(train):
    run, _ = train
    assert run("first") == ""
    # Blessed, and then stopped by the serving check.
    assert run("unserved", pushes=False) == "first"
    assert run("third") == "first"

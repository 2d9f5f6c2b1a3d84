"""Each runner's arguments, and the combinations that are refused before anything starts."""

from __future__ import annotations

import click
import pytest
from apache_beam.options.pipeline_options import (
    FlinkRunnerOptions,
    JobServerOptions,
    PipelineOptions,
    PortableOptions,
    SparkRunnerOptions,
    StandardOptions,
    WorkerOptions,
)
from apache_beam.runners.portability.flink_runner import FlinkRunner
from apache_beam.runners.portability.spark_runner import SparkRunner
from apache_beam.runners.runner import create_runner
from tfx.utils.dependency_utils import make_beam_dependency_flags

from components.ingest.settings import IngestSettings
from pipeline.beam import BeamSettings, beam_arguments
from pipeline.config import Config, ConfigError, load_config
from pipeline.deploy.platforms import make_platform
from pipeline.options import check_runner, read_config, read_prediction
from pipeline.schedule.commands import words_of
from pipeline.workers import FlinkWithWorkersHere, SparkWithWorkersHere

SERVER = "beam.job_server=localhost:7"
GIVEN = {"posts": ["posts.jsonl"], "labels": ["labels.csv"]}


def read(*assignments: str) -> Config:
    return load_config(None, assignments, **GIVEN)


def arguments(*assignments: str) -> list[str]:
    return beam_arguments(read(*assignments).beam)


def options_of(*assignments: str) -> PipelineOptions:
    return PipelineOptions(arguments(*assignments))


def test_the_direct_runner_works_in_this_process_and_with_parallelism_in_others() -> None:
    assert beam_arguments(BeamSettings()) == [
        "--runner=components.local_runner.LocalRunner",
        "--direct_running_mode=in_memory",
        "--direct_num_workers=1",
        "--sdk_container_image=installed",
    ]
    assert beam_arguments(BeamSettings(parallelism=3))[1:] == [
        "--direct_running_mode=multi_processing",
        "--beam_plugin=pipeline.guarded_worker",
        "--direct_num_workers=3",
        "--sdk_container_image=installed",
    ]


def test_another_runner_among_the_arguments_keeps_its_own_image() -> None:
    arguments = beam_arguments(BeamSettings(arguments=["--runner=FlinkRunner"]))
    assert "--sdk_container_image=installed" not in arguments


def test_flink_gets_its_master_its_version_and_as_many_tasks_as_asked_for() -> None:
    options = options_of(
        "beam.runner=flink",
        "beam.parallelism=2",
        "beam.flink={master: localhost:99, version: '1.20'}",
    )
    flink, portable = options.view_as(FlinkRunnerOptions), options.view_as(PortableOptions)
    runner = create_runner(options.view_as(StandardOptions).runner)
    assert isinstance(runner, FlinkRunner)
    assert isinstance(runner, FlinkWithWorkersHere)
    assert (flink.flink_master, flink.flink_version) == ("localhost:99", "1.20")
    assert (flink.parallelism, portable.sdk_worker_parallelism) == (2, "1")
    assert (portable.environment_type, portable.environment_config) == ("LOOPBACK", None)
    opened = options.view_as(JobServerOptions).job_server_jvm_properties
    assert "--add-opens=java.base/java.util=ALL-UNNAMED" in opened


def test_a_job_server_that_runs_is_used_in_place_of_beams_jar() -> None:
    options = options_of("beam.runner=flink", "beam.job_server=localhost:7")
    assert options.view_as(PortableOptions).job_endpoint == "localhost:7"
    assert options.view_as(JobServerOptions).job_server_jvm_properties == []


def test_a_job_server_keeps_the_cluster_that_it_was_started_with_unless_another_is_named() -> None:
    assert not any("master" in word for word in arguments("beam.runner=flink", SERVER))
    assert not any("master" in word for word in arguments("beam.runner=spark", SERVER))
    named = arguments("beam.runner=flink", SERVER, "beam.flink.master=localhost:8081")
    assert "--flink_master=localhost:8081" in named
    assert "--flink_master=[local]" in arguments("beam.runner=flink")


def test_workers_of_this_process_may_be_shared_by_several_executors_of_spark() -> None:
    runner = create_runner(options_of("beam.runner=spark").view_as(StandardOptions).runner)
    assert isinstance(runner, SparkRunner)
    assert isinstance(runner, SparkWithWorkersHere)


def test_spark_gets_its_master_and_workers_of_a_command() -> None:
    options = options_of(
        "beam.runner=spark",
        "beam.spark.master=spark://head:7077",
        "beam={workers: process, workers_at: /opt/boot, worker_processes: 4}",
    )
    portable = options.view_as(PortableOptions)
    assert options.view_as(StandardOptions).runner == "SparkRunner"
    assert options.view_as(SparkRunnerOptions).spark_master_url == "spark://head:7077"
    assert portable.environment_type == "PROCESS"
    assert portable.environment_config == '{"command": "/opt/boot"}'
    assert portable.sdk_worker_parallelism == "4"


@pytest.mark.parametrize(
    "assignments",
    [
        [],
        ["beam.runner=flink"],
        ["beam.runner=spark"],
        ["beam.runner=flink", "beam={workers: docker, workers_at: registry/sdk}"],
    ],
)
def test_no_stage_makes_a_package_of_tfx_for_workers_that_have_it(assignments) -> None:
    arguments = beam_arguments(read(*assignments).beam)
    assert make_beam_dependency_flags(arguments) == arguments


def test_arguments_that_are_given_win() -> None:
    options = options_of("beam.runner=flink", "beam.arguments=[--runner=SparkRunner]")
    assert options.view_as(StandardOptions).runner == "SparkRunner"


@pytest.mark.parametrize(
    ("assignments", "said"),
    [
        (["beam.runner=prism"], "beam.runner: must be 'direct', 'flink', 'spark' or 'data"),
        (["beam.parallelism=-1"], "beam.parallelism: "),
        (
            ["beam.runner=flink", "beam.flink.master=head:8081"],
            "a cluster elsewhere does not reach; flink is at head:8081. Set workers to process",
        ),
        (["beam.runner=spark", "beam.job_server=head:1"], "spark is at head:1. Set workers"),
        (
            ["beam.runner=flink", "beam.workers=docker"],
            "workers docker needs workers_at, an image of Beam's SDK with this package in it",
        ),
        (["beam.runner=spark", "beam.workers=external"], "needs workers_at, host:port of Beam's"),
        (["beam.flink.host=x"], "beam.flink.host: unknown key; allowed here: master, version"),
    ],
)
def test_a_combination_that_cannot_work_is_refused_in_one_line(assignments, said) -> None:
    with pytest.raises(ConfigError) as refused:
        read(*assignments)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_option_wins_over_file_and_settings(tmp_path) -> None:
    (tmp_path / "c.yaml").write_text("beam: {runner: spark, parallelism: 4}", encoding="utf-8")
    config = read_config(
        tmp_path / "c.yaml", ("p",), ("l",), None, ("beam.runner=direct",), beam_runner="flink"
    )
    assert (config.beam.runner, config.beam.parallelism) == ("flink", 4)


def test_predict_takes_the_section_without_a_configuration() -> None:
    assert read_prediction((), None) == ((), IngestSettings())
    given, _ = read_prediction(("beam.arguments=[--runner=FlinkRunner, --parallelism=8]",), None)
    assert given[-2:] == ("--runner=FlinkRunner", "--parallelism=8")
    assert (
        "--flink_master=localhost:5"
        in read_prediction(("beam.flink.master=localhost:5",), "flink")[0]
    )
    assert read_prediction(("ingest.encoding=latin-1", "ingest.delimiter=tab"), None) == (
        (),
        IngestSettings(encoding="latin-1", delimiter="\t"),
    )
    _, reading = read_prediction(("ingest.unknown=[-1]", "ingest.timezone=Europe/Berlin"), None)
    assert reading == IngestSettings(unknown=["-1"], timezone="Europe/Berlin")
    for wrong, said in (
        ("training.epochs=7", "keys of the section beam, and ingest.*here; got training"),
        ("ingest.maximum_posts=7", "here; got ingest.maximum_posts=7"),
        ("ingest.encoding=none", "ingest.encoding: must be an encoding of text"),
        ("beam.arguments=7", "beam.arguments: "),
        ("beam.bogus=7", "beam.bogus: unknown key"),
    ):
        with pytest.raises(click.UsageError, match=said):
            read_prediction((wrong,), None)


def test_dataflow_is_refused_where_the_work_lies_in_a_folder_of_this_machine() -> None:
    for refused in (
        lambda: check_runner(read("beam.runner=dataflow")),
        lambda: read_prediction((), "dataflow"),
    ):
        with pytest.raises(click.UsageError, match="Dataflow's workers see buckets alone"):
            refused()


@pytest.mark.parametrize("asks", ["beam.runner=dataflow", "deploy.beam.runner=dataflow"])
def test_a_compiled_pipeline_takes_dataflow_from_either_section(asks) -> None:
    config = read(
        asks,
        "deploy={root: gs://b/r, image: i, vertex: {project: p, region: r}}",
        "beam.dataflow={maximum_workers: 40, disk_gb: 50, machine: n2-highmem-4}",
    )
    options = PipelineOptions(make_platform(config, "vertex").beam_arguments)
    workers = options.view_as(WorkerOptions)
    assert options.view_as(StandardOptions).runner == "DataflowRunner"
    assert (workers.max_num_workers, workers.disk_size_gb) == (40, 50)
    assert workers.machine_type == "n2-highmem-4"


def test_arguments_of_another_runner_do_not_follow_to_dataflow() -> None:
    config = read(
        "deploy.beam.runner=dataflow",
        "beam.arguments=[--runner=FlinkRunner]",
        "deploy.beam.arguments=[--num_workers=4]",
    )
    arguments = make_platform(config, "vertex").beam_arguments
    assert "--runner=FlinkRunner" not in arguments
    assert arguments[-1] == "--num_workers=4"


def test_a_schedule_keeps_the_runner_that_it_was_made_with() -> None:
    given = {"config": None, "posts": (), "labels": (), "out": None, "heads": None}
    words = words_of({**given, "assignments": (), "beam_runner": "flink"})
    assert words == ["--beam-runner", "flink"]

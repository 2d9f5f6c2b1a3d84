"""What is compiled, against the published schema and the platforms' own clients."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest
import yaml
from google.protobuf import json_format
from kfp import components
from kfp.pipeline_spec import pipeline_spec_pb2
from tfx.utils import import_utils

from components.ingest.spans import parse_patterns
from pipeline.config import ConfigError
from pipeline.deploy import compiler, specification
from pipeline.deploy.faults import SpecificationError
from pipeline.deploy.settings import TARGETS

JOBS = {
    "training": {"machine": "n1-standard-8", "accelerator": "NVIDIA_TESLA_T4"},
    "search": {"machine": "n1-standard-8", "parallel_trials": 3},
    "endpoint": {"display_name": "profiles"},
}
NEVER_REUSED = {"RetrainingPlanner", "ModelInService", "VersionedPusher", "RunKeeper", "RunReport"}


@pytest.fixture(scope="module", name="jobs")
def compile_both(deployable):
    return {target: compiler.compile_pipeline(deployable(), target) for target in TARGETS}


@pytest.fixture(scope="module", name="with_jobs")
def compile_with_jobs(deployable):
    deploy = deployable().deploy.model_dump()
    deploy["vertex"] |= JOBS
    deploy["machines"] = {"Transform": {"cpu": 4, "memory_gb": 16}}
    return compiler.compile_pipeline(deployable(deploy=deploy), "vertex")


def container(job, step):
    return job["pipelineSpec"]["deploymentSpec"]["executors"][f"{step}_executor"]["container"]


def constant(job, step, name):
    task = job["pipelineSpec"]["root"]["dag"]["tasks"][step]
    return task["inputs"]["parameters"][name]["runtimeValue"]["constant"]


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_written_is_a_specification_of_the_published_schema(jobs, target):
    job = specification.parse(specification.render(jobs[target], target))
    published = json_format.ParseDict(job["pipelineSpec"], pipeline_spec_pb2.PipelineSpec())
    assert published.schema_version == "2.1.0"
    deployment = json_format.ParseDict(
        job["pipelineSpec"]["deploymentSpec"], pipeline_spec_pb2.PipelineDeploymentConfig()
    )
    tasks = published.root.dag.tasks
    named = {"PostsExampleGen", "Table", "Baseline", "Tuner", "Trainer", "VersionedPusher"}
    assert {*named, "RunReport"} <= set(tasks)
    for name in tasks:
        # Kubeflow runs no resolvers, Vertex AI those of TFX alone.
        kind = deployment.executors[f"{name}_executor"].WhichOneof("spec")
        assert kind == "container", name


def test_kubeflows_own_client_reads_the_file(jobs, deployable):
    text = specification.render(jobs["kubeflow"], "kubeflow").decode()
    pipeline = components.load_component_from_text(text)
    assert set(pipeline.component_spec.inputs) == {
        *("posts", "labels", "span", "trials", "push", "train"),
    }
    assert pipeline.component_spec.inputs["trials"].default == deployable().tuner.trials
    assert pipeline.pipeline_spec.pipeline_info.name == "authorprofile"


def test_vertex_ais_own_client_reads_the_file(jobs, tmp_path):
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import aiplatform

    path = tmp_path / "job.json"
    path.write_bytes(specification.render(jobs["vertex"], "vertex"))
    job = aiplatform.PipelineJob(
        "name",
        str(path),
        project="a-project",
        location="europe-west4",
        parameter_values={"trials": 2, "push": "gs://models/other"},
        credentials=AnonymousCredentials(),
    )
    values = job._gca_resource.runtime_config.parameter_values
    assert values["trials"] == 2 and values["push"] == "gs://models/other"
    assert job._gca_resource.runtime_config.gcs_output_directory == "gs://models/authorprofile"


COMPILE_BOTH = """
import sys
from pipeline.cli import cli
for target, file in (("kubeflow", "job.yaml"), ("vertex", "job.json")):
    cli.main(["compile", "--target", target, "--out", file, *sys.argv[1:]], standalone_mode=False)
"""


def test_another_process_writes_the_same_bytes(jobs, tmp_path):
    sets = [
        'posts=["gs://data/posts-{SPAN}.jsonl"]',
        'labels=["gs://data/labels.csv"]',
        "deploy.image=registry.example.org/team/authorprofile:1.2",
        "deploy.root=gs://models/authorprofile",
        "deploy.vertex={project: a-project, region: europe-west4}",
        "out=runs",
    ]
    command = [sys.executable, "-c", COMPILE_BOTH, *(w for value in sets for w in ("--set", value))]
    seeds = {"PYTHONHASHSEED": "4711", "TZ": "Asia/Tokyo"}
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, **seeds},
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == ["job.yaml", "kserve.yaml", "job.json"]
    assert (tmp_path / "job.yaml").read_bytes() == specification.render(
        jobs["kubeflow"], "kubeflow"
    )
    assert (tmp_path / "job.json").read_bytes() == specification.render(jobs["vertex"], "vertex")
    assert {path.name for path in tmp_path.iterdir()} == {*done.stdout.split(), "runs"}


@pytest.mark.parametrize("target", TARGETS)
def test_a_submission_may_give_input_span_trials_push_and_when_to_train(jobs, target):
    tasks = jobs[target]["pipelineSpec"]["root"]["dag"]["tasks"]
    given = {
        (step, name): value["componentInputParameter"]
        for step, task in tasks.items()
        for name, value in task["inputs"].get("parameters", {}).items()
        if "componentInputParameter" in value
    }
    assert given == {
        ("RetrainingPlanner", "posts"): "posts",
        ("RetrainingPlanner", "labels"): "labels",
        ("RetrainingPlanner", "span"): "span",
        ("RetrainingPlanner", "train"): "train",
        ("RetrainingPlanner", "destination"): "push",
        ("PostsExampleGen", "posts"): "posts",
        ("PostsExampleGen", "labels"): "labels",
        ("PostsExampleGen", "span"): "span",
        ("Tuner", "trials"): "trials",
        ("ModelInService", "destination"): "push",
        ("VersionedPusher", "destination"): "push",
    }
    declared = jobs[target]["pipelineSpec"]["root"]["inputDefinitions"]["parameters"]
    assert declared["span"]["defaultValue"] == -1
    assert declared["train"]["defaultValue"] == "anew"
    assert parse_patterns(declared["posts"]["defaultValue"]) == ["gs://data/posts-{SPAN}.jsonl"]
    assert declared["push"]["defaultValue"] == "gs://models/authorprofile/serving"


def test_several_patterns_are_one_parameter(deployable):
    patterns = ["gs://data/a-*.jsonl", "gs://data/b-*.csv"]
    job = compiler.compile_pipeline(deployable(posts=patterns), "vertex")
    declared = job["pipelineSpec"]["root"]["inputDefinitions"]["parameters"]
    assert parse_patterns(declared["posts"]["defaultValue"]) == patterns


@pytest.mark.parametrize(
    ("target", "never"),
    [
        ("vertex", NEVER_REUSED),
        ("kubeflow", {*NEVER_REUSED, "PostsExampleGen"}),
    ],
)
def test_steps_whose_inputs_do_not_tell_are_never_from_the_cache(jobs, target, never):
    tasks = jobs[target]["pipelineSpec"]["root"]["dag"]["tasks"]
    cached = {step for step, task in tasks.items() if task["cachingOptions"].get("enableCache")}
    assert set(tasks) - cached == never


@pytest.mark.parametrize("target", TARGETS)
def test_every_step_waits_for_a_reason_to_train_which_it_knows_by_its_value(
    with_jobs, jobs, target
):
    inner = (with_jobs if target == "vertex" else jobs["kubeflow"])["pipelineSpec"]
    tasks = inner["root"]["dag"]["tasks"]
    due = {
        "taskOutputParameter": {"producerTask": "RetrainingPlanner", "outputParameterKey": "due"}
    }
    for name in set(tasks) - {"RetrainingPlanner"}:
        assert tasks[name]["triggerPolicy"] == {
            "condition": "inputs.parameter_values['due'] == 'yes'"
        }
        assert "RetrainingPlanner" in tasks[name]["dependentTasks"]
        assert tasks[name]["inputs"]["parameters"]["due"] == due
        assert "due" in inner["components"][name]["inputDefinitions"]["parameters"]
        # A decision is another artifact in every run, so that no step would come from the cache.
        artifacts = tasks[name]["inputs"].get("artifacts", {}).values()
        producers = {one["taskOutputArtifact"]["producerTask"] for one in artifacts}
        assert "RetrainingPlanner" not in producers or name == "RunReport"
    assert "triggerPolicy" not in tasks["RetrainingPlanner"]


@pytest.mark.parametrize("target", TARGETS)
def test_the_plan_reaches_what_reads_searches_and_fits(jobs, target):
    inner = jobs[target]["pipelineSpec"]
    planned = {
        name: task["inputs"]["parameters"]["plan"]["taskOutputParameter"]
        for name, task in inner["root"]["dag"]["tasks"].items()
        if "plan" in task["inputs"]["parameters"]
    }
    assert set(planned) == {"PostsExampleGen", "Tuner", "Trainer", "RunKeeper"}
    for source in planned.values():
        assert source == {"producerTask": "RetrainingPlanner", "outputParameterKey": "plan"}
    outputs = inner["components"]["RetrainingPlanner"]["outputDefinitions"]
    assert outputs["parameters"] == {name: {"parameterType": "STRING"} for name in ("due", "plan")}


def test_on_vertex_ai_the_cache_is_asked_behind_this_packages_driver(jobs):
    hook = container(jobs["vertex"], "PostsExampleGen")["lifecycle"]["preCacheCheck"]
    assert hook["command"][2:] == ["pipeline.guarded", "components.ingest.platform_driver"]
    assert "lifecycle" not in container(jobs["kubeflow"], "PostsExampleGen")


def test_fit_and_search_are_jobs_where_a_machine_is_asked_for(jobs, with_jobs):
    executor = container(jobs["vertex"], "Trainer")["args"][1]
    assert executor == "components.training.trainer_component.FitExecutor"
    assert (
        container(with_jobs, "Trainer")["args"][1]
        == "components.training.trainer_component.FitJobExecutor"
    )
    training = json.loads(constant(with_jobs, "Trainer", "custom_config"))
    (pool,) = training["ai_platform_training_args"]["job_spec"]["worker_pool_specs"]
    assert pool == {
        "machine_spec": {
            "machine_type": "n1-standard-8",
            "accelerator_type": "NVIDIA_TESLA_T4",
            "accelerator_count": 1,
        },
        "replica_count": 1,
        "container_spec": {"image_uri": "registry.example.org/team/authorprofile:1.2"},
    }
    search = json.loads(constant(with_jobs, "Tuner", "custom_config"))
    pools = search["ai_platform_tuning_args"]["job_spec"]["worker_pool_specs"]
    assert [pool["replica_count"] for pool in pools] == [1, 2]
    assert container(with_jobs, "Transform")["resources"] == {"cpuLimit": 4, "memoryLimit": 16}


def test_the_endpoint_is_pushed_to_beside_the_bucket(with_jobs):
    task = with_jobs["pipelineSpec"]["root"]["dag"]["tasks"]["EndpointPusher"]
    assert "VersionedPusher" in task["dependentTasks"]
    config = json.loads(constant(with_jobs, "EndpointPusher", "custom_config"))
    assert config["ai_platform_serving_args"]["endpoint_name"] == "profiles"


def test_a_volume_is_mounted_in_every_step(deployable):
    deploy = deployable().deploy.model_dump()
    deploy["kubeflow"]["volume"] = {"claim": "posts", "path": "/data"}
    deploy["push"] = "/data/serving"
    job = compiler.compile_pipeline(
        deployable(deploy=deploy, posts=["/data/posts.jsonl"], labels=["/data/labels.csv"]),
        "kubeflow",
    )
    first, second = yaml.safe_load_all(specification.render(job, "kubeflow"))
    mounts = second["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert set(mounts) == set(first["deploymentSpec"]["executors"])
    assert {mount["pvcMount"][0]["mountPath"] for mount in mounts.values()} == {"/data"}
    json_format.ParseDict(second, pipeline_spec_pb2.PlatformSpec())


def test_a_machine_of_an_unknown_step_is_refused(deployable):
    deploy = deployable().deploy.model_dump() | {"machines": {"Trainr": {"cpu": 1}}}
    with pytest.raises(ConfigError, match=r"names steps of the pipeline: .*Trainer.*; got Trainr"):
        compiler.compile_pipeline(deployable(deploy=deploy), "vertex")


@pytest.mark.parametrize("target", TARGETS)
def test_earlier_hyperparameters_are_imported_in_place_of_a_search(deployable, target):
    file = "gs://models/earlier/best_hyperparameters.txt"
    job = compiler.compile_pipeline(deployable(hyperparameters_from=file, compare=True), target)
    inner = job["pipelineSpec"]
    importer = inner["deploymentSpec"]["executors"]["EarlierHyperparameters_executor"]["importer"]
    assert importer["artifactUri"] == {"constant": "gs://models/earlier"}
    assert "trials" not in inner["root"]["inputDefinitions"]["parameters"]
    tasks = inner["root"]["dag"]["tasks"]
    assert "Tuner" not in tasks and "HeadComparison" in tasks


def test_the_pipelines_own_artifacts_are_found_by_the_names_that_the_platforms_know(jobs):
    text = json.dumps(jobs["kubeflow"]["pipelineSpec"]["components"])
    titles = set(re.findall(r"title: (components\.\w+)", text))
    own = ("JoinAudit", "LinearBaseline", "Profile", "Report", "RetrainingDecision", "TermsTable")
    assert titles == {f"components.{name}" for name in own}
    for title in titles:
        assert title == import_utils.import_class_by_path(title).TYPE_NAME


def test_the_data_steps_run_on_dataflow_where_it_is_asked_for(deployable):
    deploy = deployable().deploy.model_dump() | {
        "beam": {"runner": "dataflow", "arguments": ["--num_workers=4"]},
        "service_account": "steps@a-project.iam.gserviceaccount.com",
    }
    job = compiler.compile_pipeline(deployable(deploy=deploy), "vertex")
    assert container(job, "Transform")["args"][-8:] == [
        "--runner=DataflowRunner",
        "--project=a-project",
        "--region=europe-west4",
        "--temp_location=gs://models/authorprofile/beam",
        "--setup_file=/opt/authorprofile/setup.py",
        "--beam_plugin=pipeline.guarded_worker",
        "--service_account_email=steps@a-project.iam.gserviceaccount.com",
        "--num_workers=4",
    ]


@pytest.mark.parametrize("target", TARGETS)
def test_a_specification_of_another_version_is_refused(jobs, target):
    content = specification.render(jobs[target], target).replace(
        b"authorprofile 0.1.0", b"authorprofile 0.0.9"
    )
    with pytest.raises(
        SpecificationError, match=r"made by authorprofile 0\.0\.9 with TFX 1\.21\.0\. Comp"
    ):
        specification.parse(content)


@pytest.mark.parametrize("content", [b"", b"a: [", b"just words", b"{}", b"pipelineSpec: {}"])
def test_what_is_no_specification_is_refused(content):
    with pytest.raises(SpecificationError):
        specification.parse(content)

"""Values that a platform's published rules refuse are faults, and sound ones are not."""

from __future__ import annotations

import re

import pytest
from click.testing import CliRunner

from pipeline.cli import cli
from pipeline.cloud.target import connect
from pipeline.config import ConfigError
from pipeline.deploy.checks import find_faults
from pipeline.deploy.forms import MOST_LABELS, RESERVED_LABELS

VERTEX = {"project": "a-project", "region": "europe-west4"}
KEY = "projects/a-project/locations/{}/keyRings/ring/cryptoKeys/key"


def faults(deployable, target, **deploy):
    config = deployable(deploy=deployable().deploy.model_dump() | deploy)
    return [(fault.rule, fault.found, fault.remedy) for fault in find_faults(config, target)]


VERTEX_CASES = [
    ("project", "My_Project", "6 to 30 lower-case letters, digits and hyphens"),
    ("project", "abc", "6 to 30"),
    ("project", "a" * 31, "6 to 30"),
    ("project", "1-project", "a letter first"),
    ("project", "a-project-", "no hyphen last"),
    ("project", "projects/a-project", "such as my-project"),
    ("region", "europe", "one region of Google Cloud, such as europe-west4"),
    ("region", "Europe-West4", "such as europe-west4"),
    ("region", "eu", "such as europe-west4"),
    ("region", "europe-west4-a", "one region"),
    ("network", "default", "the full name of a VPC network, with the project's number"),
    ("network", "projects/a-project/global/networks/default", "with the project's number"),
    ("encryption_key", "key", "the full name of a key of Cloud KMS"),
    ("address", "http://", "must be an address of http or https"),
    ("address", "ftp://example.org", "must be an address of http or https"),
    ("address", "https://example.org:99999", "must be an address of http or https"),
]


@pytest.mark.parametrize(("key", "value", "rule"), VERTEX_CASES)
def test_what_vertex_ai_refuses_is_a_fault(deployable, key, value, rule):
    ((told, found, remedy),) = faults(deployable, "vertex", vertex=VERTEX | {key: value})
    assert told.startswith(f"deploy.vertex.{key}: must be ") and rule in told
    assert value in found
    assert remedy


def test_a_zone_is_told_from_its_region(deployable):
    ((_, _, remedy),) = faults(deployable, "vertex", vertex=VERTEX | {"region": "us-east1-b"})
    assert remedy == "us-east1-b is a zone; its region is us-east1."


def test_a_key_is_of_the_runs_region(deployable):
    settings = VERTEX | {"encryption_key": KEY.format("us-east1")}
    ((rule, found, _),) = faults(deployable, "vertex", vertex=settings)
    assert rule.startswith("deploy.vertex.encryption_key: must be a key of the region")
    assert found == "one of us-east1; the region is europe-west4"


@pytest.mark.parametrize(
    "changes",
    [
        {"project": "example.com:my-project"},
        {"project": "123456789012"},
        {"region": "northamerica-northeast1"},
        {"region": "europe-west12"},
        {"network": "projects/12345/global/networks/my-network"},
        {"encryption_key": KEY.format("europe-west4")},
        {"address": "localhost:8080"},
        {"address": "https://europe-west4-aiplatform.googleapis.com"},
        {"labels": {"team": "people", "größe": "ärzte_1-x", "日本": "", "t" * 63: "v" * 63}},
        {"training": {"machine": "a2-highgpu-1g"}},
    ],
)
def test_what_vertex_ai_takes_is_none(deployable, changes):
    assert faults(deployable, "vertex", vertex=VERTEX | changes) == []


@pytest.mark.parametrize(
    ("name", "value", "rule", "remedy"),
    [
        ("Team", "people", "deploy.vertex.labels: a label's key has 1 to 63", "Write it as team."),
        ("team", "Ärzte", "deploy.vertex.labels.team: a label's value has at most 63", "ärzte."),
        ("team", "a b", "deploy.vertex.labels.team: a label's value", "Write it as a-b."),
        ("team", "v" * 64, "deploy.vertex.labels.team: a label's value", f"as {'v' * 63}."),
        ("1st", "x", "deploy.vertex.labels: a label's key", "Write it as st."),
        ("", "x", "deploy.vertex.labels: a label's key", "Write it as team."),
        ("k" * 64, "x", "deploy.vertex.labels: a label's key", f"as {'k' * 63}."),
        ("a.b", "x", "deploy.vertex.labels: a label's key", "Write it as a-b."),
        (RESERVED_LABELS[0], "x", "deploy.vertex.labels: some keys are set by Vertex AI", "Choose"),
    ],
)
def test_a_label_is_of_googles_form(deployable, name, value, rule, remedy):
    ((told, found, way_on),) = faults(
        deployable, "vertex", vertex=VERTEX | {"labels": {name: value}}
    )
    assert told.startswith(rule)
    assert found in (repr(name), repr(value))
    assert remedy in way_on


def test_there_are_as_many_labels_as_a_run_may_have(deployable):
    labels = {f"label-{number}": "x" for number in range(MOST_LABELS + 1)}
    ((rule, found, _),) = faults(deployable, "vertex", vertex=VERTEX | {"labels": labels})
    assert f"a run may have {MOST_LABELS} labels" in rule and found == str(MOST_LABELS + 1)
    labels.popitem()
    assert faults(deployable, "vertex", vertex=VERTEX | {"labels": labels}) == []


@pytest.mark.parametrize(
    "place",
    [
        "gs://Models/x",
        "gs://m/x",
        "gs://my bucket/x",
        f"gs://{'b' * 64}/x",
        "gs://-models/x",
        "gs://google-models/x",
        "gs:///x",
    ],
)
@pytest.mark.parametrize("key", ["root", "push", "history"])
def test_a_bucket_is_of_the_stores_form(deployable, key, place):
    ((rule, found, remedy),) = faults(deployable, "vertex", **{key: place})
    assert rule.startswith(f"deploy.{key}: a bucket's name has 3 to 63 lower-case letters")
    assert found.endswith(f" in {place}")
    assert remedy == "Write it as gs://BUCKET/FOLDER."


@pytest.mark.parametrize("key", ["posts", "labels"])
def test_the_buckets_of_posts_and_labels_are_looked_at(deployable, key):
    config = deployable(**{key: ["gs://My_Data/file.csv"]})
    (fault,) = find_faults(config, "kubeflow")
    assert fault.rule.startswith(f"{key}: a bucket's name")


@pytest.mark.parametrize("bucket", ["models", "my_models-1", "data.example.org", "a1b"])
def test_usual_buckets_are_taken(deployable, bucket):
    assert faults(deployable, "vertex", root=f"gs://{bucket}/x") == []


@pytest.mark.parametrize(
    ("changes", "key", "rule"),
    [
        ({"namespace": "Team_A"}, "kubeflow.namespace", "at most 63 lower-case letters"),
        ({"namespace": "n" * 64}, "kubeflow.namespace", "at most 63"),
        ({"token_variable": "MY TOKEN"}, "kubeflow.token_variable", "environment variable"),
        ({"volume": {"claim": "Posts"}}, "kubeflow.volume.claim", "a name of Kubernetes"),
        ({"timezone": "Mars/Base"}, "kubeflow.timezone", "must be a name of the IANA database"),
        ({"host": "kubeflow.example.org"}, "kubeflow.host", "an address of http or https"),
        ({"host": "https://kube flow"}, "kubeflow.host", "an address of http or https"),
        ({"serving": {"memory": "2 GB"}}, "kubeflow.serving.memory", "a quantity of Kubernetes"),
        ({"serving": {"cpu": "two"}}, "kubeflow.serving.cpu", "a quantity of Kubernetes"),
    ],
)
def test_what_kubernetes_refuses_is_a_fault(deployable, changes, key, rule):
    ((told, _, _),) = faults(deployable, "kubeflow", kubeflow=changes)
    assert told.startswith(f"deploy.{key}: must be ") and rule in told


@pytest.mark.parametrize(
    ("target", "account"),
    [
        ("vertex", "trainer"),
        ("vertex", "me@example.org"),
        ("kubeflow", "Trainer"),
        ("kubeflow", "a@b"),
    ],
)
def test_an_account_is_of_the_platforms_form(deployable, target, account):
    ((rule, found, _),) = faults(deployable, target, service_account=account)
    assert rule.startswith("deploy.service_account: must be ") and found == account


@pytest.mark.parametrize(
    ("target", "account"),
    [
        ("vertex", "steps@a-project.iam.gserviceaccount.com"),
        ("vertex", "123-compute@developer.gserviceaccount.com"),
        ("kubeflow", "trainer.team-a"),
    ],
)
def test_usual_accounts_are_taken(deployable, target, account):
    assert faults(deployable, target, service_account=account) == []


def test_dataflow_takes_no_projects_number(deployable):
    settings = {"vertex": VERTEX | {"project": "123456789012"}, "beam": {"runner": "dataflow"}}
    ((rule, _, _),) = faults(deployable, "vertex", **settings)
    assert rule.startswith("deploy.vertex.project: must be the id")


@pytest.mark.parametrize("name", ["a" * 129, "My_Pipeline"])
def test_a_pipelines_name_is_of_the_form_of_both(deployable, name):
    (fault,) = find_faults(deployable(name=name), "vertex")
    assert fault.rule.startswith("name: on Kubeflow and Vertex AI it has at most 128 lower-case")


@pytest.mark.parametrize("target", ["vertex", "kubeflow"])
def test_a_submission_looks_before_it_connects(deployable, target):
    settings = {
        "vertex": VERTEX | {"project": "My_Project"},
        "kubeflow": {"namespace": "Team_A"},
    }
    config = deployable(deploy=deployable().deploy.model_dump() | settings)
    with pytest.raises(
        ConfigError, match=r"deploy\.(vertex\.project|kubeflow\.namespace): must be"
    ):
        connect(target, config)


def test_compile_refuses_and_names_every_fault(tmp_path):
    words = ["compile", "--target", "vertex", "--posts", "gs://data/p.jsonl", "--out"]
    words += [str(tmp_path / "x.json"), "--labels", "gs://data/l.csv"]
    for assignment in (
        "deploy.image=team/authorprofile:1",
        "deploy.root=gs://models/x",
        "deploy.vertex={project: My_Project, region: europe, labels: {Team: Ärzte}}",
    ):
        words += ["--set", assignment]
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 2
    said = re.findall(r"deploy\.vertex\.[\w.]+(?=:)", done.output)
    assert said == [
        f"deploy.vertex.{key}" for key in ("project", "region", "labels", "labels.Team")
    ]

"""What `authorprofile compile` makes is what both clients send and both schemas take."""

from __future__ import annotations

import pytest
import yaml

from pipeline.cli import cli
from tests.cloud.conftest import settings_of

CONFIG = {
    "posts": ["gs://data/posts-{SPAN}.jsonl"],
    "labels": ["gs://data/labels.csv"],
    "deploy": {
        "image": "registry.example.org/team/authorprofile:1.2",
        "root": "gs://bucket/authorprofile",
        "kubeflow": {"volume": {"claim": "data"}},
        "vertex": {"project": "people", "region": "europe-west4"},
    },
}


@pytest.mark.parametrize("target", ["kubeflow", "vertex"])
def test_a_configuration_is_compiled_and_submitted(request, tmp_path, capfd, target):
    server = request.getfixturevalue(target)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    words = ["--target", target, "--out", str(tmp_path / "out"), "--parameter", "span=3"]
    for setting in settings_of(server):
        words += ["--set", setting]
    with pytest.raises(SystemExit) as ended:
        cli.main(["submit", str(tmp_path / "config.yaml"), *words], prog_name="authorprofile")
    printed = capfd.readouterr()
    assert (ended.value.code, printed.err) == (0, "")
    (sent,) = server.calls("POST", "/(runs|pipelineJobs)$")
    if target == "kubeflow":
        spec, parameters = sent.body["pipeline_spec"], sent.body["runtime_config"]["parameters"]
        platform, spec = spec["platform_spec"], spec["pipeline_spec"]
        mounts = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
        assert "Trainer_executor" in mounts
    else:
        spec, parameters = sent.body["pipelineSpec"], sent.body["runtimeConfig"]["parameterValues"]
    assert parameters["span"] == 3
    assert "Trainer" in spec["root"]["dag"]["tasks"]
    images = {
        executor["container"]["image"]
        for executor in spec["deploymentSpec"]["executors"].values()
        if "container" in executor
    }
    assert images == {"registry.example.org/team/authorprofile:1.2"}

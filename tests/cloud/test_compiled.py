"""What `authorprofile compile` makes is what both clients send and both schemas take."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

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


DOCS = Path(__file__).parents[2] / "docs"


def commands_of(target):
    """The commands that the target's page shows under Submit and Schedule."""
    text = (DOCS / f"{target}.md").read_text(encoding="utf-8")
    sections = [
        text.split(f"\n## {title}\n")[1].split("\n## ")[0] for title in ("Submit", "Schedule")
    ]
    return [
        shlex.split(line)[1:]
        for section in sections
        for line in re.findall(r"^ {4}(authorprofile .*)$", section, re.MULTILINE)
    ]


@pytest.mark.parametrize("target", ["kubeflow", "vertex"])
def test_the_documented_commands_do_what_they_say(request, tmp_path, monkeypatch, capfd, target):
    server = request.getfixturevalue(target)
    monkeypatch.chdir(tmp_path)
    place = {"kubeflow": {"host": server.address}, "vertex": {"address": server.address}}[target]
    deploy = {**CONFIG["deploy"], target: {**CONFIG["deploy"][target], **place}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({**CONFIG, "deploy": deploy}))
    commands = commands_of(target)
    assert [words[:2] for words in commands[1:]] == [
        ["schedule", name] for name in ("create", "list", "pause", "resume", "run-now", "delete")
    ]
    states = []
    for words in commands:
        code = 0
        try:
            # But for the pauses, as they are written.
            cli.main([*words, *(["--every", "0.05"] if "--wait" in words else [])])
        except SystemExit as ended:
            code = ended.code
        assert (code, capfd.readouterr().err) == (0, "")
        states.append([state for _, _, state in server.states()])
    on, off = {"kubeflow": ("ENABLED", "DISABLED"), "vertex": ("ACTIVE", "PAUSED")}[target]
    assert states == [[], [on], [on], [off], [on], [on], []]

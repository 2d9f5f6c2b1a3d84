"""What the doctor finds, each check with a fault that was planted."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from pipeline.deploy import data_checks, doctor
from pipeline.deploy.compiler import compile_pipeline
from pipeline.deploy.fingerprint import LOCK, fingerprint, source_folder
from pipeline.deploy.installed import check_package, check_versions, dotted_paths
from pipeline.deploy.rehearsal.stand_ins import write_credentials
from pipeline.deploy.settings import TARGETS
from pipeline.deploy.specification import render

COMMAND = str(Path(sys.executable).with_name("authorprofile"))


@pytest.fixture(scope="module", name="job")
def compiled_job(deployable):
    return compile_pipeline(deployable(), "vertex")


@pytest.fixture(scope="module", name="clone")
def copied_clone(tmp_path_factory):
    """What the doctor reads of a clone; tests that change it take a copy of their own."""
    folder = tmp_path_factory.mktemp("clone")
    copy_clone(source_folder(), folder)
    return folder


def copy_clone(source, target):
    for name in ("setup.py", "README.md", "LICENSE", LOCK):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source / name, target / name)
    for name in ("components", "pipeline"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source / name, target / name, ignore=ignored, dirs_exist_ok=True)


def verdicts(findings):
    return [(finding.verdict, finding.found) for finding in findings]


def changed(deployable, **deploy):
    return deployable(deploy=deployable().deploy.model_dump() | deploy)


def test_this_package_has_what_the_steps_name(job, clone):
    paths = dotted_paths(job["pipelineSpec"])
    assert [finding.verdict for finding in check_package(paths, clone)] == ["ok", "ok"]


def test_a_module_that_is_not_packaged_is_found(clone, tmp_path):
    copy_clone(clone, tmp_path)
    (tmp_path / "components/judging/__init__.py").unlink()
    # TFX takes its time to import.
    without_tfx = "components.judging.settings.JudgingSettings"
    others = [without_tfx, "components.heads.declared.parse_heads"]
    package, imports = check_package(others, tmp_path)
    assert package.verdict == "fault" and "components/judging/evaluator.py" in package.found
    assert imports.verdict == "fault"
    # Not there, or from another installation of this package.
    assert imports.found.startswith(f"{without_tfx}: ")
    assert "parse_heads" not in imports.found


def test_a_setup_file_that_fails_is_found(clone, tmp_path):
    copy_clone(clone, tmp_path)
    (tmp_path / "setup.py").write_text("raise ValueError('no version')")
    assert verdicts(check_package([], tmp_path)) == [("fault", "ValueError: no version")]


def test_every_hook_and_executor_of_the_steps_is_looked_for(job):
    paths = dotted_paths(job["pipelineSpec"])
    assert {
        "components.training.tuner.tuner_fn",
        "components.training.trainer.run_fn",
        "components.features.transform.preprocessing_fn",
        "components.ingest.example_gen.Executor",
        "components.features.statistics.LabelStatisticsExecutor",
    } <= set(paths)


def test_a_version_that_is_not_the_locks_is_found(clone, tmp_path):
    assert [finding.verdict for finding in check_versions(clone)] == ["ok"]
    lock = tmp_path / LOCK
    lock.parent.mkdir()
    lock.write_text("keras==3.0.0 \\\n    --hash=sha256:00\nnot-there==1 ; python_version < '3'\n")
    ((verdict, found),) = verdicts(check_versions(tmp_path))
    assert verdict == "fault" and found.endswith(", not ==3.0.0")


def test_the_fingerprint_follows_from_files_and_lock_alone(clone, tmp_path):
    copy_clone(clone, tmp_path)
    first = fingerprint(clone)
    assert fingerprint(tmp_path) == first == fingerprint(source_folder())
    (tmp_path / "pipeline/__pycache__").mkdir()
    (tmp_path / "pipeline/__pycache__/cli.pyc").write_bytes(b"x")
    assert fingerprint(tmp_path) == first
    with (tmp_path / LOCK).open("a") as lock:
        lock.write("\n")
    second = fingerprint(tmp_path)
    (tmp_path / "components/heads").rename(tmp_path / "components/heads_")
    assert len({first, second, fingerprint(tmp_path)}) == 3


def test_an_image_is_known_by_its_tag(clone):
    tag = fingerprint(clone)
    assert verdicts(doctor.check_image(f"registry:5000/a/b:{tag}", clone)) == [("ok", f"tag {tag}")]
    ((verdict, found),) = verdicts(doctor.check_image("registry/a:0123456789ab", clone))
    assert verdict == "fault" and tag in found


@pytest.mark.parametrize(("label", "expected"), [("", "not checked"), ("0123", "fault")])
def test_an_image_is_known_by_its_label(clone, tmp_path, monkeypatch, label, expected):
    tool = tmp_path / "docker"
    tool.write_text(f"#!/bin/sh\n[ \"$5\" = registry/a:v1 ] && printf '%s\\n' '{label}'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    (finding,) = doctor.check_image("registry/a:v1", clone)
    assert finding.verdict == expected
    assert f"--label authorprofile.fingerprint={fingerprint(clone)}" in finding.remedy


@pytest.mark.parametrize("target", TARGETS)
def test_a_specification_with_an_unknown_field_is_found(deployable, target):
    job = compile_pipeline(deployable(), target)
    assert {finding.verdict for finding in doctor.check_specification(job, target)} == {"ok"}
    job["pipelineSpec"]["root"]["dag"]["tasks"]["Trainer"]["retries"] = 3
    (finding,) = doctor.check_specification(job, target)
    assert finding.verdict == "fault" and "retries" in finding.found


def test_a_component_that_could_not_be_imported_is_found(monkeypatch):
    from tfx import v1 as tfx

    assert [finding.verdict for finding in doctor.check_components()] == ["ok"]
    monkeypatch.setattr(tfx.components, "Tuner", None)
    assert verdicts(doctor.check_components()) == [("fault", "TFX could not import Tuner")]


def test_patterns_are_tried(deployable, tmp_path):
    (tmp_path / "posts-4.jsonl").write_text("{}")
    (tmp_path / "labels.csv").write_text("author_id")
    there = {"posts": [f"{tmp_path}/posts-{{SPAN}}.jsonl"], "labels": [f"{tmp_path}/labels.csv"]}
    assert verdicts(doctor.check_input(deployable(**there), "vertex")) == [
        ("ok", "2 files, span 4")
    ]
    absent = there | {"labels": [f"{tmp_path}/nobody.csv"]}
    ((verdict, found),) = verdicts(doctor.check_input(deployable(**absent), "vertex"))
    assert verdict == "fault" and "nobody.csv" in found
    (tmp_path / "users.csv").write_text("user;age\n7;34\n")
    unread = there | {"labels": [f"{tmp_path}/users.csv"]}
    ((verdict, found),) = verdicts(doctor.check_input(deployable(**unread), "vertex"))
    assert verdict == "fault" and "users.csv must have the column author_id." in found
    other_span = there | {"deploy": {"span": 5}}
    ((verdict, found),) = verdicts(doctor.check_input(deployable(**other_span), "vertex"))
    assert verdict == "fault" and found.startswith("SourceError: Span 5 must be there")


@pytest.fixture(scope="module", name="records")
def write_records(tmp_path_factory):
    """Settings of posts and labels of which span 1 is sound and span 2 has one wrong age."""
    folder = tmp_path_factory.mktemp("records")
    for span in (1, 2):
        posts = [{"author_id": number, "text": "some text"} for number in range(60)]
        labels = [{"author_id": number, "age": 20 + number % 40} for number in range(60)]
        labels[7]["age"] = 30 if span == 1 else 999
        for name, lines in (("posts", posts), ("labels", labels)):
            text = "\n".join(map(json.dumps, lines))
            (folder / f"{name}-{span}.jsonl").write_text(text, encoding="utf-8")
    names = {kind: [f"{folder}/{kind}-{{SPAN}}.jsonl"] for kind in ("posts", "labels")}
    return names | {"heads": {"age": {"kind": "regression"}}}


def test_records_are_held_to_the_checks_of_a_run(deployable, records):
    sound = deployable(**records, deploy={"span": 1})
    assert verdicts(doctor.check_records(sound)) == [
        ("ok", "60 authors pass the checks before training")
    ]
    ((verdict, found),) = verdicts(doctor.check_records(deployable(**records)))
    assert verdict == "fault"
    assert "1 of 60 labels is above, first at " in found and "labels-2.jsonl:8" in found


@pytest.mark.parametrize(
    ("changes", "most_bytes", "said"),
    [
        ({"posts": ["gs://data/posts-{SPAN}.jsonl"]}, 2**20, "they are not on this machine"),
        ({"labels": ["/nowhere/labels-{SPAN}.jsonl"]}, 2**20, "no record was read"),
        ({}, 100, "take their time"),
    ],
)
def test_records_that_nobody_looked_at_are_no_promise(
    deployable, records, monkeypatch, changes, most_bytes, said
):
    monkeypatch.setattr(data_checks, "MOST_BYTES", most_bytes)
    (finding,) = doctor.check_records(deployable(**records | changes))
    assert finding.verdict == "not checked" and said in finding.found
    assert "authorprofile audit" in finding.remedy


def test_a_full_temporary_folder_is_a_fault_of_the_check(deployable, records):
    config = deployable(**records, deploy={"span": 1})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, limits[1]))
    try:
        (finding,) = doctor.check_records(config)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert finding.verdict == "fault"
    assert finding.found.startswith("the check itself failed: No space is left to write ")


def test_an_error_that_no_check_foresaw_is_a_fault_of_the_check(deployable, records, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    (finding,) = doctor.check_records(deployable(**records, deploy={"span": 1}))
    assert finding.verdict == "fault"
    assert finding.found.startswith("the check itself failed: FileNotFoundError")


def test_google_credentials_are_looked_for(deployable, tmp_path, monkeypatch):
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    (finding,) = doctor.check_credentials(deployable(), "vertex")
    assert finding.verdict == "fault" and "gcloud auth" in finding.remedy
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(write_credentials(tmp_path)))
    assert verdicts(doctor.check_credentials(deployable(), "vertex")) == [
        ("ok", "rehearsal@rehearsal.invalid, project rehearsal")
    ]


@pytest.mark.parametrize(
    ("out", "verdict", "found", "remedy"),
    [
        ("runs #1", "ok", "runs #1", ""),
        ("runs [v1]", "fault", "its path has [, which Beam", "Give a folder without these"),
        ("x/" * 250, "fault", "its whole path may take 480 bytes", "Give a folder nearer to"),
    ],
)
def test_the_folder_of_runs_is_one_that_a_run_can_use(out, verdict, found, remedy):
    finding = doctor.check_out(out)
    assert finding.verdict == verdict
    assert finding.found.startswith(found)
    assert finding.remedy.startswith(remedy)


def test_the_command_lists_faults_and_refuses_another_versions_file(job, tmp_path):
    sets = [
        'posts=["/nowhere/posts.jsonl"]',
        'labels=["gs://data/labels.csv"]',
        "deploy.image=registry.example.org/a:1",
        f"out={tmp_path}/runs",
    ]
    words = [COMMAND, "doctor", "--target=vertex", *(w for one in sets for w in ("--set", one))]
    environment = {**os.environ, "NO_GCE_CHECK": "true", "HOME": str(tmp_path), "COLUMNS": "200"}
    made = tmp_path / "job.json"
    made.write_bytes(render(job, "vertex").replace(b"authorprofile 0.1.0", b"authorprofile 0.0.1"))
    done = subprocess.run(
        [*words, "--spec", str(made)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stdout
    assert "made by authorprofile 0.0.1 with TFX 1.21.0. Compile it anew." in done.stderr
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    for fault in ("deploy.root: must be a bucket folder", "posts: must be where the steps can"):
        assert fault in done.stdout
    assert "faults; nothing was submitted." in done.stderr

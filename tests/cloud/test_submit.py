"""`authorprofile submit` against both platforms on loopback: link, progress, outcome, exit code."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.cli import cli
from pipeline.cloud import retries
from tests.cloud.conftest import settings_of
from tests.cloud.specs import VERSIONS, write_kubeflow, write_vertex

COMMAND = str(Path(sys.executable).parent / "authorprofile")


@pytest.fixture(autouse=True)
def brief_pauses(monkeypatch):
    monkeypatch.setattr(retries, "PAUSE_SECONDS", 0.02)


@pytest.fixture(params=["kubeflow", "vertex"])
def platform(request):
    return request.param


@pytest.fixture
def server(request, platform):
    return request.getfixturevalue(platform)


@pytest.fixture
def words(platform, server, tmp_path):
    """The words of a command that works, as a list to be added to."""
    write = {"kubeflow": write_kubeflow, "vertex": write_vertex}[platform]
    given = ["submit", "--target", platform, "--spec", str(write(tmp_path))]
    for setting in settings_of(server):
        given += ["--set", setting]
    return [*given, "--parameter", "pattern=gs://bucket/posts", "--every", "0.05"]


@pytest.fixture
def command(capsys):
    def run(words):
        with pytest.raises(SystemExit) as ended:
            cli.main(words, prog_name="authorprofile")
        printed = capsys.readouterr()
        return ended.value.code, printed.out, printed.err

    return run


def runs_of(server):
    return list(getattr(server, "jobs", None) or getattr(server, "runs", {}))


def test_a_submission_prints_its_link(server, words, command):
    code, out, err = command(words)
    (run,) = runs_of(server)
    assert (code, err) == (0, "")
    assert out.count("\n") == 1
    assert run.rpartition("/")[2] in out
    assert "://" in out


def test_wait_shows_the_steps_and_ends_with_success(words, command):
    code, out, err = command([*words, "--wait"])
    assert (code, err) == (0, "")
    shown = [line.split() for line in out.splitlines() if line.startswith("  ")]
    assert shown == [
        ["PostsExampleGen", "running"],
        ["PostsExampleGen", "succeeded"],
        ["Trainer", "running"],
        ["Trainer", "succeeded"],
    ]
    assert out.endswith(" succeeded.\n")


def test_wait_ends_with_failure_and_names_the_step_and_its_error(server, words, command):
    server.failing = {"Trainer": "exited with [137]\nout of memory"}
    code, out, err = command([*words, "--wait"])
    assert code == 1
    assert ["Trainer", "failed"] in [line.split() for line in out.splitlines()]
    first, second = err.splitlines()
    assert " failed: http" in first
    assert second == "  Trainer: exited with [137] out of memory"


def test_parameters_and_no_cache_reach_the_platform(platform, server, words, command):
    assert command([*words, "--parameter", "span=3", "--no-cache"])[0] == 0
    (sent,) = server.calls("POST", "/(runs|pipelineJobs)$")
    if platform == "kubeflow":
        values, spec = sent.body["runtime_config"]["parameters"], sent.body["pipeline_spec"]
    else:
        values, spec = sent.body["runtimeConfig"]["parameterValues"], sent.body["pipelineSpec"]
    assert values == {"pattern": "gs://bucket/posts", "span": 3}
    for task in spec["root"]["dag"]["tasks"].values():
        assert not task["cachingOptions"].get("enableCache")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            ["--parameter", "patern=x"],
            "--parameter: the spec declares pattern, span, train; got patern",
        ),
        (["--parameter", "span"], "--parameter takes name=value, such as span=7; got 'span'"),
        (["--parameter", "span=x"], "--parameter span: must be NUMBER_INTEGER; got 'x'"),
        (["--spec", "gone.yaml"], "spec: gone.yaml cannot be read: No such file"),
        (["--set", "deploy.kubeflow.hots=x"], "deploy.kubeflow.hots: unknown key"),
        (["--target", "local"], "'local' is not one of 'kubeflow', 'vertex'"),
        (["--every", "0"], "Invalid value for '--every'"),
    ],
)
def test_wrong_usage_ends_with_code_2_before_anyone_is_asked(server, words, command, more, said):
    code, out, err = command([*words, *more])
    assert (code, out) == (2, "")
    assert said in err
    assert "Traceback" not in err
    assert server.requests == []


def test_a_spec_of_another_version_ends_with_code_2(platform, server, words, command, tmp_path):
    write = {"kubeflow": write_kubeflow, "vertex": write_vertex}[platform]
    write(tmp_path, versions=("0.0.9", VERSIONS[1]))
    code, out, err = command(words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "was made by authorprofile 0.0.9" in err
    assert server.requests == []


def test_a_missing_place_ends_with_code_2(platform, words, command):
    key = {"kubeflow": "kubeflow.host", "vertex": "vertex.region"}[platform]
    code, out, err = command([*words, "--set", f"deploy.{key}=''"])
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"deploy.{key}: must be")


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (400, 2, "refused the request as wrong: planted"),
        (401, 1, "did not accept the credentials"),
        (403, 1, "permission denied: planted"),
        (404, 2, "not found: planted"),
        (429, 1, "quota or rate exhausted: planted"),
        (503, 1, "answered 503 and did not recover: planted"),
    ],
)
def test_a_refusal_is_one_line_and_the_exit_code_says_whose_fault_it_is(
    server, words, command, status, code, said
):
    server.fail("POST", "/(runs|pipelineJobs)$", status, times=999)
    ended, out, err = command(words)
    assert (ended, out, err.count("\n")) == (code, "", 1)
    assert said in err
    assert runs_of(server) == []


def test_a_token_that_expires_meanwhile_ends_the_wait_and_leaves_the_run(server, words, command):
    server.fail("GET", "/(runs|pipelineJobs)/", 401, times=99)
    code, out, err = command([*words, "--wait"])
    assert code == 1
    assert "did not accept the credentials" in err
    assert err.splitlines()[1].startswith("The run was left to go on: http")
    assert out.split(": ", 1)[1].strip() in err


def test_an_interrupt_leaves_the_run_going_and_shows_its_link(kubeflow, tmp_path):
    kubeflow.endless = True
    words = ["--target", "kubeflow", "--spec", str(write_kubeflow(tmp_path)), "--wait"]
    words += ["--set", f"deploy.kubeflow.host={kubeflow.address}", "--every", "0.1"]
    process = subprocess.Popen(
        [COMMAND, "submit", *words, "--parameter", "pattern=a"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    link = process.stdout.readline().split(": ", 1)[1].strip()
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 130
    assert err == f"Interrupted. The run goes on: {link}\n"
    assert len(kubeflow.runs) == 1
    assert kubeflow.calls("POST", ":terminate") == []


def test_the_command_line_imports_no_client_library():
    imported = "import sys, pipeline.cli; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", imported], capture_output=True, text=True)
    names = done.stdout.split()
    assert "pipeline.cloud.commands" in names
    libraries = ("google.api_core", "google.auth", "google.cloud.", "grpc", "kfp", "kubernetes")
    assert [name for name in names if name.startswith((*libraries, "tensorflow", "tfx"))] == []

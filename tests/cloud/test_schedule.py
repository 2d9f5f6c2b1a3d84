"""`authorprofile schedule` on both platforms on loopback: what it prints, and its exit codes."""

from __future__ import annotations

import pytest

from pipeline.cli import cli
from pipeline.cloud import retries
from tests.cloud.conftest import settings_of
from tests.cloud.specs import VERSIONS, write_kubeflow, write_vertex

WRITE = {"kubeflow": write_kubeflow, "vertex": write_vertex}


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
def schedule(capsys, monkeypatch, platform, server):
    """Runs `authorprofile schedule <words>` on the platform; code, output, errors."""
    monkeypatch.setenv("COLUMNS", "160")

    def run(command, *words):
        place = [word for setting in settings_of(server) for word in ("--set", setting)]
        given = ["schedule", command, *words, "--target", platform, *place]
        code = 0
        try:
            cli.main(given, prog_name="authorprofile")
        except SystemExit as ended:
            code = ended.code
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


@pytest.fixture
def create(schedule, platform, tmp_path):
    def run(*words, name="nightly", cron="0 3 * * mon-fri", **spec):
        path = WRITE[platform](tmp_path, **spec)
        parameters = ["--parameter", "pattern=gs://bucket/posts"]
        return schedule("create", name, "--cron", cron, "--spec", str(path), *parameters, *words)

    return run


def parameters_of(server):
    """Runtime parameters of the one schedule that a server has."""
    if hasattr(server, "recurring"):
        (schedule,) = server.recurring.values()
        return schedule["runtime_config"]["parameters"]
    (schedule,) = server.kept.values()
    return schedule.create_pipeline_job_request.pipeline_job.runtime_config.parameter_values


def test_a_schedules_runs_look_for_a_reason_first_unless_told_otherwise(server, create):
    assert create()[0] == 0
    assert parameters_of(server)["train"] == "when_due"
    assert create("--parameter", "train=anew")[0] == 0
    assert parameters_of(server)["train"] == "anew"


def cells(line):
    return [cell.strip() for cell in line.split("│")[1:-1]]


def test_a_schedule_is_created_listed_paused_resumed_run_and_deleted(
    platform, server, schedule, create
):
    code, out, err = create()
    assert (code, err) == (0, "")
    first, link = out.splitlines()
    assert first.startswith("nightly: 0 3 * * 1,2,3,4,5 UTC; active")
    assert link.startswith("http")
    assert create()[0] == 0
    assert len(server.states()) == 1

    code, out, err = schedule("list")
    (row,) = [cells(line) for line in out.splitlines() if "nightly" in line]
    coming = {"kubeflow": "active", "vertex": "2026-11-02 00:00 UTC"}[platform]
    assert row == ["nightly", "0 3 * * 1,2,3,4,5", "UTC", coming, "", ""]

    code, out, err = schedule("pause", "nightly")
    assert (code, out) == (0, "nightly: 0 3 * * 1,2,3,4,5 UTC; paused\n")
    assert "paused" in schedule("list")[1]
    assert schedule("resume", "nightly")[1].startswith("nightly: 0 3 * * 1,2,3,4,5 UTC; active")

    code, out, err = schedule("run-now", "nightly")
    (run,) = getattr(server, "jobs", None) or server.runs
    assert code == 0
    assert run.rpartition("/")[2] in out

    assert schedule("delete", "nightly") == (0, "nightly: deleted\n", "")
    assert server.states() == []
    assert schedule("list") == (0, f"No schedule of this package on {platform}.\n", "")


def test_a_zone_is_kept_where_the_platform_has_one(platform, server, create):
    code, _, err = create("--timezone", "Europe/Berlin")
    if platform == "kubeflow":
        assert code == 2
        assert "this Kubeflow reads the cron of all schedules in UTC" in err
        code, _, _ = create(
            "--timezone", "Europe/Berlin", "--set", "deploy.kubeflow.timezone=Europe/Berlin"
        )
    assert code == 0
    assert len(server.states()) == 1


@pytest.mark.parametrize(
    ("words", "spec", "said"),
    [
        ({"cron": "0 3 * *"}, {}, "cron: must have five fields"),
        ({"cron": "0 25 * * *"}, {}, "cron: hour is 0 to 23; got 25"),
        ({"name": "9"}, {}, "must begin with a letter"),
        ({}, {"versions": ("0.0.9", VERSIONS[1])}, "was made by authorprofile 0.0.9"),
    ],
)
def test_what_is_wrong_is_told_with_code_2_before_anyone_is_asked(
    server, create, words, spec, said
):
    code, out, err = create(**words, **spec)
    assert (code, out) == (2, "")
    assert said in err
    assert server.requests == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--timezone", "Mars/Olympus"], "timezone: must be a name of the IANA database"),
        (["--parameter", "patern=x"], "the spec declares pattern, span, train; got patern"),
    ],
)
def test_a_wrong_option_is_told_with_code_2_before_anyone_is_asked(server, create, options, said):
    code, out, err = create(*options)
    assert (code, out) == (2, "")
    assert said in err
    assert server.requests == []


@pytest.mark.parametrize("command", ["pause", "resume", "delete", "run-now"])
def test_a_schedule_that_is_not_there_ends_with_code_2(schedule, command):
    code, out, err = schedule(command, "nightly")
    assert (code, out) == (2, "")
    assert "has no schedule 'nightly' that this package made; it has none" in err


def test_a_refusal_ends_with_code_1(server, create):
    server.fail("POST", "/(recurringruns|schedules)$", 403, message="no right")
    code, out, err = create()
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "permission denied: no right" in err
    assert server.states() == []


def test_an_interrupted_replacement_is_shown(server, schedule, create):
    create()
    server.fail("DELETE", "/(recurringruns|schedules)/", 500)
    assert create(cron="0 4 * * *")[0] == 1
    assert "being replaced; create it again" in schedule("list")[1]
    assert create(cron="0 4 * * *")[0] == 0
    assert len(server.states()) == 1


def test_a_spec_is_of_a_platform_alone(capsys, tmp_path):
    words = ["create", "nightly", "--cron", "0 3 * * *", "--spec", str(write_vertex(tmp_path))]
    with pytest.raises(SystemExit) as ended:
        cli.main(["schedule", *words], prog_name="authorprofile")
    assert ended.value.code == 2
    assert "--spec and --parameter are of a platform; --target is local" in capsys.readouterr().err

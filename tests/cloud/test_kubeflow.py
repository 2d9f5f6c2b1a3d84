"""Kubeflow's own client against its API on loopback: runs, schedules, refusals, interrupts."""

from __future__ import annotations

import pytest

from pipeline.cloud import kubeflow_client, retries
from pipeline.cloud.kubeflow import KubeflowTarget
from pipeline.cloud.spec import read_spec
from pipeline.cloud.target import NoAnswerError, PlatformError, ScheduleState, State, Step
from pipeline.config import ConfigError, load_config
from pipeline.deploy.doctor import check_credentials
from pipeline.deploy.settings import DeploySettings
from tests.cloud.specs import write_kubeflow

PARAMETERS = {"pattern": "gs://bucket/posts-{SPAN}.jsonl", "span": "7"}


@pytest.fixture(autouse=True)
def brief_pauses(monkeypatch):
    monkeypatch.setattr(retries, "PAUSE_SECONDS", 0.01)


@pytest.fixture
def place(kubeflow):
    return DeploySettings(
        root="gs://bucket/root",
        service_account="trainer",
        kubeflow={"host": kubeflow.address},
    )


def changed(place, **kubeflow):
    return place.model_copy(update={"kubeflow": place.kubeflow.model_copy(update=kubeflow)})


@pytest.fixture
def target(place):
    return KubeflowTarget(place)


def written(folder, **words):
    return read_spec(write_kubeflow(folder, **words), "kubeflow")


@pytest.fixture
def spec(tmp_path):
    return written(tmp_path)


def create(target, spec, cron="0 3 * * *", name="nightly", **parameters):
    return target.schedules.create(name, spec, cron, "UTC", PARAMETERS | parameters)


def test_a_run_gets_the_spec_its_parameters_and_its_account(kubeflow, target, spec):
    run = target.submit(spec, PARAMETERS, cache=False)
    (sent,) = kubeflow.calls("POST", "/runs$")
    assert sent.body["runtime_config"] == {
        "parameters": {"pattern": "gs://bucket/posts-{SPAN}.jsonl", "span": 7},
        "pipeline_root": "gs://bucket/root",
    }
    assert sent.body["service_account"] == "trainer"
    tasks = sent.body["pipeline_spec"]["root"]["dag"]["tasks"]
    assert not any(task.get("cachingOptions", {}).get("enableCache") for task in tasks.values())
    assert run.link == f"{kubeflow.address}/#/runs/details/{run.id}"
    assert (run.state, run.steps) == (State.PENDING, [])
    (experiment,) = kubeflow.experiments.values()
    assert experiment["display_name"] == "authorprofile"


def test_a_second_run_uses_the_same_experiment(kubeflow, target, spec):
    target.submit(spec, PARAMETERS)
    target.submit(spec, PARAMETERS)
    assert len(kubeflow.experiments) == 1
    assert len(kubeflow.runs) == 2


def test_an_experiment_of_which_there_are_two_is_told(kubeflow, target, spec):
    for id_ in ("1", "2"):
        kubeflow.experiments[id_] = {"experiment_id": id_, "display_name": "authorprofile"}
    with pytest.raises(ConfigError, match=r"deploy\.kubeflow\.experiment: Multiple experiments"):
        target.submit(spec, PARAMETERS)
    assert kubeflow.runs == {}


def test_an_install_of_several_users_needs_a_namespace(kubeflow, place, monkeypatch):
    monkeypatch.setattr(kubeflow, "multi_user", True)
    with pytest.raises(ConfigError, match=r"deploy\.kubeflow\.namespace: must be given"):
        KubeflowTarget(place)
    KubeflowTarget(changed(place, namespace="people"))


def test_a_run_is_followed_step_by_step(target, spec):
    run = target.submit(spec, PARAMETERS)
    seen = [target.look(run.id) for _ in range(3)]
    assert [look.state for look in seen] == [State.RUNNING, State.RUNNING, State.SUCCEEDED]
    assert seen[0].steps == [Step("PostsExampleGen", State.RUNNING)]
    assert seen[1].steps == [
        Step("PostsExampleGen", State.SUCCEEDED),
        Step("Trainer", State.RUNNING),
    ]


def test_a_failed_run_names_its_step_and_the_error_of_its_pod(kubeflow, target, spec):
    kubeflow.failing = {"Trainer": "OOMKilled: out of memory"}
    run = target.submit(spec, PARAMETERS)
    target.look(run.id)
    failed = target.look(run.id)
    assert failed.state is State.FAILED
    assert failed.failed_steps == [Step("Trainer", State.FAILED, "OOMKilled: out of memory")]
    assert failed.error == "child 'x' failed"


def test_the_token_is_sent(kubeflow, place, monkeypatch):
    monkeypatch.setenv("KUBEFLOW_TOKEN", "sesame")
    KubeflowTarget(place)
    assert {request.headers["authorization"] for request in kubeflow.requests} == {"Bearer sesame"}


def test_a_service_accounts_token_file_is_sent(kubeflow, place, monkeypatch, tmp_path):
    (tmp_path / "token").write_text("projected")
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(tmp_path / "token"))
    KubeflowTarget(place)
    assert kubeflow.requests[-1].headers["authorization"] == "Bearer projected"


def test_a_namespace_is_asked_for_everywhere(kubeflow, place, spec):
    target = KubeflowTarget(changed(place, namespace="people"))
    create(target, spec)
    target.schedules.list()
    lists = [r for r in kubeflow.calls("GET", "s$") if not r.path.endswith("healthz")]
    assert {request.query.get("namespace") for request in lists} == {"people"}
    (experiment,) = kubeflow.experiments.values()
    assert experiment["namespace"] == "people"


# Schedules


def test_a_schedule_is_made_with_seconds_first_and_no_overlap(kubeflow, target, spec):
    made = create(target, spec, "30 4 * * mon-fri")
    (sent,) = kubeflow.calls("POST", "/recurringruns$")
    assert sent.body["trigger"] == {"cron_schedule": {"cron": "0 30 4 * * 1,2,3,4,5"}}
    assert (sent.body["max_concurrency"], sent.body["no_catchup"]) == (1, True)
    assert sent.body["mode"] == "ENABLE"
    assert (made.name, made.cron, made.timezone) == ("nightly", "30 4 * * 1,2,3,4,5", "UTC")
    assert (made.state, made.last_run) == (ScheduleState.ACTIVE, None)
    assert made.link == f"{kubeflow.address}/#/recurringrun/details/{made.id}"


def test_created_twice_a_schedule_is_there_once(kubeflow, target, spec):
    assert create(target, spec) == create(target, spec)
    assert kubeflow.states() == [("nightly", "0 0 3 * * *", "ENABLED")]


@pytest.mark.parametrize("change", ["cron", "parameter", "spec"])
def test_a_changed_definition_takes_the_old_ones_place(kubeflow, target, spec, tmp_path, change):
    first = create(target, spec)
    if change == "cron":
        second = create(target, spec, "0 4 * * *")
    elif change == "parameter":
        second = create(target, spec, span="8")
    else:
        second = create(target, written(tmp_path, image="registry.example/new:2"))
    assert second.id != first.id
    assert list(kubeflow.recurring) == [second.id]
    assert second.state is ScheduleState.ACTIVE
    order = [
        (request.method, request.path.rpartition("/")[2])
        for request in kubeflow.requests
        if request.method != "GET" and "recurring" in request.path
    ]
    assert order[1:] == [
        ("POST", "recurringruns"),
        ("POST", f"{first.id}:disable"),
        ("POST", f"{second.id}:enable"),
        ("DELETE", first.id),
    ]
    assert kubeflow.calls("POST", "/recurringruns$")[1].body["mode"] == "DISABLE"


@pytest.mark.parametrize(
    ("method", "path"), [("POST", ":disable"), ("POST", ":enable"), ("DELETE", "/recurringruns/")]
)
def test_an_interrupted_replacement_is_seen_and_finished(kubeflow, target, spec, method, path):
    create(target, spec)
    kubeflow.fail(method, path, 500, times=1)
    with pytest.raises(PlatformError, match="Kubeflow answered 500"):
        create(target, spec, "0 4 * * *")
    (seen,) = target.schedules.list()
    assert seen.state is ScheduleState.REPLACING
    create(target, spec, "0 4 * * *")
    assert kubeflow.states() == [("nightly", "0 0 4 * * *", "ENABLED")]


def test_what_cannot_be_created_leaves_the_old_one_as_it_was(kubeflow, target, spec):
    create(target, spec)
    kubeflow.fail("POST", "/recurringruns$", 403, message="no right")
    with pytest.raises(PlatformError, match="permission denied: no right"):
        create(target, spec, "0 4 * * *")
    assert kubeflow.states() == [("nightly", "0 0 3 * * *", "ENABLED")]


def test_pausing_and_resuming(kubeflow, target, spec):
    create(target, spec)
    assert target.schedules.pause("nightly").state is ScheduleState.PAUSED
    assert create(target, spec).state is ScheduleState.PAUSED
    assert create(target, spec, "0 4 * * *").state is ScheduleState.PAUSED
    assert target.schedules.resume("nightly").state is ScheduleState.ACTIVE
    assert kubeflow.states() == [("nightly", "0 0 4 * * *", "ENABLED")]


def test_deleting_leaves_none_of_the_name_and_all_others(kubeflow, target, spec):
    create(target, spec)
    create(target, spec, name="weekly")
    kubeflow.fail("DELETE", "/recurringruns/", 500)
    with pytest.raises(PlatformError):
        create(target, spec, "0 4 * * *")
    target.schedules.delete("nightly")
    assert [name for name, _, _ in kubeflow.states()] == ["weekly"]


def test_others_recurring_runs_are_neither_listed_nor_touched(kubeflow, target, spec):
    create(target, spec)
    (mine,) = kubeflow.recurring.values()
    kubeflow.recurring["theirs"] = {
        **mine,
        "recurring_run_id": "theirs",
        "description": "hand-made",
    }
    create(target, spec, "0 4 * * *")
    assert [schedule.cron for schedule in target.schedules.list()] == ["0 4 * * *"]
    target.schedules.delete("nightly")
    assert list(kubeflow.recurring) == ["theirs"]


def test_all_pages_are_listed(target, spec):
    for name in ("e", "c", "a", "d", "b"):
        create(target, spec, name=name)
    assert [schedule.name for schedule in target.schedules.list()] == ["a", "b", "c", "d", "e"]


def test_run_now_runs_what_the_schedule_runs(kubeflow, target, spec):
    made = create(target, spec)
    run = target.schedules.run_now("nightly")
    body, schedule = kubeflow.runs[run.id], kubeflow.recurring[made.id]
    for field in ("pipeline_spec", "runtime_config", "service_account", "experiment_id"):
        assert body[field] == schedule[field]


def test_the_last_run_of_a_schedule_is_told(kubeflow, target, spec):
    made = create(target, spec)
    for state in ("FAILED", "SUCCEEDED"):
        run = target.submit(spec, PARAMETERS)
        kubeflow.runs[run.id].update(recurring_run_id=made.id, state=state)
    target.submit(spec, PARAMETERS)
    (seen,) = target.schedules.list()
    assert seen.last_outcome == "succeeded"
    assert seen.last_run.isoformat() == kubeflow.runs[run.id]["created_at"]


@pytest.mark.parametrize("command", ["pause", "resume", "delete", "run_now"])
def test_a_schedule_that_is_not_there_is_told_with_those_that_are(target, spec, command):
    create(target, spec, name="weekly")
    with pytest.raises(ConfigError, match="no schedule 'nightly' that this package made; it has w"):
        getattr(target.schedules, command)("nightly")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"name": "9 lives"}, "begins with a letter"),
        ({"cron": "0 3 * *"}, "must have five fields"),
        ({"patern": "x"}, "the spec declares pattern, span, train; got patern"),
        ({"span": "seven"}, "must be NUMBER_INTEGER; got 'seven'"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_created(kubeflow, target, spec, words, said):
    with pytest.raises(ConfigError, match=said):
        create(target, spec, **words)
    assert kubeflow.calls("POST", "") == []


def test_another_time_zone_than_the_installs_is_refused(kubeflow, target, place, spec):
    with pytest.raises(ConfigError, match=r"reads the cron of all schedules in UTC .* Europe/Ber"):
        target.schedules.create("nightly", spec, "0 3 * * *", "Europe/Berlin", PARAMETERS)
    assert kubeflow.calls("POST", "") == []
    there = KubeflowTarget(changed(place, timezone="Europe/Berlin"))
    made = there.schedules.create("nightly", spec, "0 3 * * *", "Europe/Berlin", PARAMETERS)
    assert (made.cron, made.timezone) == ("0 3 * * *", "Europe/Berlin")


# Refusals


@pytest.mark.parametrize(
    ("status", "kind", "said"),
    [
        (401, PlatformError, "did not accept the credentials, or they expired: planted. Set KUBEF"),
        (403, PlatformError, r"permission denied: planted. Ask .* namespace \(single-user\)"),
        (404, ConfigError, "not found: planted. Check deploy.kubeflow.host"),
        (400, ConfigError, "refused the request as wrong: planted"),
    ],
)
@pytest.mark.parametrize("path", ["/healthz", "/runs"])
def test_a_refusal_is_one_line_and_is_not_repeated(kubeflow, place, spec, status, kind, said, path):
    kubeflow.fail("GET" if path == "/healthz" else "POST", path, status, times=99)
    with pytest.raises(kind, match=said) as caught:
        KubeflowTarget(place).submit(spec, PARAMETERS)
    assert "\n" not in str(caught.value)
    assert len(kubeflow.calls("GET" if path == "/healthz" else "POST", path)) == 1


@pytest.mark.parametrize("status", [429, 502, 503, 504])
@pytest.mark.parametrize("path", ["/healthz", "/experiments", "/runs"])
def test_what_is_refused_for_the_moment_is_repeated(kubeflow, place, spec, status, path):
    for method in ("GET", "POST"):
        kubeflow.fail(method, path, status, times=2)
    KubeflowTarget(place).submit(spec, PARAMETERS)
    assert len(kubeflow.runs) == 1


def test_what_does_not_recover_is_told_with_its_last_answer(kubeflow, target, spec):
    kubeflow.fail("POST", "/runs", 429, message="too many runs", times=99)
    with pytest.raises(PlatformError, match="quota or rate exhausted: too many runs"):
        target.submit(spec, PARAMETERS)
    assert len(kubeflow.calls("POST", "/runs")) == 1 + retries.ATTEMPTS


@pytest.mark.parametrize("happens", [True, False])
def test_a_run_whose_answer_is_lost_is_begun_once(kubeflow, target, spec, happens):
    kubeflow.fail("POST", "/runs", happens=happens)
    run = target.submit(spec, PARAMETERS)
    assert list(kubeflow.runs) == [run.id]
    assert len(kubeflow.calls("POST", "/runs")) == (1 if happens else 2)


@pytest.mark.parametrize("happens", [True, False])
def test_an_experiment_whose_answer_is_lost_is_made_once(kubeflow, target, spec, happens):
    kubeflow.fail("POST", "/experiments$", happens=happens)
    target.submit(spec, PARAMETERS)
    assert (len(kubeflow.experiments), len(kubeflow.runs)) == (1, 1)


@pytest.mark.parametrize("happens", [True, False])
def test_a_schedule_whose_answer_is_lost_is_there_once(kubeflow, target, spec, happens):
    kubeflow.fail("POST", "/recurringruns$", happens=happens)
    made = create(target, spec)
    assert list(kubeflow.recurring) == [made.id]


def test_a_broken_connection_while_looking_is_repeated(kubeflow, target, spec):
    run = target.submit(spec, PARAMETERS)
    kubeflow.fail("GET", "/runs/", times=2)
    assert target.look(run.id).state is State.RUNNING


def test_a_creation_that_never_answers_is_told(kubeflow, target, spec):
    kubeflow.fail("POST", "/runs", times=99)
    with pytest.raises(PlatformError, match="Kubeflow cannot be reached at http://127"):
        target.submit(spec, PARAMETERS)


def test_a_server_that_never_answers_is_not_waited_for(kubeflow, target, spec, monkeypatch):
    run = target.submit(spec, PARAMETERS)
    monkeypatch.setattr(kubeflow_client, "TIMEOUT_SECONDS", (1, 0.1))
    kubeflow.fail("GET", "/runs/", times=99, silent_seconds=3)
    with pytest.raises(NoAnswerError, match=r"cannot be reached .*[Tt]imed out"):
        target.look(run.id)


def test_nobody_listening_is_told(kubeflow, place):
    gone = changed(place, host="http://127.0.0.1:9")
    with pytest.raises(
        PlatformError, match=r"cannot be reached at http://127.0.0.1:9: .*refused\."
    ):
        KubeflowTarget(gone)


def test_a_missing_address_is_a_fault_of_the_configuration(place):
    with pytest.raises(ConfigError, match=r"deploy\.kubeflow\.host: must be the address"):
        KubeflowTarget(DeploySettings())


def test_the_address_may_come_from_kubeflows_own_variable(kubeflow, spec, monkeypatch):
    monkeypatch.setenv("KF_PIPELINES_ENDPOINT", kubeflow.address)
    KubeflowTarget(DeploySettings()).submit(spec, PARAMETERS)
    assert len(kubeflow.runs) == 1


@pytest.mark.parametrize("host", ["kubeflow.example.org", "ftp://x"])
def test_what_is_no_address_is_refused_before_anyone_is_asked(host):
    with pytest.raises(ConfigError, match=f"deploy.kubeflow.host: must be an address.*{host}"):
        KubeflowTarget(DeploySettings(kubeflow={"host": host}))


# What `authorprofile doctor` says of the access


def examined(**kubeflow):
    config = load_config(None, posts=["p.csv"], labels=["l.csv"], deploy={"kubeflow": {**kubeflow}})
    (finding,) = check_credentials(config, "kubeflow")
    return finding.verdict, finding.found


def test_doctor_finds_the_api_where_a_submission_does(kubeflow, monkeypatch):
    found = f"{kubeflow.address} does, and takes these credentials"
    assert examined(host=kubeflow.address) == ("ok", found)
    verdict, said = examined()
    assert verdict == "fault" and "it is empty, and so are KF_PIPELINES_ENDPOINT" in said
    monkeypatch.setenv("KF_PIPELINES_ENDPOINT", kubeflow.address)
    assert examined() == ("ok", found)
    # What is configured comes first, as it does in a submission.
    assert examined(host="http://127.0.0.1:9")[0] == "fault"


def test_doctor_tells_a_refusal(kubeflow):
    kubeflow.fail("GET", "/healthz", 401, times=99)
    verdict, said = examined(host=kubeflow.address)
    assert verdict == "fault" and "Set KUBEFLOW_TOKEN to a fresh token" in said

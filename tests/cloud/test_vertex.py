"""Vertex AI's own client against its API on loopback: runs, schedules, refusals, interrupts."""

from __future__ import annotations

import datetime
import json

import pytest
import requests
from google.protobuf import json_format

from pipeline.cloud import retries
from pipeline.cloud.spec import read_spec
from pipeline.cloud.target import NoAnswerError, PlatformError, ScheduleState, State, Step
from pipeline.cloud.vertex import VertexTarget, new_id
from pipeline.cloud.vertex_client import is_lost
from pipeline.cloud.vertex_schedules import HANDOVER_SECONDS
from pipeline.config import ConfigError
from pipeline.deploy.settings import DeploySettings
from tests.cloud.specs import write_vertex

PARAMETERS = {"pattern": "gs://bucket/posts-{SPAN}.jsonl", "span": "7"}
CONSOLE = "https://console.cloud.google.com/vertex-ai/locations/europe-west4/pipelines"


@pytest.fixture(autouse=True)
def brief_pauses(monkeypatch):
    monkeypatch.setattr(retries, "PAUSE_SECONDS", 0.02)


@pytest.fixture
def place(vertex):
    return DeploySettings(
        root="gs://bucket/root",
        service_account="trainer@people.iam.gserviceaccount.com",
        vertex={"region": "europe-west4", "labels": {"team": "forum"}, "address": vertex.address},
    )


def changed(place, **vertex):
    return place.model_copy(update={"vertex": place.vertex.model_copy(update=vertex)})


@pytest.fixture
def target(place):
    return VertexTarget(place)


def written(folder, **words):
    return read_spec(write_vertex(folder, **words), "vertex")


@pytest.fixture
def spec(tmp_path):
    return written(tmp_path)


def create(target, spec, cron="0 3 * * *", name="nightly", zone="Europe/Berlin", **parameters):
    return target.schedules.create(name, spec, cron, zone, PARAMETERS | parameters)


def test_a_run_gets_the_spec_its_parameters_and_the_places_settings(vertex, place, spec):
    network, key = "projects/1/global/networks/n", "projects/p/locations/l/keyRings/r/cryptoKeys/k"
    place = changed(place, network=network, encryption_key=key)
    run = VertexTarget(place).submit(spec, PARAMETERS, cache=False)
    job = vertex.jobs[run.id]
    assert job.runtime_config.gcs_output_directory == "gs://bucket/root"
    assert dict(job.runtime_config.parameter_values) == {**PARAMETERS, "span": 7}
    assert job.service_account == "trainer@people.iam.gserviceaccount.com"
    assert (job.network, job.encryption_spec.kms_key_name) == (network, key)
    assert job.labels["team"] == "forum"
    assert job.labels["tfx_version"] == "1-21-0"
    sent = json_format.MessageToDict(type(job).pb(job).pipeline_spec)
    tasks = sent["root"]["dag"]["tasks"].values()
    assert [task["cachingOptions"] for task in tasks] == [{"enableCache": False}] * 2
    for task in tasks:
        del task["cachingOptions"]
    assert sent == json.loads(spec.path.read_text())["pipelineSpec"]
    assert run.link == f"{CONSOLE}/runs/{run.name}?project=people"
    assert (run.state, run.steps) == (State.PENDING, [])


def test_a_run_is_followed_step_by_step(target, spec):
    run = target.submit(spec, PARAMETERS)
    seen = [target.look(run.id) for _ in range(3)]
    assert [look.state for look in seen] == [State.RUNNING, State.RUNNING, State.SUCCEEDED]
    assert seen[0].steps == [Step("PostsExampleGen", State.RUNNING)]
    assert seen[1].steps == [
        Step("PostsExampleGen", State.SUCCEEDED),
        Step("Trainer", State.RUNNING),
    ]


def test_a_failed_run_names_its_step_and_its_error(vertex, target, spec):
    vertex.failing = {"Trainer": "The replica exited with a non-zero status of 137"}
    run = target.submit(spec, PARAMETERS)
    target.look(run.id)
    failed = target.look(run.id)
    assert failed.state is State.FAILED
    assert failed.failed_steps == [Step("Trainer", State.FAILED, vertex.failing["Trainer"])]
    assert failed.error == "The DAG failed because some tasks failed."


def test_the_project_may_be_that_of_the_credentials_or_another(vertex, place):
    assert VertexTarget(place).services.project == "people"
    assert VertexTarget(changed(place, project="p2")).services.project == "p2"


def test_a_jobs_id_is_of_the_letters_that_the_api_takes():
    assert new_id("My Pipeline_1").startswith("my-pipeline-1-20")
    assert new_id("a") != new_id("a")


# Schedules


def test_a_schedule_is_made_with_its_zone_and_no_overlap(vertex, target, spec):
    made = create(target, spec, "30 4 * * mon-fri")
    (kept,) = vertex.kept.values()
    assert kept.cron == "TZ=Europe/Berlin 30 4 * * 1,2,3,4,5"
    assert (kept.max_concurrent_run_count, kept.max_concurrent_active_run_count) == (1, 1)
    assert kept.start_time is None
    job = kept.create_pipeline_job_request.pipeline_job
    assert dict(job.runtime_config.parameter_values) == {**PARAMETERS, "span": 7}
    assert (made.name, made.cron, made.timezone) == (
        "nightly",
        "30 4 * * 1,2,3,4,5",
        "Europe/Berlin",
    )
    assert (made.state, made.next_run) == (ScheduleState.ACTIVE, kept.next_run_time)
    assert made.link == f"{CONSOLE}/schedules/{made.id.rpartition('/')[2]}?project=people"


def test_created_twice_a_schedule_is_there_once(vertex, target, spec):
    assert create(target, spec) == create(target, spec)
    assert vertex.states() == [("nightly", "TZ=Europe/Berlin 0 3 * * *", "ACTIVE")]


@pytest.mark.parametrize("change", ["cron", "zone", "parameter", "spec", "place"])
def test_a_changed_definition_takes_the_old_ones_place(
    vertex, target, place, spec, tmp_path, change
):
    first = create(target, spec)
    if change == "cron":
        second = create(target, spec, "0 4 * * *")
    elif change == "zone":
        second = create(target, spec, zone="UTC")
    elif change == "parameter":
        second = create(target, spec, span="8")
    elif change == "spec":
        second = create(target, written(tmp_path, image="registry.example/new:2"))
    else:
        other = VertexTarget(place.model_copy(update={"service_account": "other@people"}))
        second = create(other, spec)
    assert second.id != first.id
    assert list(vertex.kept) == [second.id]
    assert second.state is ScheduleState.ACTIVE
    old, new = first.id.rpartition("/")[2], second.id.rpartition("/")[2]
    order = [
        (request.method, request.path.rpartition("/")[2])
        for request in vertex.requests
        if request.method != "GET" and "/schedules" in request.path
    ]
    assert order[1:] == [
        ("POST", "schedules"),
        ("POST", f"{new}:pause"),
        ("POST", f"{old}:pause"),
        ("POST", f"{new}:resume"),
        ("DELETE", old),
    ]


def test_the_new_schedule_starts_nothing_before_the_old_one_is_paused(vertex, target, spec):
    create(target, spec)
    before = datetime.datetime.now(datetime.UTC)
    create(target, spec, "0 4 * * *")
    # Active for a moment after its creation, it must have no time in the minutes that follow.
    sent = vertex.calls("POST", "/schedules$")[1].body
    start = datetime.datetime.fromisoformat(sent["startTime"])
    assert start - before >= datetime.timedelta(seconds=HANDOVER_SECONDS)


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/schedules/.*:resume"), ("DELETE", "/schedules/")]
)
def test_an_interrupted_replacement_is_seen_and_finished(vertex, target, spec, method, path):
    create(target, spec)
    vertex.fail(method, path, 500)
    with pytest.raises(PlatformError, match="Vertex AI answered 500"):
        create(target, spec, "0 4 * * *")
    (seen,) = target.schedules.list()
    assert seen.state is ScheduleState.REPLACING
    create(target, spec, "0 4 * * *")
    assert vertex.states() == [("nightly", "TZ=Europe/Berlin 0 4 * * *", "ACTIVE")]


@pytest.mark.parametrize("path", ["/schedules$", "/schedules/.*:pause"])
def test_what_cannot_be_put_in_place_leaves_the_old_one_as_it_was(vertex, target, spec, path):
    create(target, spec)
    vertex.fail("POST", path, 403, message="no right")
    with pytest.raises(PlatformError, match="permission denied: no right"):
        create(target, spec, "0 4 * * *")
    assert vertex.states() == [("nightly", "TZ=Europe/Berlin 0 3 * * *", "ACTIVE")]


def test_pausing_and_resuming(vertex, target, spec):
    create(target, spec)
    paused = target.schedules.pause("nightly")
    assert (paused.state, paused.next_run) == (ScheduleState.PAUSED, None)
    assert create(target, spec).state is ScheduleState.PAUSED
    assert create(target, spec, "0 4 * * *").state is ScheduleState.PAUSED
    assert target.schedules.resume("nightly").state is ScheduleState.ACTIVE
    assert vertex.states() == [("nightly", "TZ=Europe/Berlin 0 4 * * *", "ACTIVE")]


def test_deleting_leaves_none_of_the_name_and_all_others(vertex, target, spec):
    create(target, spec)
    create(target, spec, name="weekly")
    vertex.fail("DELETE", "/schedules/", 500)
    with pytest.raises(PlatformError):
        create(target, spec, "0 4 * * *")
    target.schedules.delete("nightly")
    assert [name for name, _, _ in vertex.states()] == ["weekly"]


def test_others_schedules_are_neither_listed_nor_touched(vertex, target, spec):
    made = create(target, spec)
    theirs = type(vertex.kept[made.id])(vertex.kept[made.id])
    theirs.name = made.id.replace("schedules/", "schedules/9")
    theirs.create_pipeline_job_request.pipeline_job.labels.clear()
    vertex.kept[theirs.name] = theirs
    create(target, spec, "0 4 * * *")
    assert [schedule.cron for schedule in target.schedules.list()] == ["0 4 * * *"]
    target.schedules.delete("nightly")
    assert list(vertex.kept) == [theirs.name]


def test_all_pages_are_listed(target, spec):
    for name in ("e", "c", "a", "d", "b"):
        create(target, spec, name=name)
    assert [schedule.name for schedule in target.schedules.list()] == ["a", "b", "c", "d", "e"]


def test_run_now_runs_what_the_schedule_runs(vertex, target, spec):
    made = create(target, spec)
    run = target.schedules.run_now("nightly")
    scheduled = vertex.kept[made.id].create_pipeline_job_request.pipeline_job
    for field in ("pipeline_spec", "runtime_config", "service_account", "labels"):
        assert getattr(vertex.jobs[run.id], field) == getattr(scheduled, field)
    assert run.name.startswith("nightly-20")


def test_the_last_run_of_a_schedule_is_told(vertex, target, spec):
    made = create(target, spec)
    for state in (5, 4):
        run = target.submit(spec, PARAMETERS)
        vertex.jobs[run.id].schedule_name = made.id
        vertex.jobs[run.id].state = state
    target.submit(spec, PARAMETERS)
    (seen,) = target.schedules.list()
    assert (seen.last_outcome, seen.last_run) == ("succeeded", vertex.jobs[run.id].create_time)


def test_a_schedule_that_has_come_to_its_end_is_told(vertex, target, spec):
    vertex.kept[create(target, spec).id].state = 3
    (seen,) = target.schedules.list()
    assert seen.state is ScheduleState.ENDED


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
        ({"zone": "Berlin"}, "must be a name of the IANA database"),
        ({"patern": "x"}, "the spec declares pattern, span, train; got patern"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_created(vertex, target, spec, words, said):
    with pytest.raises(ConfigError, match=said):
        create(target, spec, **words)
    assert vertex.kept == {}


# Refusals


@pytest.mark.parametrize(
    ("status", "kind", "said"),
    [
        (401, PlatformError, "did not accept the credentials, or they expired: planted. Run gc"),
        (403, PlatformError, "permission denied: planted. It takes roles/aiplatform.user"),
        (404, ConfigError, "not found: planted. Check deploy.vertex.project and region"),
        (400, ConfigError, "refused the request as wrong: planted"),
    ],
)
def test_a_refusal_is_one_line_and_is_not_repeated(vertex, target, spec, status, kind, said):
    vertex.fail("POST", "/pipelineJobs", status, times=99)
    with pytest.raises(kind, match=said) as caught:
        target.submit(spec, PARAMETERS)
    assert "\n" not in str(caught.value)
    assert vertex.address not in str(caught.value)
    # Google's library renews its token after a 401, and asks once more for each of its renewals.
    assert len(vertex.calls("POST", "/pipelineJobs")) == (3 if status == 401 else 1)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
@pytest.mark.parametrize(("method", "path"), [("GET", "/storage"), ("POST", "/pipelineJobs")])
def test_what_is_refused_for_the_moment_is_repeated(vertex, place, spec, status, method, path):
    vertex.fail(method, path, status, times=2)
    VertexTarget(place).submit(spec, PARAMETERS)
    assert len(vertex.jobs) == 1


def test_a_quota_that_stays_exhausted_is_told_with_its_last_answer(vertex, target, spec):
    vertex.fail("POST", "/pipelineJobs", 429, message="custom_model_training_cpus", times=999)
    with pytest.raises(PlatformError, match=r"quota or rate exhausted: custom_model_training_cpus"):
        target.submit(spec, PARAMETERS)


@pytest.mark.parametrize("happens", [True, False])
def test_a_run_whose_answer_is_lost_is_begun_once(vertex, target, spec, happens):
    vertex.fail("POST", "/pipelineJobs", happens=happens)
    run = target.submit(spec, PARAMETERS)
    assert list(vertex.jobs) == [run.id]


@pytest.mark.parametrize("happens", [True, False])
def test_a_schedule_whose_answer_is_lost_is_there_once(vertex, target, spec, happens):
    vertex.fail("POST", "/schedules$", happens=happens)
    made = create(target, spec)
    assert list(vertex.kept) == [made.id]


def test_a_broken_connection_while_looking_is_repeated(vertex, target, spec):
    run = target.submit(spec, PARAMETERS)
    vertex.fail("GET", "/pipelineJobs/", times=2)
    assert target.look(run.id).state is State.RUNNING


def test_only_a_request_that_was_sent_can_have_lost_its_answer(vertex):
    with pytest.raises(requests.ConnectionError) as refused:
        requests.get("http://127.0.0.1:9", timeout=9)
    vertex.fail("GET", "/storage")
    with pytest.raises(requests.ConnectionError) as broken:
        requests.get(f"{vertex.address}/storage/v1/b/bucket", timeout=9)
    assert (is_lost(refused.value), is_lost(broken.value)) == (False, True)


def test_a_schedule_that_does_not_go_is_told(vertex, target, spec, monkeypatch):
    monkeypatch.setattr("pipeline.cloud.vertex_client.TIMEOUT_SECONDS", 0.3)
    create(target, spec)
    monkeypatch.setattr(vertex, "going", frozenset())
    vertex.routes = [
        (
            method,
            path,
            (lambda match, request: {"name": "operations/1"}) if method == "DELETE" else r,
        )
        for method, path, r in vertex.routes
    ]
    with pytest.raises(PlatformError, match=r"has not removed .*/schedules/\d+ within 0.3 s"):
        target.schedules.delete("nightly")


def test_a_server_that_never_answers_is_not_waited_for(vertex, target, spec, monkeypatch):
    run = target.submit(spec, PARAMETERS)
    monkeypatch.setattr("pipeline.cloud.vertex_client.TIMEOUT_SECONDS", 0.1)
    vertex.fail("GET", "/pipelineJobs/", times=99, silent_seconds=3)
    with pytest.raises(NoAnswerError, match=r"cannot be reached .*[Tt]imed out"):
        target.look(run.id)


def test_nobody_listening_is_told_at_once(place, spec, monkeypatch):
    nowhere = "http://127.0.0.1:9"
    target = VertexTarget(changed(place, address=nowhere))
    with pytest.raises(
        NoAnswerError, match=r"^Vertex AI cannot be reached at http://127.*refused\."
    ):
        target.submit(spec, PARAMETERS)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", nowhere)
    with pytest.raises(NoAnswerError, match=r"^Cloud Storage cannot be reached .*refused\."):
        target.submit(spec, PARAMETERS)


def test_expired_credentials_are_told(vertex, target, spec):
    vertex.fail("POST", "/token", 400, message="Token has been expired or revoked.", times=99)
    with pytest.raises(PlatformError, match=r"credentials expired or were withdrawn: .*. Run gcl"):
        target.submit(spec, PARAMETERS)


def test_missing_credentials_are_a_fault_of_the_configuration(place, monkeypatch):
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS")
    with pytest.raises(ConfigError, match=r"needs credentials of Google Cloud: .+ Run gcloud"):
        VertexTarget(place)


def test_a_missing_region_is_a_fault_of_the_configuration(place):
    with pytest.raises(ConfigError, match=r"deploy\.vertex\.region: must be given, such as europe"):
        VertexTarget(changed(place, region=""))


@pytest.mark.parametrize(
    ("root", "said"),
    [
        ("/data/root", "must be a bucket folder, gs://bucket/folder; got '/data/root'"),
        ("gs:///root", "must be a bucket folder, gs://bucket/folder; got 'gs:///root'"),
        ("gs://gone/root", "there is no gs://gone; make it with gcloud storage"),
    ],
)
def test_a_missing_bucket_is_a_fault_of_the_configuration(vertex, place, spec, root, said):
    target = VertexTarget(place.model_copy(update={"root": root}))
    with pytest.raises(ConfigError, match=said):
        target.submit(spec, PARAMETERS)
    with pytest.raises(ConfigError, match=said):
        create(target, spec)
    assert (vertex.jobs, vertex.kept) == ({}, {})


def test_the_specs_own_bucket_serves_where_none_is_configured(vertex, place, spec):
    run = VertexTarget(place.model_copy(update={"root": ""})).submit(spec, PARAMETERS)
    assert vertex.jobs[run.id].runtime_config.gcs_output_directory == "gs://bucket/root"


def test_a_missing_project_is_a_fault_of_the_configuration(place, tmp_path):
    account = json.loads((tmp_path / "account.json").read_text())
    del account["project_id"]
    (tmp_path / "account.json").write_text(json.dumps(account))
    with pytest.raises(ConfigError, match=r"deploy\.vertex\.project: must be given"):
        VertexTarget(place)


def test_a_bucket_that_may_not_be_looked_at_may_still_be_written_to(vertex, place, spec):
    vertex.fail("GET", "/storage", 403)
    VertexTarget(place).submit(spec, PARAMETERS)
    assert len(vertex.jobs) == 1

"""The compiled specifications executed, beside a run on this machine with the same seed.

On Vertex AI the search is asked for on two machines and the fit on one, so that both are custom
jobs, which TFX's own client starts. Kubeflow's run is one of a schedule, the first; two more follow
it, the second of which, behind a new span, is executed to the end of its fit: all behind that was
executed before. Heads are accepted: this is not about what 240 authors teach.
"""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import yaml
from command import TINY, read_summary, run_command, versions

SETTINGS = [
    *TINY,
    "training.epochs=1",
    "tuner={algorithm: random, trials: 2, epochs: 1}",
    "judging={accept: [age, gender]}",
]
JOBS = [
    "deploy.vertex.search={machine: n1-standard-4, parallel_trials: 2}",
    "deploy.vertex.training={machine: n1-standard-4, accelerator: NVIDIA_TESLA_T4}",
]
SPAN = 3
WHEN_DUE = ["--parameter", "train=when_due"]
# What the fit's inputs are made by.
TO_THE_FIT = [
    *("RetrainingPlanner", "PostsExampleGen", "HeadsSchema", "Transform", "Table", "Baseline"),
    *("Tuner", "Trainer"),
]


@pytest.fixture(scope="module", name="folder")
def execute_everywhere(tmp_path_factory):
    """`local`, and `rehearsal/<target>`; on Vertex AI the local run's model is in service."""
    folder = tmp_path_factory.mktemp("everywhere")
    assert run_command("sample", folder / "data", "--authors", 240).returncode == 0
    (folder / "data/posts.jsonl.gz").rename(folder / f"data/posts-{SPAN}.jsonl.gz")
    given = ["--posts", folder / "data/posts-{SPAN}.jsonl.gz"]
    given += ["--labels", folder / "data/labels.csv", "--heads", "age,gender"]
    rehearse = ["rehearse", *given, "--out", folder, "--side-by-side", 1]
    with ThreadPoolExecutor(2) as pool:
        kubeflow = pool.submit(
            run_command, *rehearse, "--target=kubeflow", *WHEN_DUE, settings=SETTINGS
        )
        local = run_command("run", *given, "--out", folder / "local", settings=SETTINGS)
        assert local.returncode == 0, local.stdout + local.stderr
        served = Path(read_summary(folder / "local")["serving_path"])
        shutil.copytree(served, folder / "rehearsal/vertex/serving/7")
        vertex = run_command(*rehearse, "--target=vertex", settings=[*SETTINGS, *JOBS])
        for target, done in (("vertex", vertex), ("kubeflow", kubeflow.result())):
            assert done.returncode == 0, f"{target}: {done.stdout}{done.stderr}"
            (folder / f"{target}.txt").write_text(done.stdout)
    return folder


@pytest.fixture(scope="module", name="again")
def execute_again(folder):
    """The schedule's next run on Kubeflow, in a folder of its own, beside the first one's."""
    again = folder / "again"
    for left in ("serving", "serving-history"):
        first = folder / "rehearsal/kubeflow" / left
        shutil.copytree(first, again / "rehearsal/kubeflow" / left)
    given = ["--posts", folder / "data/posts-{SPAN}.jsonl.gz"]
    given += ["--labels", folder / "data/labels.csv", "--heads", "age,gender", "--out", again]
    done = run_command("rehearse", *given, "--target=kubeflow", *WHEN_DUE, settings=SETTINGS)
    assert done.returncode == 0, done.stdout + done.stderr
    (again / "said.txt").write_text(done.stdout)
    return again


class Steps:
    """Hears how the steps end."""

    def __init__(self):
        self.done = []

    def told(self, step, state, seconds):
        self.done += [step] if state == "done" else []


@pytest.fixture(scope="module", name="third")
def execute_behind_a_new_span(folder, again):
    """The run after that: a newer span has come. Executed to the end of its fit."""
    from pipeline.deploy.rehearsal.places import find_places
    from pipeline.deploy.rehearsal.run import execute
    from pipeline.deploy.settings import DeploySettings

    data = folder / "data"
    shutil.copy(data / f"posts-{SPAN}.jsonl.gz", data / f"posts-{SPAN + 1}.jsonl.gz")
    here = again / "rehearsal/kubeflow"
    compiled = yaml.safe_load((here / "specification.yaml").read_text())
    tasks = compiled["root"]["dag"]["tasks"]
    for task in tasks.values():
        needed = task.get("dependentTasks", [])
        task["dependentTasks"] = [name for name in needed if name in TO_THE_FIT]
    compiled["root"]["dag"]["tasks"] = {name: tasks[name] for name in TO_THE_FIT}
    places = find_places(DeploySettings(root=compiled["defaultPipelineRoot"]), here)
    steps = Steps()
    content = yaml.safe_dump(compiled).encode()
    execute(content, "kubeflow", here, places, steps, {"train": "when_due"}, 1)
    assert sorted(steps.done) == sorted(TO_THE_FIT)
    return here / "root"


def answers(model):
    import tensorflow as tf

    posts = tf.constant(["had such a lovely day", "the team lost again\x1eback to work", ""])
    answer = tf.saved_model.load(str(model)).signatures["posts"](posts=posts)
    return {name: value.numpy() for name, value in answer.items()}


def newest(serving):
    return serving / max((name for name in versions(serving) if name.isdecimal()), key=int)


@pytest.mark.parametrize("target", ["kubeflow", "vertex"])
def test_the_pushed_model_answers_as_the_local_runs(folder, target):
    local = answers(read_summary(folder / "local")["serving_path"])
    pushed = newest(folder / f"rehearsal/{target}/serving")
    assert f"In service: {pushed}" in (folder / f"{target}.txt").read_text().replace("\n", "")
    found = answers(pushed)
    assert set(found) == set(local) and "age" in found
    for name, value in local.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


@pytest.mark.parametrize("target", ["kubeflow", "vertex"])
def test_every_step_ran_and_the_newest_span_was_read(folder, target):
    root = folder / f"rehearsal/{target}/root"
    text = (folder / f"{target}.txt").read_text()
    steps = {path.name for path in root.iterdir()}
    assert {*TO_THE_FIT, "RunReport"} <= steps
    assert all(f"{step} " in text for step in steps)
    assert (root / "RunReport/report/report.html").exists()
    kept = folder / f"rehearsal/{target}/serving-history/statistics/span-{SPAN}/Split-train"
    assert (kept / "FeatureStats.pb").exists()


def test_on_vertex_ai_search_and_fit_were_jobs_and_the_model_in_service_was_judged_against(folder):
    here = folder / "rehearsal/vertex"
    logs = {path.name for path in (here / "logs").glob("job-*")}
    # Two machines of the search, one of the fit.
    assert logs == {"job-1-0.log", "job-1-1.log", "job-2-0.log"}
    trials = json.loads((here / "root/Tuner/tuner_results/trials.json").read_text())
    assert [trial["status"] for trial in trials] == ["COMPLETED", "COMPLETED"]
    in_service = json.loads((here / "root/ModelInService/model/in_service.json").read_text())
    assert in_service == {"version": str(here / "serving/7")}
    verdict = json.loads((here / "root/HeadEvaluator/blessing/verdict.json").read_text())
    assert verdict["baseline"]["uri"] == str(here / "root/ModelInService/model")


def test_on_kubeflow_nothing_was_in_service_yet(folder):
    root = folder / "rehearsal/kubeflow/root"
    in_service = json.loads((root / "ModelInService/model/in_service.json").read_text())
    assert in_service == {"version": ""}
    verdict = json.loads((root / "HeadEvaluator/blessing/verdict.json").read_text())
    assert verdict["baseline"] is None


def test_the_first_run_of_a_schedule_trains_and_is_kept_for_the_next(folder):
    here = folder / "rehearsal/kubeflow"
    decision = json.loads((here / "root/RetrainingPlanner/decision/decision.json").read_text())
    assert [reason["kind"] for reason in decision["reasons"]] == ["first"]
    (kept,) = (here / "serving-history/runs").iterdir()
    record = json.loads((kept / "run.json").read_text())
    assert record["spans"] == [SPAN]
    assert record["version"] == int(newest(here / "serving").name)
    assert {path.name for path in kept.iterdir()} == {
        *("run.json", "FeatureStats.pb", "audit.json", "training.json"),
        *("best_hyperparameters.txt", "network"),
    }
    assert "Trained because: nothing was trained yet" in (
        here / "root/RunReport/report/report.html"
    ).read_text(encoding="utf-8")


def test_a_submitted_run_trains_whatever_there_is(folder):
    here = folder / "rehearsal/vertex/root"
    decision = json.loads((here / "RetrainingPlanner/decision/decision.json").read_text())
    assert decision["summary"] == "training: asked for"
    assert (decision["search"], decision["start"]) == (None, None)


def test_a_scheduled_run_without_a_reason_ends_behind_its_first_step(again):
    said = (again / "said.txt").read_text()
    assert f"nothing to do: no new span since {SPAN}" in said
    states = dict(line.split()[:2] for line in said.splitlines() if "  " in line)
    assert states.pop("RetrainingPlanner") == "done"
    assert set(states.values()) == {"skipped"}
    assert {"PostsExampleGen", "Trainer", "VersionedPusher", "RunKeeper", "RunReport"} <= set(
        states
    )
    before, now = (versions(f / "rehearsal/kubeflow/serving") for f in (again.parent, again))
    assert now == before


def test_a_new_span_is_trained_on_from_the_network_in_service_with_the_last_choice(again, third):
    kept = again / "rehearsal/kubeflow/serving-history"
    decision = json.loads((third / "RetrainingPlanner/decision/decision.json").read_text())
    assert [reason["kind"] for reason in decision["reasons"]] == ["new_spans"]
    assert decision["spans"] == [SPAN + 1]
    assert decision["changes"]["gender"]["distance"] == 0.0
    assert not decision["search"]["again"]
    (run,) = (kept / "runs").iterdir()
    training = json.loads((third / "Trainer/model_run/training.json").read_text())
    assert training["warm_start"]["source"] == str(run / "network")
    assert training["warm_start"]["anew"] == {}
    choice = third / "Tuner/best_hyperparameters/best_hyperparameters.txt"
    assert choice.read_bytes() == (run / "best_hyperparameters.txt").read_bytes()
    assert not (third / "Tuner/tuner_results/trials.json").exists()

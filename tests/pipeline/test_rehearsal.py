"""The compiled specifications executed, beside a run on this machine with the same seed.

On Vertex AI search and fit are asked for on two machines each, so that both are custom jobs, which
TFX's own client starts. Heads are accepted: this is not about what 240 authors teach.
"""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from command import TINY, read_summary, run_command, versions

SETTINGS = [
    *TINY,
    "training.epochs=1",
    "tuner={algorithm: random, trials: 2, epochs: 1}",
    "judging={accept: [age, gender]}",
]
JOBS = [
    "deploy.vertex.search={machine: n1-standard-4, parallel_trials: 2}",
    "deploy.vertex.training={machine: n1-standard-4, accelerator: NVIDIA_TESLA_T4, machines: 2}",
]
SPAN = 3


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
        kubeflow = pool.submit(run_command, *rehearse, "--target=kubeflow", settings=SETTINGS)
        local = run_command("run", *given, "--out", folder / "local", settings=SETTINGS)
        assert local.returncode == 0, local.stdout + local.stderr
        served = Path(read_summary(folder / "local")["serving_path"])
        shutil.copytree(served, folder / "rehearsal/vertex/serving/7")
        vertex = run_command(*rehearse, "--target=vertex", settings=[*SETTINGS, *JOBS])
        for target, done in (("vertex", vertex), ("kubeflow", kubeflow.result())):
            assert done.returncode == 0, f"{target}: {done.stdout}{done.stderr}"
            (folder / f"{target}.txt").write_text(done.stdout)
    return folder


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
        # Beam adds up in no fixed order, so the labels' mean differs in its last digit.
        np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=1e-7, err_msg=name)


@pytest.mark.parametrize("target", ["kubeflow", "vertex"])
def test_every_step_ran_and_the_newest_span_was_read(folder, target):
    root = folder / f"rehearsal/{target}/root"
    text = (folder / f"{target}.txt").read_text()
    steps = {path.name for path in root.iterdir()}
    assert {"PostsExampleGen", "Tuner", "Trainer", "ModelInService", "RunReport"} <= steps
    assert all(f"{step} " in text for step in steps)
    assert (root / "RunReport/report/report.html").exists()
    kept = folder / f"rehearsal/{target}/serving-history/statistics/span-{SPAN}/Split-train"
    assert (kept / "FeatureStats.pb").exists()


def test_on_vertex_ai_search_and_fit_were_jobs_and_the_model_in_service_was_judged_against(folder):
    here = folder / "rehearsal/vertex"
    logs = {path.name for path in (here / "logs").glob("job-*")}
    # Two machines of the search, two of the fit.
    assert logs == {f"job-{job}-{machine}.log" for job in (1, 2) for machine in (0, 1)}
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

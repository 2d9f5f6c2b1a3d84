"""Rehearsals of small hand-written specifications, whose containers are Python one-liners."""

from __future__ import annotations

import json
import os

import pytest

from pipeline.deploy.faults import SpecificationError
from pipeline.deploy.rehearsal.container import StepError
from pipeline.deploy.rehearsal.places import Places
from pipeline.deploy.rehearsal.run import execute
from pipeline.deploy.settings import TARGETS
from pipeline.deploy.specification import made_by, render

SCHEMA = {"artifactType": {"instanceSchema": "title: tfx.Model\ntype: object\n"}}
# A step that writes what it was given, and reports metadata.
ECHO = """
import json, pathlib, sys
given = json.loads(sys.argv[1])
(held,) = given["outputs"]["artifacts"]["out"]["artifacts"]
pathlib.Path(held["uri"], "given.json").write_text(sys.argv[1])
report = {"artifacts": {"out": {"artifacts": [{"metadata": METADATA}]}}}
pathlib.Path(given["outputs"]["outputFile"]).write_text(json.dumps(report))
"""


class Silent:
    def __init__(self):
        self.lines = []

    def told(self, step, state, seconds):
        self.lines.append((step, state))


def step(name, after=(), inputs=(), condition="", metadata="{}", code=ECHO, parameters=None):
    """A task with one output `out`; inputs are outputs of the tasks that they are named after."""
    return {
        "task": {
            "componentRef": {"name": name},
            "dependentTasks": [*after],
            "inputs": {
                "artifacts": {
                    one: {"taskOutputArtifact": {"producerTask": one, "outputArtifactKey": "out"}}
                    for one in inputs
                },
                "parameters": parameters or {},
            },
            **({"triggerPolicy": {"condition": condition}} if condition else {}),
        },
        "component": {
            "executorLabel": f"{name}_executor",
            "inputDefinitions": {
                "artifacts": dict.fromkeys(inputs, SCHEMA),
                "parameters": {n: {"parameterType": "STRING"} for n in parameters or {}},
            },
            "outputDefinitions": {"artifacts": {"out": SCHEMA}},
        },
        "executor": {
            "container": {
                "command": ["python", "-c"],
                "args": [code.replace("METADATA", metadata), "{{$}}"],
            }
        },
    }


def specification(target, declared=None, **steps):
    job = {
        "displayName": "small",
        "pipelineSpec": {
            "pipelineInfo": {"name": "small", "description": made_by()},
            "root": {
                "dag": {"tasks": {name: one["task"] for name, one in steps.items()}},
                "inputDefinitions": {"parameters": declared or {}},
            },
            "components": {name: one["component"] for name, one in steps.items()},
            "deploymentSpec": {
                "executors": {f"{name}_executor": one["executor"] for name, one in steps.items()}
            },
        },
        "platforms": {},
    }
    return render(job, target)


def run(content, target, folder, observer=None, places=(), **submitted):
    return execute(content, target, folder, Places(places), observer or Silent(), submitted)


def given_to(state, name):
    """The `ExecutorInput` that a step got."""
    with open(f"{state.artifacts[name, 'out']['uri']}/given.json") as file:
        return json.load(file)


@pytest.mark.parametrize("target", TARGETS)
def test_a_step_gets_what_an_earlier_one_left(tmp_path, target):
    content = specification(
        target,
        later=step("later", inputs=["first"]),
        first=step("first", metadata='{"blessed": 1, "note": "so"}'),
    )
    state = run(content, target, tmp_path)
    (artifact,) = given_to(state, "later")["inputs"]["artifacts"]["first"]["artifacts"]
    assert artifact["uri"] == state.artifacts["first", "out"]["uri"]
    assert artifact["metadata"]["blessed"] == 1.0 and artifact["metadata"]["note"] == "so"


def test_the_platforms_write_artifacts_in_their_own_ways(tmp_path):
    found = {}
    for target in TARGETS:
        content = specification(target, a=step("a"), b=step("b", inputs=["a"]))
        state = run(content, target, tmp_path / target)
        found[target] = given_to(state, "b")["inputs"]["artifacts"]["a"]["artifacts"][0]
    # Kubeflow's metadata client has no schema for what it hands on.
    assert found["kubeflow"]["type"] == {"instanceSchema": ""}
    assert found["kubeflow"]["name"].isdecimal()
    assert found["kubeflow"]["metadata"]["display_name"] == "out"
    assert found["vertex"]["type"] == SCHEMA["artifactType"]
    assert found["vertex"]["name"].startswith("projects/")


def test_kubeflow_cannot_keep_a_null(tmp_path):
    content = specification("kubeflow", a=step("a", metadata='{"x": None}'))
    with pytest.raises(StepError, match="no null in metadata; out has one in x"):
        run(content, "kubeflow", tmp_path)
    run(specification("vertex", a=step("a", metadata='{"x": None}')), "vertex", tmp_path / "v")


@pytest.mark.parametrize("target", TARGETS)
def test_a_condition_that_does_not_hold_skips_the_step_and_those_behind_it(tmp_path, target):
    blessed = "inputs.artifacts['judge'].artifacts[0].metadata['blessed'] == 1.0"
    observer = Silent()
    content = specification(
        target,
        judge=step("judge", metadata='{"blessed": 0}'),
        push=step("push", inputs=["judge"], condition=blessed),
        report=step("report", after=["push"]),
        beside=step("beside", inputs=["judge"], condition=f"!({blessed})"),
    )
    state = run(content, target, tmp_path, observer)
    assert state.skipped == {"push", "report"}
    assert ("beside", "done") in observer.lines and ("push", "skipped") in observer.lines


def test_parameters_are_defaults_constants_or_what_a_submission_gives(tmp_path):
    parameters = {
        "trials": {"componentInputParameter": "trials"},
        "push": {"componentInputParameter": "push"},
        "fixed": {"runtimeValue": {"constant": "gs://models/x"}},
    }
    declared = {
        "trials": {"parameterType": "NUMBER_INTEGER", "defaultValue": 12},
        "push": {"parameterType": "STRING", "defaultValue": "gs://models/serving"},
    }
    content = specification("vertex", declared, a=step("a", parameters=parameters))
    places = [("gs://models", str(tmp_path / "models"))]
    state = run(content, "vertex", tmp_path / "run", places=places, trials=2)
    assert given_to(state, "a")["inputs"]["parameterValues"] == {
        "trials": 2,
        "push": f"{tmp_path}/models/serving",
        "fixed": f"{tmp_path}/models/x",
    }
    with pytest.raises(SpecificationError, match=r"unknown parameters \['trails'\]"):
        run(content, "vertex", tmp_path / "run", trails=2)


def test_an_importer_needs_no_container(tmp_path):
    importer = step("earlier")
    importer["executor"] = {
        "importer": {
            "artifactUri": {"constant": "gs://models/old"},
            "typeSchema": SCHEMA["artifactType"],
        }
    }
    content = specification("kubeflow", earlier=importer, a=step("a", inputs=["earlier"]))
    state = run(content, "kubeflow", tmp_path, places=[("gs://models", "/models")])
    (artifact,) = given_to(state, "a")["inputs"]["artifacts"]["earlier"]["artifacts"]
    assert artifact["uri"] == "/models/old"


def test_on_vertex_ai_a_hook_changes_the_parameters_of_its_step(tmp_path):
    hook = """
import json, pathlib, sys
given = json.loads(sys.argv[1])
report = {"parameterValues": {"span": 7, "fingerprint": "x"}}
pathlib.Path(given["outputs"]["outputFile"]).write_text(json.dumps(report))
"""
    parameters = {"span": {"runtimeValue": {"constant": -1}}}
    hooked = step("a", parameters=parameters)
    lifecycle = {"preCacheCheck": {"command": ["python", "-c"], "args": [hook, "{{$}}"]}}
    hooked["executor"]["container"]["lifecycle"] = lifecycle
    state = run(specification("vertex", a=hooked), "vertex", tmp_path / "v")
    assert given_to(state, "a")["inputs"]["parameterValues"] == {"span": 7, "fingerprint": "x"}
    state = run(specification("kubeflow", a=hooked), "kubeflow", tmp_path / "k")
    assert given_to(state, "a")["inputs"]["parameterValues"] == {"span": -1}


def test_a_step_that_fails_is_named_with_its_error_and_log(tmp_path):
    content = specification(
        "vertex",
        a=step("a", code="raise ValueError('a rule; got 3. Do this.')"),
        b=step("b", inputs=["a"]),
    )
    with pytest.raises(
        StepError, match=r"^a ended with code 1: a rule; got 3\. Do this\. The log: "
    ):
        run(content, "vertex", tmp_path)
    assert not (tmp_path / "logs/b.log").exists()


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ({"a": step("a", after=["nobody"])}, r"a needs tasks that are not there: \['nobody'\]"),
        ({"a": step("a", after=["b"]), "b": step("b", after=["a"])}, "in a circle"),
        (
            {"a": step("a", parameters={"x": {"taskFinalStatus": {"producerTask": "b"}}})},
            "parameter x is neither",
        ),
    ],
)
def test_a_specification_that_does_not_fit_together_is_refused(tmp_path, steps, message):
    with pytest.raises(SpecificationError, match=message):
        run(specification("vertex", **steps), "vertex", tmp_path / "run")


def test_the_first_fault_ends_what_runs_beside_it(tmp_path):
    waits = """
import os, pathlib, time
pathlib.Path("partial").write_text(str(os.getpid()))
os.replace("partial", "pid")
time.sleep(600)
"""
    fails = """
import pathlib, time
while not pathlib.Path("pid").exists():
    time.sleep(0.1)
raise ValueError("so")
"""
    content = specification("vertex", a=step("a", code=waits), b=step("b", code=fails))
    with pytest.raises(StepError, match="b ended with code 1: so"):
        run(content, "vertex", tmp_path)
    # The containers' folder is that of their logs.
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "logs/pid").read_text()), 0)

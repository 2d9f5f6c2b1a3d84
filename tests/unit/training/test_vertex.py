"""The search as a job of several machines; the whole of it is rehearsed in tests/pipeline."""

from __future__ import annotations

import json
import os
from types import SimpleNamespace

import pytest
from tfx.utils import json_utils

from components.training import vertex
from components.training.search import with_trials
from components.training.settings import TunerSettings
from components.training.vertex import Machine, SearchWorker, read_machine

TWO = {"workerpool0": ["first:2222"], "workerpool1": ["second:2222", "third:2222"]}


def cluster(kind, index, pools=TWO):
    task = {"type": kind, "index": index}
    return json.dumps({"cluster": pools, "environment": "cloud", "task": task})


def test_each_machine_knows_itself_and_where_the_oracle_is():
    first = read_machine(cluster("workerpool0", 0))
    third = read_machine(cluster("workerpool1", 1))
    assert first == Machine("workerpool0-0", 3, True, "first:2222")
    assert third == Machine("workerpool1-1", 3, False, "first:2222")


def test_one_machine_is_alone():
    assert read_machine("").machines == 1
    assert read_machine(cluster("workerpool0", 0, {"workerpool0": ["a:1"]})).machines == 1


def test_a_submissions_number_of_trials_reaches_the_hook():
    custom = {"tuner": TunerSettings(trials=12, epochs=3).model_dump_json(), "heads": "[]"}
    given = {"custom_config": json_utils.dumps(custom), "trials": 2}
    found = json_utils.loads(with_trials(given)["custom_config"])
    settings = TunerSettings.model_validate_json(found["tuner"])
    assert (settings.trials, settings.epochs, found["heads"]) == (2, 3, "[]")
    assert (
        with_trials({"custom_config": given["custom_config"]})["custom_config"]
        == (given["custom_config"])
    )


def test_a_number_of_trials_must_be_positive():
    custom = {"tuner": TunerSettings().model_dump_json()}
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        with_trials({"custom_config": json_utils.dumps(custom), "trials": -3})


class Oracle:
    """A process that was started."""

    def __init__(self, code):
        self.returncode = code
        self.killed = False

    def wait(self):
        return self.returncode

    def kill(self):
        self.killed = True


@pytest.fixture(name="search")
def watch_search(monkeypatch):
    """The first of three machines; what its oracle and its own candidates do is set by the test."""
    monkeypatch.setattr(os, "environ", {**os.environ, "CLUSTER_SPEC": cluster("workerpool0", 0)})
    seen = SimpleNamespace(oracle=Oracle(0), written=[])
    monkeypatch.setattr(vertex, "_start_oracle", lambda machine: seen.oracle)
    monkeypatch.setattr(vertex, "write_search", lambda *args: seen.written.append(args))

    def run(candidates):
        monkeypatch.setattr(vertex, "_search", lambda *args: candidates())
        SearchWorker(None).Do({}, {}, {})

    seen.run = run
    return seen


def test_the_oracle_writes_and_the_machines_do_not(search):
    variables = {}
    search.run(lambda: variables.update(os.environ))
    assert search.written == []
    assert variables["KERASTUNER_ORACLE_IP"] == "first"
    assert variables["KERASTUNER_ORACLE_PORT"] == "2222"
    assert variables["KERASTUNER_TUNER_ID"] == "workerpool0-0"


def test_where_its_candidates_fail_a_machine_ends_its_oracle(search):
    """Else the job would wait for the oracle without end."""

    def fail():
        raise MemoryError("too wide")

    with pytest.raises(MemoryError, match="too wide"):
        search.run(fail)
    assert search.oracle.killed


def test_an_oracle_that_failed_fails_the_machine(search):
    search.oracle = Oracle(3)
    with pytest.raises(RuntimeError, match="ended with code 3"):
        search.run(lambda: None)

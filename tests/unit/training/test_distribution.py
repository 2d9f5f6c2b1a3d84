"""Several devices, several workers: the result of one, also where a worker was killed in between.

Each training is a process of its own: TensorFlow is told once of devices and workers.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from components.training.distribution import choose_strategy, count_workers, fill_batch

ROOT = Path(__file__).parents[3]
WORKER = Path(__file__).with_name("training_worker.py")
KINDS = ("conv", "reference")
TOLERANCE = 1e-5
PATIENCE_SECONDS = 1800


def cluster(index=0, role="worker", hosts=("a:2222", "b:2222")):
    return json.dumps({"cluster": {role: hosts}, "task": {"type": role, "index": index}})


def start(folder, name, *arguments, **variables):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    command = [sys.executable, str(WORKER), str(folder), name, *arguments]
    with (folder / f"{name}.log").open("ab") as log:
        return subprocess.Popen(command, env=environment, stdout=log, stderr=log)


def free_hosts():
    """Two addresses; held together until both are known, so they differ."""
    with socket.socket() as first, socket.socket() as second:
        for probe in (first, second):
            probe.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{probe.getsockname()[1]}" for probe in (first, second)]


def end(*processes):
    """Their codes; none outlives the test."""
    try:
        return [process.wait(PATIENCE_SECONDS) for process in processes]
    finally:
        for process in processes:
            process.kill()


def start_workers(folder, name, dying=()):
    hosts = free_hosts()
    return [
        start(folder, name, *arguments, TF_CONFIG=cluster(index, hosts=hosts))
        for index, arguments in enumerate(((), dying))
    ]


@pytest.fixture(scope="module", name="folder")
def train_alone(tmp_path_factory):
    """Two splits, and in `alone` what one device makes of them."""
    folder = tmp_path_factory.mktemp("workers")
    assert end(start(folder, "alone")) == [0], (folder / "alone.log").read_text()
    return folder


def assert_as_one(folder, name):
    """Weights of the best epoch, and every epoch's metrics on `eval`."""
    for kind in KINDS:
        one, several = (np.load(folder / place / f"{kind}.npz") for place in ("alone", name))
        assert set(one.files) == set(several.files)
        for key in one.files:
            np.testing.assert_allclose(several[key], one[key], atol=TOLERANCE, err_msg=kind)
        states = [
            json.loads((folder / place / f"{kind}.json").read_text()) for place in ("alone", name)
        ]
        assert states[1]["best_epoch"] == states[0]["best_epoch"]
        epochs = zip(*(state["history"] for state in states), strict=True)
        for expected, found in epochs:
            judged = [key for key in expected if key.endswith(("_skill", "_known.loss"))]
            judged = [key for key in judged if key.startswith("val_")]
            assert len(judged) == 7
            for key in judged:
                assert found[key] == pytest.approx(expected[key], abs=TOLERANCE), key


def test_two_devices_train_what_one_does(folder):
    assert end(start(folder, "devices")) == [0], (folder / "devices.log").read_text()
    assert_as_one(folder, "devices")
    alone, (first, second) = (
        json.loads((folder / f"{name}.seeds.json").read_text()) for name in ("alone", "devices")
    )
    # The seed of a layer, and the epoch to which each draw has added one.
    assert alone == [first] and first[1] == second[1] > 3
    assert first[0] != second[0]


def test_two_workers_one_of_them_killed_train_what_one_does(folder):
    log = folder / "killed.log"
    survivor, victim = start_workers(folder, "killed", dying=("2",))
    try:
        assert end(victim) == [-signal.SIGKILL], log.read_text()
        assert end(survivor) == [1], log.read_text()
    finally:
        survivor.kill()
    left = json.loads((folder / "killed/conv/state.json").read_text())
    assert 1 <= left["next_epoch"] <= 2
    assert not (folder / "killed/conv.npz").exists()
    again = start_workers(folder, "killed")
    assert end(*again) == [0, 0], log.read_text()
    assert log.read_text().count(f"resuming after epoch {left['next_epoch']} of 4") == 2
    assert_as_one(folder, "killed")


def test_a_batch_is_filled_up_with_authors_that_do_not_count():
    inputs = {"tokens": tf.ones([3, 5], tf.int32), "a.offset": tf.ones([3, 2])}
    batch = (inputs, {"a": tf.ones([3, 1])}, {"a": tf.constant([1.0, 0.0, 1.0])})
    filled, targets, weights = fill_batch(*batch, replicas=2, scale=True)
    assert filled["tokens"].shape == (4, 5) and targets["a"].shape == (4, 1)
    np.testing.assert_array_equal(filled["a.offset"], [[1, 1]] * 3 + [[0, 0]])
    # A mean over 4 rows is 3/4 of that over 3.
    np.testing.assert_allclose(weights["a"], [4 / 3, 0, 4 / 3, 0], rtol=1e-6)
    np.testing.assert_array_equal(
        fill_batch(*batch, replicas=2, scale=False)[2]["a"], [1.0, 0.0, 1.0, 0.0]
    )
    assert fill_batch(*batch, replicas=3, scale=True)[0]["tokens"].shape == (3, 5)


def test_workers_are_counted():
    assert count_workers(None) == 1
    assert count_workers('{"environment": "cloud", "task": {}}') == 1
    assert count_workers(cluster(role="chief", hosts=["a:1"])) == 1
    assert count_workers(cluster(index=1)) == 2
    both = {"chief": ["a:1"], "worker": ["b:1", "c:1"]}
    assert count_workers(json.dumps({"cluster": both, "task": {"type": "worker", "index": 1}})) == 3


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "JSONDecodeError"),
        ("[]", "AttributeError"),
        ('{"cluster": {"worker": ["a:1", "b:1"]}}', "KeyError: 'type'"),
        (cluster(index=2), "the task is not in the cluster"),
        (cluster(hosts=["a", "b"]), "a host has no port"),
        (cluster(role="ps"), "nothing here does the work of ps"),
    ],
)
def test_an_unusable_variable_is_one_clear_error(text, why):
    with pytest.raises(ValueError, match="TF_CONFIG must not be set, or name a cluster") as error:
        count_workers(text)
    assert why in str(error.value)


def test_workers_that_meet_too_late_are_one_clear_error(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", cluster())
    assert float(tf.constant(1.0)) == 1.0
    with pytest.raises(ValueError, match="before TensorFlow is used") as error:
        choose_strategy("auto", os.environ["TF_CONFIG"])
    assert "unset TF_CONFIG" in str(error.value)

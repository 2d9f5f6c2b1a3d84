"""The command with runs that end in libraries' errors about records: nothing quotes them.

Each is a real error of the library, of which the test asserts first that it quotes the record.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SECRET = "author-0815-dear-diary"

# The command itself, whose run does what the test says in place of training.
RUN = """
import logging, sys, threading, traceback, types
from pathlib import Path
SECRET = "author-0815-dear-diary"
library = logging.getLogger("library")

def beam_run(function, *arguments):
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions
    with beam.Pipeline(options=PipelineOptions(list(arguments))) as pipeline:
        pipeline | beam.Create([SECRET]) | beam.Map(function)

def workers():
    from pipeline.beam import BeamSettings, beam_arguments
    return beam_arguments(BeamSettings(parallelism=2))

def key(author):
    return {}[author]

def tensorflow(author):
    import tensorflow as tf
    return tf.strings.to_number(tf.constant([author]))

def graph(author):
    import tensorflow as tf
    return tf.function(lambda text: tf.strings.to_number(text))(tf.constant([author]))

def arrow(author):
    import pyarrow
    return pyarrow.array([author]).cast(pyarrow.int64())

def tfma_metric(author):
    import tfx
    from tensorflow_model_analysis.metrics import metric_types, metric_util
    extracts = {"labels": {"age": [1.0]}, "predictions": [2.0], "features": {"author_id": [author]}}
    inputs = metric_types.StandardMetricInputs(extracts)
    return list(metric_util.to_label_prediction_example_weight(inputs, output_name="age"))

def logs_an_error(author):
    try:
        int(author)
    except ValueError as error:
        library.warning("a batch failed: %s", error)
        library.warning(f"a batch failed: {error}")
        library.exception("a batch failed")
        library.error(traceback.format_exc())
        logging.getLogger("authorprofile.library").warning("a batch failed: %s", error)
        traceback.print_exc()
        print(traceback.format_exc(), file=sys.stderr)

def in_a_thread(author):
    thread = threading.Thread(target=int, args=(author,))
    thread.start()
    thread.join()

WAYS = {
    "a key in Beam": lambda: beam_run(key),
    "a key in a worker process": lambda: beam_run(key, *workers()),
    "TensorFlow in Beam": lambda: beam_run(tensorflow),
    "a graph": lambda: graph(SECRET),
    "Arrow": lambda: arrow(SECRET),
    "a metric of TFMA in Beam": lambda: beam_run(tfma_metric),
    "a library's log": lambda: logs_an_error(SECRET),
    "a thread": lambda: in_a_thread(SECRET),
}

def run_local(config, observer):
    told, quoted = [], []
    for name, fail in WAYS.items():
        observer.stage_started("HeadEvaluator")
        try:
            fail()
        except Exception as error:
            logging.getLogger("pipeline.observed").exception(name)
            told.append(name)
            if SECRET in "".join(traceback.format_exception(error)):
                quoted.append(name)
    print("told", len(told), "quoted", len(quoted))
    observer.stage_started("Trainer")
    WAYS["a metric of TFMA in Beam"]()

local = types.ModuleType("pipeline.local")
local.run_local = run_local
sys.modules["pipeline.local"] = local
from pipeline.cli import main
main()
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What the terminal and the log hold."""
    folder = tmp_path_factory.mktemp("guarded")
    for name in ("posts.jsonl", "labels.csv"):
        (folder / name).touch()
    words = ["run", "--posts", "posts.jsonl", "--labels", "labels.csv", "--out", "out"]
    environment = {name: value for name, value in os.environ.items() if name[:3] != "TF_"}
    done = subprocess.run(
        [sys.executable, "-c", RUN, *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=environment,
    )
    (log,) = (folder / "out/logs").iterdir()
    assert done.returncode == 1, done.stderr
    return done.stdout, done.stderr, log.read_text()


def test_no_librarys_error_takes_a_record_to_the_terminal_or_the_log(told):
    console, errors, log = told
    assert "told 6 quoted 6" in log
    assert SECRET not in console
    assert errors == ""
    assert SECRET not in log


def test_the_terminal_names_the_error_and_where_it_was_raised(told):
    console, _, _ = told
    said = " ".join(console.split())
    assert "training failed: ValueError at tensorflow_model_analysis/utils/util.py:" in said


@pytest.mark.parametrize(
    ("line", "times"),
    [
        ("KeyError: (text withheld", 4),
        ("InvalidArgumentError: (text withheld", 3),
        ("pyarrow.lib.ArrowInvalid: (text withheld", 1),
        ("tensorflow_model_analysis/metrics/metric_util.py", 2),
        ("a batch failed: (text withheld", 1),
        ("WARNING library: a batch failed: ValueError at ", 1),
        ("in logs_an_error", 4),
    ],
)
def test_the_log_keeps_what_a_fault_is_found_by(told, line, times):
    _, _, log = told
    assert log.count(line) >= times, log[-6000:]

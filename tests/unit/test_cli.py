"""The command line and the configuration: wrong words end with code 2 and say what is allowed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline.causes import statement
from pipeline.cli import cli
from pipeline.config import ConfigError, load_config, settings_as_yaml

GIVEN = {"posts": ["posts.jsonl"], "labels": ["labels.csv"]}
COMMAND = str(Path(sys.executable).parent / "authorprofile")


def run_command(*words, **options):
    return subprocess.run([COMMAND, *words], capture_output=True, text=True, check=False, **options)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run"], "posts: must be given"),
        (["run", "--bogus"], "No such option"),
        (["run", "nowhere.yaml"], "nowhere.yaml cannot be read"),
        (["run", "--posts", "none*", "--labels", "none"], "no file matches none*"),
        (["sample", "x", "--authors", "0"], "--authors"),
        (["predict"], "--model"),
        (["predict", "--model", "x", "--output", "a.csv"], "--output needs FILEs"),
        (["predict", "--model", "x", "--force", "p.csv"], "--force replaces an --output"),
        (["predict", "--model", "x", "--beam-runner", "flink", "p.jsonl"], "give an --output"),
        (["run", "--beam-runner", "prism"], "'direct', 'flink', 'spark', 'dataflow'"),
    ],
)
def test_wrong_usage_ends_with_code_2(words, said):
    done = run_command(*words)
    assert done.returncode == 2
    assert said in done.stderr


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"posts": "posts.txt"}, "A file's ending names its format"),
        ({"posts": "labels.csv"}, "is named as both"),
        ({"posts": "folder"}, "folder is a folder. Give the files in it, such as"),
        ({"out": "labels.csv/out"}, "out: must be a folder that can be written"),
        ({"hyperparameters_from": "gone/best_hyperparameters.txt"}, "hyperparameters_from: must"),
        ({"hyperparameters_from": "labels.csv"}, "hyperparameters_from: must be the file"),
        ({"reachable": "gone.json"}, "reachable: gone.json cannot be read"),
    ],
)
def test_what_is_not_there_to_be_read_or_written_is_wrong_usage(tmp_path, changes, said):
    (tmp_path / "folder").mkdir()
    for name in ("posts.jsonl", "posts.txt", "labels.csv"):
        (tmp_path / name).touch()
    given = {"posts": "posts.jsonl", "labels": "labels.csv", "out": "out", **changes}
    words = [
        word
        for key, value in given.items()
        for word in (
            (f"--{key}", value)
            if key in ("posts", "labels", "out")
            else ("--set", f"{key}={value}")
        )
    ]
    done = run_command("run", *words, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        ("age: the rule [while running 'Read/ReadFile']", "age: the rule"),
        ("Rule.\n  empty text: 3\nDo this.", "Rule.\n  empty text: 3\nDo this."),
        (
            "Traceback (most recent call last):\n"
            '  File "worker.py", line 7, in process\n    yield parse(line)\n          ^^^^^\n'
            "OSError: old\n\nDuring handling of the above exception, another occurred:\n\n"
            "Traceback (most recent call last):\n"
            '  File "join.py", line 9, in run\n    raise error\n'
            "components.ingest.checks.JoinError: The rule.\n  a cause: 3 [while running 'Join']\n",
            "The rule.\n  a cause: 3",
        ),
        (
            "Graph execution error:\n\nDetected at node embedding defined at (most recent call "
            'last):\n  File "runpy.py", line 196, in _run\n\n  File "tuner.py", line 88, in fit'
            "\n\nindices[0,2] = 61 is not in [0, 50)\n\t [[{{node embedding}}]] [Op:__f_1]",
            "indices[0,2] = 61 is not in [0, 50)",
        ),
    ],
)
def test_an_error_is_told_without_the_engines_frames(message, cause):
    assert statement(message) == cause


# The command itself, with a run that ends as the test says in place of one that takes minutes.
ENDED = """
import sys, types
local = types.ModuleType("pipeline.local")
def run_local(config, observer):
    observer.stage_started("Trainer")
    if END == "error":
        from components.report.record import read_rows
        try:
            read_rows("[1]")
        except ValueError as error:
            raise RuntimeError("the frame") from error
    head = dict(name="age", kind="regression", metrics={}, constant={}, accepted=False,
                skill={"value": None}, blessed=END != "unblessed", reason="falls short")
    verdict = dict(blessed=END != "unblessed", confidence=0.95, authors=9, split="test",
                   heads=[head])
    return types.SimpleNamespace(verdict=verdict, check={}, hyperparameters={}, training={},
                                 pushed=END == "pushed", serving_path="serving/1",
                                 report="report.html")
local.run_local = run_local
sys.modules["pipeline.local"] = local
from pipeline.cli import main
main()
"""


@pytest.mark.parametrize(
    ("end", "code", "said"),
    [
        ("pushed", 0, "In service: serving/1"),
        ("unblessed", 3, "age blocked: it falls short."),
        ("unsound", 1, "Not pushed"),
        ("error", 1, "training failed: comparison.json must be a list of rows"),
    ],
)
def test_the_exit_code_tells_how_a_run_ended(tmp_path, end, code, said):
    for name in ("posts.jsonl", "labels.csv"):
        (tmp_path / name).touch()
    words = ["run", "--posts", "posts.jsonl", "--labels", "labels.csv", "--out", "out"]
    done = subprocess.run(
        [sys.executable, "-c", f"END = {end!r}\n{ENDED}", *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert (done.returncode, done.stderr) == (code, "")
    assert said in done.stdout
    assert "Traceback" not in done.stdout
    (log,) = (tmp_path / "out/logs").iterdir()
    assert ("Traceback" in log.read_text()) == (end == "error")


@pytest.mark.parametrize(
    "command",
    ["--help", "run --help", "run", "serve --help", "serve", "settings", "report nowhere"],
)
def test_help_and_usage_errors_import_no_tensorflow(command):
    code = (
        "import sys\nfrom pipeline.cli import cli\n"
        f"try:\n cli({command.split()!r})\nexcept SystemExit:\n pass\n"
        "heavy = {'tensorflow', 'tfx', 'apache_beam', 'keras', 'numpy'} & set(sys.modules)\n"
        "sys.exit(7 if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("training.epoch=3", "training.epoch: unknown key; allowed here: batch_size"),
        ("training.epochs=x", 'training.epochs: must be a whole number, at least 1; got "x"'),
        ("metadata.kind=oracle", "'sqlite', 'mysql', 'postgresql'"),
        ("ingest.splits.train=0.5", "train + eval + test must be 1; they are 0.7"),
        ("judging.accept=[foo]", "judging.accept names ['foo']; the heads are ['age'"),
        ("heads.gender.positive=male", "positive and negative must differ"),
        ("heads.age.maximum=.nan", "minimum 0.0 must be below maximum nan"),
        ("judging.age_bands=[50, 25]", "judging.age_bands: must ascend; got [50, 25]"),
        ("judging.age_bands=[.nan]", "judging.age_bands: must ascend"),
        ("tuner.space.dropout=[0.2, 1]", "tuner.space.dropout.1: must be below 1; got 1"),
        ("training.loss_weights.age=.inf", "loss weight of age must be above 0 and finite"),
        ("heads={age: null, income: null, gender: null}", "at least one head"),
        ("nonsense", "--set takes key=value"),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_allowed(assignment, said):
    with pytest.raises(ConfigError) as error:
        load_config(None, [assignment], **GIVEN)
    assert said in str(error.value)


def test_heads_are_chosen_and_changed_by_name():
    config = load_config(
        None, ["heads.gender={positive: 2, negative: 1}"], ["gender", "age"], **GIVEN
    )
    assert list(config.heads) == ["gender", "age"]
    assert (config.heads["gender"].positive, config.heads["gender"].negative) == ("2", "1")


def test_a_head_that_is_not_declared_is_refused():
    with pytest.raises(ConfigError, match="age, income, gender"):
        load_config(None, [], ["age", "mood"], **GIVEN)


def test_paths_of_a_file_start_at_its_folder_and_the_command_line_wins(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("posts: [a.jsonl]\nlabels: [/b.csv]\ntraining: {epochs: 7, patience: 2}\n")
    config = load_config(path, ["training.epochs=9"])
    assert config.posts == [str(tmp_path / "a.jsonl")]
    assert config.labels == ["/b.csv"]
    assert (config.training.epochs, config.training.patience) == (9, 2)


def test_every_setting_is_printed_with_its_meaning_and_read_back(tmp_path):
    text = settings_as_yaml()
    assert "# None" not in text
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    printed = load_config(path)
    defaults = load_config(None, **GIVEN)
    for key in ("heads", "training", "tuner", "judging", "ingest", "network", "metadata"):
        assert getattr(printed, key) == getattr(defaults, key), key


def test_an_interrupt_ends_any_command_without_a_traceback(tmp_path):
    process = subprocess.Popen(
        [COMMAND, "sample", tmp_path / "data", "--authors", "1000000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while process.poll() is None and not list(tmp_path.glob(".data-*/posts.jsonl.gz")):
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=300)
    assert (process.returncode, output, errors.strip()) == (130, "", "Interrupted.")
    assert list(tmp_path.glob(".data-*")) == []


@pytest.mark.parametrize("empty", ["", "  "])
@pytest.mark.parametrize(
    "words",
    [
        ["run", "--out"],
        ["run", "--posts"],
        ["audit", "--labels"],
        ["retrain", "--out"],
        ["predict", "--model"],
        ["predict", "--model", "m", "p.csv", "--output"],
        ["predict", "--model", "m"],
        ["serve", "--model"],
        ["models", "list", "--model"],
        ["report"],
        ["sample"],
        ["run"],
        ["compile", "--target", "vertex", "--out"],
        ["schedule", "serve", "--folder"],
    ],
)
def test_an_empty_path_is_refused(words, empty):
    done = CliRunner().invoke(cli, [*words, empty])
    assert (done.exit_code, done.exception.__class__) == (2, SystemExit)
    assert "must name a file or a folder; it is empty." in done.output


@pytest.mark.parametrize(("key", "value"), [("out", "' '"), ("posts", "['']"), ("labels", "[]")])
def test_an_empty_path_of_a_setting_is_refused(key, value):
    with pytest.raises(ConfigError, match=rf"^{key}: must name "):
        load_config(None, [f"{key}={value}"], **GIVEN)


@pytest.mark.parametrize("command", ["audit", "run", "retrain", "rehearse", "schedule"])
@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("runs [v1]", "its path has [, which Beam"),
        ("runs */x", "its path has *, which Beam"),
        ("why?", "its path has ?, which Beam"),
        ("a\\b", "its path has \\, which Beam"),
        ("/".join(["x" * 120] * 4), "its whole path may take 480 bytes"),
        ("x" * 256, "File name too long"),
        (os.fsdecode(b"\xff"), "its path must be UTF-8 text"),
    ],
)
def test_a_folder_that_no_run_can_use_is_refused_before_any_work(
    tmp_path, monkeypatch, command, name, rule
):
    monkeypatch.chdir(tmp_path)
    for file in ("posts.jsonl", "labels.csv"):
        Path(file).touch()
    words = {
        "schedule": ["schedule", "create", "nightly", "--cron", "0 3 * * *"],
        "rehearse": ["rehearse", "--target", "vertex"],
    }.get(command, [command])
    given = ["--posts", "posts.jsonl", "--labels", "labels.csv", "--out", name]
    done = CliRunner().invoke(cli, [*words, *given])
    assert (done.exit_code, done.exception.__class__) == (2, SystemExit)
    assert rule in done.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labels.csv", "posts.jsonl"]

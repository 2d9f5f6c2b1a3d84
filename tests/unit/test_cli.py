"""The command line and the configuration: wrong words end with code 2 and say what is allowed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.config import ConfigError, load_config, settings_as_yaml

GIVEN = {"posts": ["posts.jsonl"], "labels": ["labels.csv"]}
COMMAND = str(Path(sys.executable).parent / "authorprofile")


def run_command(*words):
    return subprocess.run([COMMAND, *words], capture_output=True, text=True, check=False)


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
    ],
)
def test_wrong_usage_ends_with_code_2(words, said):
    done = run_command(*words)
    assert done.returncode == 2
    assert said in done.stderr


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
        ("training.epochs=x", "training.epochs: Input should be a valid integer"),
        ("metadata.kind=oracle", "'sqlite', 'mysql', 'postgresql'"),
        ("ingest.splits.train=0.5", "train + eval + test must be 1; they are 0.7"),
        ("judging.accept=[foo]", "judging.accept names ['foo']; the heads are ['age'"),
        ("heads.gender.positive=male", "positive and negative must differ"),
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
    output, errors = process.communicate()
    assert (process.returncode, output, errors.strip()) == (130, "", "Interrupted.")
    assert list(tmp_path.glob(".data-*")) == []

"""The commands that the page on schedules shows, run as they are written, in their order.

`serve`, `run-now` and `retrain` run what trains; `tests/schedule` and `tests/pipeline` run those.
"""

import json
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline.cli import cli
from pipeline.config import load_config

PAGE = Path(__file__).parents[3] / "docs/schedule.md"
RUN_ELSEWHERE = {"serve", "run-now", "retrain"}
BUCKET = "gs://"


def shown():
    """The page's commands, each as its words."""
    lines = re.findall(r"^    authorprofile (.*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return [shlex.split(line) for line in lines]


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A folder with the configuration and the versions that the page speaks of."""
    (tmp_path / "posts.jsonl").write_text("{}\n")
    (tmp_path / "labels.csv").write_text("author_id,age\n")
    (tmp_path / "config.yaml").write_text("posts: [posts.jsonl]\nlabels: [labels.csv]\n")
    for version in (1795486260, 1795572660, 1795659060):
        folder = tmp_path / f"runs/default/serving/{version}"
        (folder / "assets").mkdir(parents=True)
        (folder / "saved_model.pb").touch()
        heads = {"separator": "|", "heads": [{"name": "age", "kind": "regression"}]}
        (folder / "assets/heads.json").write_text(json.dumps(heads))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AUTHORPROFILE_SCHEDULES", raising=False)


def test_every_command_of_the_page_does_what_it_says(workplace):
    ran = []
    for words in shown():
        # `tests/unit/serving/test_bucket.py` has what is done in a bucket.
        if not RUN_ELSEWHERE & set(words[:2]) and BUCKET not in " ".join(words):
            done = CliRunner().invoke(cli, words)
            assert done.exit_code == 0, (words, done.output)
            ran.append(" ".join(words[:2]))
    assert ran == [
        "schedule create",
        "schedule list",
        "schedule pause",
        "schedule resume",
        "schedule delete",
        "models list",
        "models rollback",
        "models rollback",
    ]


def test_the_commands_that_are_run_elsewhere_exist_as_they_are_written():
    for words in shown():
        if RUN_ELSEWHERE & set(words[:2]):
            command = cli
            for word in words:
                command = getattr(command, "commands", {}).get(word, command)
            flags = {flag for parameter in command.params for flag in parameter.opts}
            assert {word for word in words if word.startswith("--")} <= flags


@pytest.mark.parametrize(
    "window", re.findall(r"^      window: (\{.*\})", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
)
def test_every_window_of_the_page_is_a_setting(window):
    given = {"posts": ["p"], "labels": ["l"]}
    assert load_config(None, [f"ingest.window={window}"], **given).ingest.window.leave_out in (
        [],
        [20417],
    )


def complaints(folder, unit):
    """What systemd says of a unit."""
    path = folder / "authorprofile.service"
    path.write_text(unit)
    words = ["systemd-analyze", "verify", "--man=no", str(path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return [line for line in (done.stdout + done.stderr).splitlines() if path.name in line]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not here")
def test_systemd_takes_the_unit_of_the_page(tmp_path):
    (shown_unit,) = re.findall(
        r"^    \[Unit\]\n(?:    .*\n|\n)+", PAGE.read_text(encoding="utf-8"), re.MULTILINE
    )
    # The paths of the page are another machine's.
    programs = str(Path(sys.executable).parent)
    unit = textwrap.dedent(shown_unit).replace("/srv/authorprofile/.venv/bin", programs)
    unit = unit.replace("/srv/authorprofile", str(tmp_path))
    if not complaints(tmp_path, unit.replace("KillMode=mixed", "KillMode=mixt")):
        pytest.skip("systemd-analyze does not work here: it finds no planted fault")
    assert complaints(tmp_path, unit) == []


def test_every_setting_that_the_page_names_is_there_with_the_default_it_tells():
    config = load_config(None, posts=["p"], labels=["l"])
    text = PAGE.read_text(encoding="utf-8")
    rows = dict(re.findall(r"\| `(\w+)` \| ([\d.]+|none) \|$", text, re.MULTILINE))
    assert len(rows) == 4
    for name, default in rows.items():
        value = getattr(config.retraining, name)
        assert ("none" if value is None else f"{value:g}") == default
    for name, default in re.findall(r"`(search_\w+)`\s\(([\d.]+)\)", text):
        assert f"{getattr(config.retraining, name):g}" == default

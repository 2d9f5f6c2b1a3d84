"""The peers of the benchmarks: their pinned environments, and what is said where one is missing."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest

from benchmarks.networks import environments
from benchmarks.networks.contenders import ContenderError
from benchmarks.networks.environments import (
    REQUIREMENTS,
    PeerError,
    find_python,
    make_environment,
)
from benchmarks.networks.roster import CONTENDERS, KERAS, OWN, ask_each, start_contenders

NO_SUCH_VERSION = "# python 3.999\nnumpy==2.4.6\n"
THIS_VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"


@pytest.fixture
def pyenv(tmp_path, monkeypatch):
    """A folder of pyenv's with no version, and nothing on PATH."""
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path / "pyenv"


def write_python(path: Path, says: str) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(f"#!/bin/sh\n{says}\n")
    path.chmod(0o755)


def test_a_contender_names_a_module_and_a_peer_whose_versions_are_pinned():
    assert {KERAS, OWN, "Ludwig"} <= set(CONTENDERS)
    for module, _, peer in CONTENDERS.values():
        assert importlib.util.find_spec(f"benchmarks.networks.{module}") is not None
        if peer:
            lines = (REQUIREMENTS / f"{peer}.txt").read_text().splitlines()
            packages = [line for line in lines if not line.startswith("#")]
            assert [line for line in packages if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []


def test_a_python_of_pyenv_is_found_where_path_has_none_of_its_version(pyenv):
    python = pyenv / f"versions/{THIS_VERSION}.1/bin/python"
    write_python(python, f'exec {sys.executable} "$@"')
    assert find_python(f"# python {THIS_VERSION}\nnumpy==2.4.6\n") == str(python)
    assert find_python("numpy==2.4.6\n") == sys.executable


def test_a_python_that_does_not_run_or_is_another_is_as_good_as_none(pyenv, tmp_path):
    write_python(tmp_path / "bin/python3.999", "exit 127")
    write_python(pyenv / "versions/3.999.0/bin/python", "echo 3.8")
    with pytest.raises(PeerError, match=r"needs Python 3\.999, .*python3\.999 on PATH"):
        find_python(NO_SUCH_VERSION)


def test_a_peer_without_its_python_is_left_out_and_the_note_says_why(pyenv, monkeypatch, tmp_path):
    (tmp_path / "ludwig.txt").write_text(NO_SUCH_VERSION)
    monkeypatch.setattr(environments, "REQUIREMENTS", tmp_path)
    monkeypatch.setattr(environments, "FOLDER", tmp_path / "peers")
    with start_contenders(["Ludwig"], tmp_path / "corpus.npz") as (running, notes):
        assert running == {}
    assert notes[0].startswith("Ludwig was not measured: it needs Python 3.999")


def test_a_contender_that_ends_is_left_out_and_the_others_answer():
    class One:
        closed = False

        def ask(self, request, of):
            return 2 * of

        def close(self):
            self.closed = True

    class Ending(One):
        def ask(self, request, of):
            raise ContenderError("ended")

    ending, notes = Ending(), []
    running = {"PyTorch compiled float32": ending, KERAS: One()}
    assert ask_each(running, notes, "double", of=21) == {KERAS: 42}
    assert (list(running), ending.closed) == ([KERAS], True)
    assert notes[0].startswith("PyTorch compiled float32 was not measured: it ended at 'double'")


def test_an_environment_is_installed_once_and_again_when_its_versions_change(monkeypatch, tmp_path):
    requirements = tmp_path / "ludwig.txt"
    requirements.write_text("numpy==2.4.6\n")
    installed = []
    monkeypatch.setattr(environments, "REQUIREMENTS", tmp_path)
    monkeypatch.setattr(environments, "FOLDER", tmp_path / "peers")
    (tmp_path / "peers/ludwig").mkdir(parents=True)
    monkeypatch.setattr(environments, "_run", lambda command: installed.append(command[1]))
    python = make_environment("ludwig")
    assert make_environment("ludwig") == python == str(tmp_path / "peers/ludwig/bin/python")
    assert installed == ["venv", "pip"]
    requirements.write_text("numpy==2.4.5\n")
    make_environment("ludwig")
    assert installed == ["venv", "pip"] * 2

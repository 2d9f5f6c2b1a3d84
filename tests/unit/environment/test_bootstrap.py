"""When an environment counts as complete, and which hosts are turned away with what message."""

from __future__ import annotations

import ast
import fcntl
import glob
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import bootstrap
import pytest

FOLDER = Path(bootstrap.__file__).parent


@pytest.fixture(name="clone")
def make_clone(tmp_path: Path) -> Path:
    """A clone with all that an environment follows from."""
    for name in bootstrap.INPUTS:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"content of {name}", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("name", bootstrap.INPUTS)
def test_a_changed_input_makes_an_environment_stale(clone: Path, name: str) -> None:
    before = bootstrap.fingerprint(clone)
    (clone / name).write_text("other content", encoding="utf-8")
    assert bootstrap.fingerprint(clone) != before


def test_every_file_of_the_set_up_is_an_input() -> None:
    files = {f"environment/{path.name}" for path in FOLDER.iterdir() if path.is_file()}
    made_into_locks = {"environment/requirements.in", "environment/tools.in"}
    assert files - made_into_locks == set(bootstrap.INPUTS) - {"setup.py"}


def test_a_moved_clone_makes_an_environment_stale(clone: Path, tmp_path: Path) -> None:
    before = bootstrap.fingerprint(clone)
    assert bootstrap.fingerprint(clone) == before
    moved = clone.rename(tmp_path.with_name("moved clone"))
    assert bootstrap.fingerprint(moved) != before


def test_an_environment_without_its_own_stamp_is_not_complete(tmp_path: Path) -> None:
    stamp = tmp_path / "complete"
    assert not bootstrap.is_complete(stamp, "abc")
    for content, complete in (("", False), ("ab", False), ("abd", False), ("abc", True)):
        stamp.write_text(content, encoding="utf-8")
        assert bootstrap.is_complete(stamp, "abc") is complete


def test_a_removal_cut_short_leaves_no_complete_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stamp = tmp_path / "environment" / "complete"
    stamp.parent.mkdir()
    stamp.write_text("abc", encoding="utf-8")

    def cut_short(_: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "rmtree", cut_short)
    with pytest.raises(KeyboardInterrupt):
        bootstrap.remove_environment(stamp.parent, stamp)
    assert not bootstrap.is_complete(stamp, "abc")


STEP = "import os, time; open('step', 'w').write(str(os.getpid())); time.sleep(60)"
SET_UP = f"""
import sys
from pathlib import Path
import bootstrap
with bootstrap.sole_set_up(Path("cache/lock")):
    bootstrap.run(sys.executable, "-c", {STEP!r})
"""


def test_a_step_that_outlives_its_killed_set_up_keeps_the_next_one_waiting(tmp_path: Path) -> None:
    variables = {**os.environ, "PYTHONPATH": str(FOLDER)}
    set_up = subprocess.Popen([sys.executable, "-c", SET_UP], cwd=tmp_path, env=variables)
    written = tmp_path / "step"
    while not (written.exists() and written.read_text(encoding="utf-8")):
        assert set_up.poll() is None
        time.sleep(0.05)
    step = int(written.read_text(encoding="utf-8"))
    set_up.kill()
    set_up.wait()
    with (tmp_path / "cache/lock").open("w") as lock:
        with pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.kill(step, signal.SIGKILL)
        fcntl.flock(lock, fcntl.LOCK_EX)


def _older_python() -> str | None:
    """A Python 3.7 to 3.10 of this machine that runs, None where there is none."""
    names = [f"python3.{minor}" for minor in (7, 8, 9, 10)]
    found = [path for name in names if (path := shutil.which(name))]
    for version in ("3.7", "3.8", "3.9", "3.10"):
        found += glob.glob(f"{os.environ.get('PYENV_ROOT', '-')}/versions/{version}.*/bin/python")
    for path in found:
        if subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode == 0:
            return path
    return None


def test_an_older_python_is_turned_away_with_the_way_out() -> None:
    python = _older_python()
    if python is None:
        pytest.skip("needs a Python 3.7 to 3.10")
    done = subprocess.run([python, FOLDER / "bootstrap.py"], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("setup: TFX 1.21 takes Python 3.11 to 3.13 here; this is 3.")
    assert done.stderr.endswith("Name another one: make PYTHON=python3.11\n")


def test_the_set_up_is_readable_by_python_3_7() -> None:
    ast.parse((FOLDER / "bootstrap.py").read_text(encoding="utf-8"), feature_version=(3, 7))


def test_a_host_without_a_compiler_hears_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match=r"pyfarmhash.*apt-get install .*g\+\+"):
        bootstrap.check_python()


@pytest.mark.parametrize(
    ("variables", "index"),
    [
        ({"PIP_INDEX_URL": "https://index.example.org/simple"}, "https://index.example.org/simple"),
        ({"PIP_CONFIG_FILE": "pip.conf"}, "https://configured.example.org/simple"),
        ({"PIP_INDEX_URL": "https://index.example.org/simple", "UV_DEFAULT_INDEX": "own"}, None),
        ({"PIP_CONFIG_FILE": os.devnull}, None),
    ],
)
def test_uv_asks_the_package_index_that_pip_asks(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    index: str | None,
) -> None:
    configured = "[global]\nindex-url = https://configured.example.org/simple\n"
    (tmp_path / "pip.conf").write_text(configured, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    for name in ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(bootstrap, "PYTHON", Path(sys.executable))
    assert bootstrap.package_index() == ({"UV_DEFAULT_INDEX": index} if index else {})

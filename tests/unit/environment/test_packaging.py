"""What is packaged for Beam's and the cloud's workers, and what the container image is made of."""

from __future__ import annotations

import configparser
import fnmatch
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

CLONE = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module", name="wheel")
def build_wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built by setup.py alone, from a copy of what it packages and of the tests."""
    folder = tmp_path_factory.mktemp("copy")
    for name in ("setup.py", "README.md", "LICENSE"):
        shutil.copy(CLONE / name, folder)
    for name in ("pipeline", "components", "tests", "environment"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(CLONE / name, folder / name, ignore=ignored)
    (folder / "tests" / "__init__.py").touch()
    command = [sys.executable, "setup.py", "--quiet", "bdist_wheel"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    (path,) = (folder / "dist").glob("*.whl")
    return zipfile.ZipFile(path)


def test_the_wheel_holds_every_module_and_page_of_pipeline_and_components_and_nothing_else(
    wheel: zipfile.ZipFile,
) -> None:
    sources = {
        path.relative_to(CLONE).as_posix()
        for name in ("pipeline", "components")
        for path in (CLONE / name).rglob("*")
        if path.suffix in (".py", ".css", ".html", ".js")
    }
    packaged = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert packaged == sources


def test_the_wheel_installs_the_command_and_carries_the_license(wheel: zipfile.ZipFile) -> None:
    contents = {name.partition(".dist-info/")[2]: wheel.read(name) for name in wheel.namelist()}
    scripts = configparser.ConfigParser()
    scripts.read_string(contents["entry_points.txt"].decode())
    assert dict(scripts["console_scripts"]) == {"authorprofile": "pipeline.cli:main"}
    assert b"Apache License" in contents["licenses/LICENSE"]


def _copied() -> list[str]:
    """What the Dockerfile copies from the clone."""
    text = (CLONE / "Dockerfile").read_text(encoding="utf-8")
    lines = re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE)
    return [source for line in lines for source in line.split()]


def test_what_the_image_copies_is_there_and_sent_to_the_engine() -> None:
    rules = (CLONE / ".dockerignore").read_text(encoding="utf-8").split()
    sent = {rule[1:] for rule in rules if rule.startswith("!")}
    assert "setup.py" in _copied()
    for source in _copied():
        assert (CLONE / source).exists(), source
        assert rules[0] == "*" and any(
            fnmatch.fnmatch(source, pattern) for kept in sent for pattern in (kept, f"{kept}/*")
        ), f"{source} is not sent"


def test_the_image_has_every_input_of_the_set_up() -> None:
    copied = set(_copied())
    assert {"environment", "setup.py", "README.md", "LICENSE"} <= copied


def test_the_image_runs_as_a_user_that_kubernetes_knows_is_not_root() -> None:
    text = (CLONE / "Dockerfile").read_text(encoding="utf-8")
    (user,) = re.findall(r"^USER (.*)$", text, re.MULTILINE)
    assert int(user) > 0 and f"useradd --uid {user} " in text

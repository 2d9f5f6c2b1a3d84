"""What CONTRIBUTING.md shows is so: its paths, its commands, and how a kind of head is added."""

from __future__ import annotations

import ast
import configparser
import re
import textwrap
import tomllib
from pathlib import Path

import pytest

CLONE = Path(__file__).resolve().parents[2]
TEXT = (CLONE / "CONTRIBUTING.md").read_text(encoding="utf-8")
PACKAGE = CLONE / "tests/count_head"
ROOMS = (
    "components/heads/declared.py",
    "components/training/heads.py",
    "components/report/heads.py",
)


def entry_points() -> dict[str, dict[str, str]]:
    """Those of the document's example, by group."""
    lines = [line for line in TEXT.splitlines() if line.startswith("    ")]
    start = next(n for n, line in enumerate(lines) if "entry-points" in line)
    example = textwrap.dedent("\n".join(lines[start : start + 6]))
    groups: dict[str, dict[str, str]] = tomllib.loads(example)["project"]["entry-points"]
    return groups


def test_every_path_and_link_leads_somewhere() -> None:
    paths = set(re.findall(r"`((?:components|pipeline|tests|\.ci)/[\w./]+)`", TEXT))
    paths |= {link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", TEXT)}
    assert len(paths) > 10
    assert [path for path in paths if not (CLONE / path).exists()] == []


def test_every_command_is_a_target_of_the_makefile() -> None:
    makefile = (CLONE / "Makefile").read_text(encoding="utf-8")
    (targets,) = re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    shown = {
        word
        for line in re.findall(r"^    make (.+?)(?:    |$)", TEXT, re.MULTILINE)
        for word in line.split()
        if "=" not in word
    }
    assert {"test", "lint"} <= shown <= set(targets.split())


def test_a_kind_is_added_as_the_example_does_it() -> None:
    shown = entry_points()
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"] == shown
    installed = configparser.ConfigParser()
    installed.read(PACKAGE / "count_head-1.0.dist-info/entry_points.txt", encoding="utf-8")
    assert {group: dict(installed[group]) for group in installed.sections()} == shown


def test_the_groups_are_those_that_the_rooms_look_in() -> None:
    groups = [
        node.args[0].value
        for room in ROOMS
        for node in ast.walk(ast.parse((CLONE / room).read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Kinds"
        if isinstance(node.args[0], ast.Constant)
    ]
    assert groups == list(entry_points())
    assert re.findall(r"\| `(authorprofile\.\w+)` \|$", TEXT, re.MULTILINE) == groups


@pytest.mark.parametrize("base", ["Head", "HeadNetwork", "HeadReport"])
def test_the_classes_are_where_the_table_says(base: str) -> None:
    (room,) = re.findall(rf"^\| `{base}` \| `([\w/.]+)` \|", TEXT, re.MULTILINE)
    assert f"\nclass {base}(" in (CLONE / room).read_text(encoding="utf-8")


def test_the_readme_leads_to_it() -> None:
    assert "(CONTRIBUTING.md)" in (CLONE / "README.md").read_text(encoding="utf-8")

"""Kinds that other packages add: found where one is installed, refused in plain words else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import Distribution
from pathlib import Path

import pytest

from components.heads.base import Head
from components.heads.binary import BinaryHead
from components.heads.declared import (
    DEFAULT_HEADS,
    HEADS,
    heads_from_json,
    heads_to_json,
    parse_heads,
)
from components.heads.kinds import GROUPS, KindError, Kinds, UnknownKindError
from components.heads.names import check_names
from components.report.heads import HeadReport
from pipeline.audit import audit_command
from pipeline.config import ConfigError, load_config, settings_as_yaml
from pipeline.deploy.doctor import check_kinds
from pipeline.deploy.findings import Finding

COMMAND = str(Path(sys.executable).parent / "authorprofile")
GROUP = "authorprofile.of_this_test"
SOUND = """
from components.heads.binary import BinaryHead

class {name}(BinaryHead):
    pass
"""

Install = Callable[..., None]


def write_package(
    folder: Path, package: str, code: str, groups: tuple[str, ...], **points: str
) -> None:
    """A package as pip leaves it: one module, and the folder that names its entry points."""
    (folder / f"{package}.py").write_text(code)
    described = folder / f"{package}-1.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    lines = "".join(f"{kind} = {value}\n" for kind, value in points.items())
    listed = "".join(f"[{group}]\n{lines}" for group in groups)
    (described / "entry_points.txt").write_text(listed)


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Installs a package for this process."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(package: str, code: str, **points: str) -> None:
        write_package(tmp_path, package, code, (GROUP,), **points)
        monkeypatch.delitem(sys.modules, package, raising=False)

    return write


def kinds() -> Kinds[Head]:
    return Kinds(GROUP, Head, binary=BinaryHead)  # type: ignore[type-abstract]


def test_a_kind_of_this_package_is_its_class() -> None:
    assert dict(kinds()) == {"binary": BinaryHead}
    assert len(kinds()) == 1


def test_a_kind_of_another_package_is_found_by_its_entry_point(install: Install) -> None:
    install("one_package", SOUND.format(name="Yes"), yes_no="one_package:Yes")
    found = kinds()
    assert list(found) == ["binary", "yes_no"]
    assert len(found) == 2
    assert found["yes_no"].__name__ == "Yes"
    assert found["yes_no"] is found["yes_no"]
    assert list(found) == ["binary", "yes_no"]


def test_a_package_is_imported_when_its_kind_is_asked_for(install: Install) -> None:
    install("dear_package", SOUND.format(name="Yes"), yes_no="dear_package:Yes")
    found = kinds()
    assert found["binary"] is BinaryHead
    assert "dear_package" not in sys.modules
    assert found["yes_no"]
    assert "dear_package" in sys.modules


def test_a_kind_that_no_package_adds_is_told_with_those_that_are_there(install: Install) -> None:
    install("one_package", SOUND.format(name="Yes"), yes_no="one_package:Yes")
    with pytest.raises(KeyError) as unknown:
        kinds()["count"]
    assert isinstance(unknown.value, UnknownKindError)
    assert str(unknown.value) == (
        "A kind of head must have a class among entry points authorprofile.of_this_test; 'count' "
        "has none, binary, yes_no have. Install the package that adds it."
    )
    assert "count" not in kinds()
    assert kinds().get("count") is None


def test_a_name_that_this_package_has_is_taken(install: Install) -> None:
    install("one_package", SOUND.format(name="Yes"), binary="one_package:Yes")
    with pytest.raises(KindError) as refused:
        kinds()
    assert str(refused.value) == (
        "A kind of head must come from one package; binary comes from authorprofile and "
        "one_package (entry points authorprofile.of_this_test). Rename it in one of them, or "
        "uninstall that package."
    )


def test_two_packages_that_add_the_same_kind_are_refused(install: Install) -> None:
    for package in ("one_package", "other_package"):
        install(package, SOUND.format(name="Yes"), yes_no=f"{package}:Yes")
    with pytest.raises(KindError, match=r"yes_no comes from o.*_package and o.*_package \(entry"):
        kinds()


@pytest.mark.parametrize(
    ("code", "value", "said"),
    [
        ("import nowhere_to_be_found", "broken:Yes", "ModuleNotFoundError: No module named 'now"),
        ("", "broken:Yes", "AttributeError: module 'broken' has no attribute 'Yes'"),
        ("", "gone:Yes", "ModuleNotFoundError: No module named 'gone'"),
        ("class Yes(", "broken:Yes", "SyntaxError: "),
        ("Yes = 1 / 0", "broken:Yes", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_kind_that_cannot_be_loaded_is_told_with_its_cause_and_package(
    code: str, value: str, said: str, install: Install
) -> None:
    install("broken", code, yes_no=value)
    found = kinds()
    with pytest.raises(KindError) as refused:
        found["yes_no"]
    told = str(refused.value)
    assert told.startswith(
        "A kind of head must be loadable; the entry point "
        f"yes_no = {value} of authorprofile.of_this_test raised {said}"
    )
    assert told.endswith(". Repair or uninstall the package broken.")
    assert not isinstance(refused.value, KeyError)


@pytest.mark.parametrize(
    "code", ["Yes = 'yes'", "class Yes: pass", "from json import loads as Yes"]
)
def test_what_is_no_class_of_a_head_is_refused(code: str, install: Install) -> None:
    install("strange", code, yes_no="strange:Yes")
    with pytest.raises(KindError) as refused:
        kinds()["yes_no"]
    told = str(refused.value)
    assert told.startswith(
        "A kind of head must be a class that derives from components.heads.base.Head; the entry "
        "point yes_no = strange:Yes of authorprofile.of_this_test is "
    )
    assert told.endswith("Repair or uninstall the package strange.")


def test_a_class_that_lacks_what_its_base_asks_for_is_told_with_all_of_it(install: Install) -> None:
    code = "from components.heads.base import Head\nclass Yes(Head): slice_metric = 'share'"
    install("half", code, yes_no="half:Yes")
    with pytest.raises(KindError) as refused:
        kinds()["yes_no"]
    assert str(refused.value) == (
        "A kind of head must have all that its base asks for; the entry point yes_no = half:Yes of "
        "authorprofile.of_this_test lacks constant_loss, constants, first_gains, losses, parse, "
        "scores, stored_as, targets, term_count, terms, width, metrics, served, link_class. Repair "
        "or uninstall the package half."
    )


def test_the_package_of_a_kind_is_known_with_its_version(install: Install) -> None:
    install("one_package", SOUND.format(name="Yes"), yes_no="one_package:Yes")
    found = kinds()
    assert [found.package_of(kind) for kind in found] == ["", "one_package 1.0"]


def test_nothing_made_with_another_release_of_a_package_comes_from_the_cache(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = parse_heads(DEFAULT_HEADS)
    added = (*own, *parse_heads({"laughs": {"kind": "count"}}))
    assert json.loads(heads_to_json(added))["packages"] == {"count": "count_head 1.0"}
    before = [heads_to_json(own), heads_to_json(added)]
    monkeypatch.setattr(Distribution, "version", "1.1")
    assert heads_to_json(own) == before[0]
    assert heads_to_json(added) != before[1]
    assert heads_from_json(heads_to_json(added)) == added


def run_command(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, where the packages of the folder are installed too."""
    path = os.pathsep.join([str(folder), os.environ["PYTHONPATH"]])
    return subprocess.run(
        [COMMAND, *words],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("words", [["settings"], ["audit", "--posts", "p.jsonl"]])
def test_the_command_tells_a_broken_package_in_one_line(words: list[str], tmp_path: Path) -> None:
    write_package(tmp_path, "broken", "import gone", GROUPS, rank="broken:Rank")
    done = run_command(tmp_path, *words)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "Error: A kind of head must be loadable; the entry point rank = broken:Rank of "
        "authorprofile.heads raised ModuleNotFoundError: No module named 'gone'. Repair or "
        "uninstall the package broken.\n"
    )


def test_the_command_tells_a_kind_that_is_declared_under_another_name(tmp_path: Path) -> None:
    write_package(tmp_path, "named", SOUND.format(name="Rank"), GROUPS, rank="named:Rank")
    done = run_command(tmp_path, "settings")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        'Error: A kind of head must declare kind: Literal["rank"]; the entry point rank = '
        "named:Rank of authorprofile.heads does not. Repair or uninstall the package named.\n"
    )


def test_the_command_tells_a_kind_whose_slices_have_no_metric(tmp_path: Path) -> None:
    code = SOUND.format(name="Rank").replace(
        "pass", "kind: __import__('typing').Literal['rank']; slice_metric = 'aux'"
    )
    write_package(tmp_path, "named", code, GROUPS, rank="named:Rank")
    done = run_command(tmp_path, "settings")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "Error: A kind of head must name one of its metrics as slice_metric; the entry point rank "
        "= named:Rank of authorprofile.heads names 'aux'. Repair or uninstall the package named.\n"
    )


def test_a_served_class_with_other_numbers_than_the_head_is_told_before_anything_starts() -> None:
    class Two(BinaryHead):
        width = property(lambda self: 2)

    with pytest.raises(ValueError, match="the width of Two and of its served class ServedB"):
        check_names({"one": Two(name="one")})


def test_the_command_tells_packages_that_add_the_same_kind(tmp_path: Path) -> None:
    code = SOUND.format(name="Count")
    write_package(tmp_path, "other_count", code, GROUPS, count="other_count:Count")
    done = run_command(tmp_path, "settings")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "Error: A kind of head must come from one package; count comes from other_count and "
        "count_head (entry points authorprofile.heads). Rename it in one of them, or uninstall "
        "that package.\n"
    )


def test_the_command_tells_a_kind_that_lacks_a_class_before_anything_starts(tmp_path: Path) -> None:
    write_package(tmp_path, "half", SOUND.format(name="Rank"), GROUPS[:2], rank="half:Rank")
    done = run_command(tmp_path, "settings")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "Error: A kind of head must have entry points authorprofile.heads, "
        "authorprofile.networks, authorprofile.reports; rank has none in authorprofile.reports. "
        "Repair or uninstall the package half.\n"
    )


@pytest.fixture
def without_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """No class of a report can be loaded."""
    monkeypatch.setattr("components.report.heads.REPORTS", Kinds("authorprofile.none", HeadReport))


@pytest.mark.usefixtures("without_reports")
def test_an_audit_promises_nothing_that_a_run_could_not_keep(tmp_path: Path) -> None:
    for name in ("posts.jsonl", "labels.csv"):
        (tmp_path / name).touch()
    given = {"posts": [f"{tmp_path}/posts.jsonl"], "labels": [f"{tmp_path}/labels.csv"]}
    config = load_config(None, ["heads.laughs={kind: count}"], out=str(tmp_path / "out"), **given)
    with pytest.raises(KindError, match=r"points authorprofile\.none; 'regression' has none"):
        audit_command(config)
    assert not (tmp_path / "out").exists()


def test_doctor_finds_a_kind_that_a_run_could_not_use(request: pytest.FixtureRequest) -> None:
    laughs, age = parse_heads({"laughs": {"kind": "count"}, "age": {"kind": "regression"}})
    assert check_kinds((laughs, age)) == Finding("kinds of heads", "ok", "count, regression")
    request.getfixturevalue("without_reports")
    finding = check_kinds((laughs,))
    assert (finding.verdict, finding.remedy) == ("fault", "Repair that package.")
    assert "'count' has none" in finding.found
    assert check_kinds((age,)).verdict == "ok"


def test_help_needs_no_package_of_others(tmp_path: Path) -> None:
    write_package(tmp_path, "broken", "import gone", GROUPS, rank="broken:Rank")
    done = run_command(tmp_path, "--help")
    assert (done.returncode, done.stderr) == (0, "")


GIVEN = {"posts": ["posts.jsonl"], "labels": ["labels.csv"]}


def test_a_kind_of_another_package_is_configured_like_any_other(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(
        "heads: {children: {kind: count, maximum: 20, unit: children}, income: {classes: 3}}"
    )
    children = load_config(file, heads=["children"], **GIVEN).head_list[0]
    assert children.model_dump() == {
        "name": "children",
        "field": "children",
        "kind": "count",
        "unit": "children",
        "minimum": 0,
        "maximum": 20,
    }
    # A head that becomes one of another kind keeps what that kind has too.
    changed = ["heads.children.kind=regression", "heads.income={kind: count, maximum: 9}"]
    heads = load_config(file, changed, **GIVEN).heads
    assert heads["children"].bounds == (0, 20)
    assert heads["income"].bounds == (0, 9)


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("heads.children={kind: count, maximum: x}", "heads.children.maximum: must be a whole num"),
        (
            "heads.children={kind: count, classes: 3}",
            "heads.children.classes: unknown key; allowed here: field, kind, maximum, minimum, "
            "unit (of kind count)",
        ),
        (
            "heads.children={kind: counts}",
            "heads.children.kind: must be one of 'regression', 'classes', 'binary', 'count'; got "
            '"counts"',
        ),
        (
            "heads.children={unit: children}",
            "heads.children.kind: must be given, one of 'regression', 'classes', 'binary', 'count'",
        ),
        (
            "heads.children={kind: count, minimum: 9, maximum: 9}",
            "heads.children: minimum 9 must be below maximum 9",
        ),
    ],
)
def test_a_wrong_setting_of_another_packages_kind_is_told_like_any_other(
    assignment: str, said: str
) -> None:
    with pytest.raises(ConfigError) as told:
        load_config(None, [assignment], **GIVEN)
    assert str(told.value).startswith(said)


def test_the_settings_to_start_from_are_the_same_with_a_further_kind() -> None:
    folders = os.environ["PYTHONPATH"].split(os.pathsep)
    without = [folder for folder in folders if not Path(folder, "count_head").is_dir()]
    code = (
        "from components.heads.declared import HEADS; from pipeline.config import settings_as_yaml;"
        "assert 'count' not in HEADS; print(settings_as_yaml(), end='')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(without)},
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "count" in HEADS
    assert done.stdout == settings_as_yaml()

"""Digests of folders: what coreutils writes and reads, and every difference in words."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from components.digests import Manifest, describe_differences, parse_manifest, read_manifest

HELLO = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
NAMES = ["plain", "two words", "größe", "back\\slash", "line\nend", "carriage\rreturn", "a\u2028b"]


@pytest.fixture(params=NAMES)
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    (tmp_path / "model" / "variables").mkdir(parents=True)
    (tmp_path / "model" / "variables" / request.param).write_text("hello")
    (tmp_path / "model" / "assets").mkdir()
    return tmp_path / "model"


def test_a_manifest_is_what_sha256sum_writes_and_checks(folder: Path, tmp_path: Path) -> None:
    manifest = read_manifest(folder)
    assert list(manifest.files.values()) == [HELLO]
    (name,) = manifest.files
    told = subprocess.run(["sha256sum", name], cwd=folder, check=True, stdout=subprocess.PIPE)
    assert manifest.text.encode() == told.stdout
    (tmp_path / "list").write_bytes(told.stdout)
    subprocess.run(["sha256sum", "--strict", "-c", tmp_path / "list"], cwd=folder, check=True)
    assert parse_manifest(told.stdout) == manifest


def test_the_digest_is_that_of_the_list_in_order(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / name).write_text("hello")
    manifest = read_manifest(tmp_path)
    assert manifest.text == f"{HELLO}  a\n{HELLO}  b\n"
    # printf '%s  a\n%s  b\n' ... | sha256sum
    told = subprocess.run(
        ["sha256sum"], input=manifest.text.encode(), check=True, stdout=subprocess.PIPE
    )
    assert manifest.digest == f"sha256:{told.stdout[:64].decode()}"


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"hello", f"{HELLO} a".encode(), f"{HELLO[:-1]}  a\n".encode(), b"\0\xff"],
)
def test_what_is_no_list_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"it must list files|line 1 must be a file's SHA-256"):
        parse_manifest(content)


def test_no_more_than_three_differences_are_named() -> None:
    expected = Manifest(dict.fromkeys("abcdef", HELLO))
    assert describe_differences(expected, expected) == ""
    assert describe_differences(expected, Manifest({"a": HELLO})) == (
        "b is missing, c is missing, d is missing, and 2 more"
    )


def test_what_a_link_leads_to_is_not_the_folders_own(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "file").write_text("hello")
    (tmp_path / "model" / "inside").symlink_to(tmp_path / "elsewhere")
    found = read_manifest(tmp_path / "model").files
    assert found == {"inside": f"a symbolic link to {tmp_path / 'elsewhere'}"}

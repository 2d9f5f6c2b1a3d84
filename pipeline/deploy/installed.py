"""Whether this package, as a worker or image installs it, has what the compiled steps name.

Builds the wheel from setup.py, in a folder that goes again, and imports each dotted path from that
wheel alone in a fresh process: a module that lies in the clone and is not packaged is found here,
not on a worker.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

from pipeline.deploy.findings import Finding, judged
from pipeline.deploy.fingerprint import LOCK

_IMPORT = """
import importlib, json, sys
sys.path.insert(0, sys.argv[1])
faults = {}
for path in json.loads(sys.argv[2]):
    module, _, name = path.rpartition(".")
    try:
        found = importlib.import_module(module)
        getattr(found, name)
        origin = getattr(found, "__file__", "") or ""
        if path.split(".")[0] in ("components", "pipeline") and sys.argv[1] not in origin:
            faults[path] = f"comes from {origin}"
    except Exception as error:
        faults[path] = f"{type(error).__name__}: {error}"
sys.stdout.write("\\n" + json.dumps(faults))
"""
_DATA_SUFFIXES = (".py", ".css", ".js", ".html")


def check_package(paths: Sequence[str], folder: Path) -> Iterator[Finding]:
    """The wheel has every file of the package, and every dotted path of the steps.

    Args:
        paths: of `dotted_paths`; none where no specification is known.
        folder: with setup.py.
    """
    with tempfile.TemporaryDirectory(prefix="wheel-") as scratch:
        unpacked = Path(scratch) / "unpacked"
        fault = _build(folder, Path(scratch), unpacked)
        if fault:
            yield Finding("setup.py builds a wheel", "fault", fault, "Correct setup.py.")
            return
        missing = sorted(_files(folder) - _files(unpacked))
        yield judged(
            "the wheel has every file of the package",
            ", ".join(missing),
            f"{len(_files(unpacked))} files",
            "Add the folder's __init__.py, or the files to package_data in setup.py.",
        )
        if paths:
            faults = _import(paths, unpacked)
            yield judged(
                "what the steps name can be imported from the wheel",
                "; ".join(f"{path}: {reason}" for path, reason in faults.items()),
                f"{len(paths)} paths",
                "Correct the path, or package its module.",
            )


def dotted_paths(specification: Mapping[str, Any]) -> list[str]:
    """The classes and functions that the steps of a specification name."""
    found = set()
    for executor in specification["deploymentSpec"]["executors"].values():
        arguments = executor.get("container", {}).get("args", [])
        if "--executor_class_path" in arguments:
            found.add(arguments[arguments.index("--executor_class_path") + 1])
    for task in specification["root"]["dag"]["tasks"].values():
        for name, one in task.get("inputs", {}).get("parameters", {}).items():
            if name in ("run_fn", "tuner_fn", "preprocessing_fn"):
                found.add(one["runtimeValue"]["constant"])
    return sorted(found)


def check_versions(folder: Path) -> Iterator[Finding]:
    """What is installed here, where it was tried, is what the lock installs in the image."""
    differing = []
    for line in (folder / LOCK).read_text(encoding="utf-8").splitlines():
        requirement = _pinned(line)
        if requirement is None:
            continue
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            differing.append(f"{requirement.name} is not installed")
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            differing.append(f"{requirement.name} {version}, not {requirement.specifier}")
    yield judged(
        "the versions installed here are the lock's, which the image has",
        "; ".join(differing),
        LOCK,
        "Run `make environment`.",
    )


def _pinned(line: str) -> Requirement | None:
    """The requirement of a line of the lock that counts for this Python; hashes are others' lines.

    >>> _pinned("absl-py==1.4.0 ; python_version < '4'")
    <Requirement('absl-py==1.4.0; python_version < "4"')>
    """
    text = re.sub(r"\s*\\$", "", line)
    if not text or text[0] in " #-":
        return None
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return None
    counts = requirement.marker is None or requirement.marker.evaluate()
    return requirement if counts else None


def _build(folder: Path, scratch: Path, unpacked: Path) -> str:
    """Builds the wheel from a copy and unpacks it; the fault, or nothing."""
    copy = scratch / "copy"
    for name in ("components", "pipeline"):
        shutil.copytree(folder / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "README.md", "LICENSE"):
        shutil.copy(folder / name, copy)
    command = [sys.executable, "setup.py", "--quiet", "bdist_wheel", "--dist-dir", str(scratch)]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    if done.returncode:
        return done.stderr.strip().splitlines()[-1]
    (wheel,) = scratch.glob("*.whl")
    shutil.unpack_archive(wheel, unpacked, "zip")
    return ""


def _files(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for name in ("components", "pipeline")
        for path in (folder / name).rglob("*")
        if path.suffix in _DATA_SUFFIXES
    }


def _import(paths: Sequence[str], unpacked: Path) -> dict[str, str]:
    """The paths that cannot be imported from the unpacked wheel, with the reason."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", _IMPORT, str(unpacked), json.dumps([*paths])],
        cwd=unpacked,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        return {"python": done.stderr.strip().splitlines()[-1]}
    faults: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return faults

"""Checks that a change leaves results as they were: the same runs by two commits, compared.

    python -m benchmarks.same_results BASE [--essays FOLDER] [--out runs/same]

`make same BASE=<commit>` calls it. BASE is checked out beside the working copy, and each of the two
trains three models: of the generated sample (with a search), of the essays where they are there,
and of five heads of all kinds. Compared to the last digit are all JSON files of reports and stages,
what a server answers over REST, and tables of predictions as JSON Lines, CSV and Parquet; times,
ids, versions and paths are set aside. Takes ten minutes on two cores.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

AUTHORS = 1500
TEXTS = ("I went home, and it was raining.", "my grandchildren came", "lol exam tomorrow", "a")
JSON_FILES = (
    *("report", "verdict", "training", "answers", "data", "heads", "audit", "comparison"),
    *("trials", "check", "facts", "tuner_results", "quality", "baseline"),
)
SET_ASIDE = re.compile(
    r"seconds|time|created|started|finished|_at$|^run$|run_id|artifact_id|fingerprint|version|uri|"
    r"path|folder|origin|digest|size"
)
_CHANGING = (
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:.+Z-]+"), "TIME"),
    (re.compile(r"\b[12]\d{9}\b"), "VERSION"),
    (re.compile(r"\d+(\.\d+)? s\b"), "N s"),
)
MIXED_HEADS = (
    "heads={income: {kind: classes, classes: 4}, gender: null,"
    " height: {kind: regression, field: centimetres, unit: cm, minimum: 100, maximum: 250},"
    " mood: {kind: binary, positive: one, negative: other},"
    " level: {kind: classes, classes: 3, given_as: group}}"
)


COMMAND = (sys.executable, "-c", "from pipeline.cli import main; main()")


class Run(NamedTuple):
    """A training of its own: its name, the command's words, and the posts that are predicted."""

    name: str
    words: Sequence[object]
    posts: Path


class Difference(NamedTuple):
    """Where two results differ."""

    place: str
    before: Any
    after: Any


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit code: 0 the same, 1 something differs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("base", help="commit to compare with")
    parser.add_argument("--essays", type=Path, help="folder of posts.jsonl and labels.csv")
    parser.add_argument("--out", type=Path, default=Path("runs/same"), help="folder of the results")
    options = parser.parse_args(arguments)
    here, out = Path(__file__).parents[1], options.out.absolute()
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    with worktree(here, options.base, out / "base") as base:
        runs = prepare(base, out, options.essays)
        for name, checkout in (("before", base), ("after", here)):
            for run in runs:
                make_results(checkout, run, out / name)
    files = compare_folders(out / "before", out / "after")
    for file, differences in files.items():
        sys.stdout.writelines(f"{file}: {difference}\n" for difference in differences[:5])
    differing = sum(bool(differences) for differences in files.values())
    sys.stdout.write(f"{len(files)} files compared with {options.base}, {differing} differ\n")
    return int(differing > 0 or not files)


@contextlib.contextmanager
def worktree(repository: Path, commit: str, folder: Path) -> Iterator[Path]:
    """A checkout of the commit, for as long as it is needed."""
    git = ["git", "-C", str(repository), "worktree"]
    subprocess.run([*git, "add", "--quiet", "--detach", str(folder), commit], check=True)
    try:
        yield folder
    finally:
        subprocess.run([*git, "remove", "--force", str(folder)], check=True)


def prepare(checkout: Path, out: Path, essays: Path | None) -> list[Run]:
    """The data that both commits read, made by one, and the runs over it."""
    sample = out / "data"
    command(checkout, "sample", sample, "--authors", AUTHORS)
    labels = out / "mixed.csv"
    with (sample / "labels.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for number, row in enumerate(rows):
        age = int(row["age"]) if row["age"].isdecimal() else None
        row["centimetres"] = "" if age is None else str(200 - age)
        row["level"] = "" if age is None else str(age // 25 % 3)
        row["mood"] = ("one", "other", "")[number % 3]
    with labels.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, rows[0].keys())
        table.writeheader()
        table.writerows(rows)
    posts = sample / "posts.jsonl.gz"
    mixed = [
        *("--posts", posts, "--labels", labels, "--set", MIXED_HEADS),
        *("--set", "judging.accept=[age, income, height, mood, level]"),
        *("--set", "tune=false", "--set", "training.epochs=2"),
        *("--set", "compare=true", "--set", "compare_seeds=1"),
    ]
    runs = [Run("sample", [sample / "config.yaml"], posts), Run("mixed", mixed, posts)]
    if essays:
        found = essays / "posts.jsonl"
        words = [
            *("--posts", found, "--labels", essays / "labels.csv"),
            *("--set", "heads.gender={positive: '2', negative: '1'}"),
            *("--set", "judging.accept=[age, income, gender]"),
        ]
        runs.append(Run("essays", words, found))
    return runs


def command(checkout: Path, *words: object) -> None:
    """Runs the command of a checkout; what it prints is shown where it fails."""
    done = subprocess.run(
        [*COMMAND, *map(str, words)],
        cwd=checkout,
        env=environment(checkout),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.stderr.write(done.stdout + done.stderr)
        raise SystemExit(f"{words[0]} failed in {checkout} with exit code {done.returncode}")


def environment(checkout: Path) -> dict[str, str]:
    """The environment in which this checkout is what Python imports."""
    return {**os.environ, "PYTHONPATH": str(checkout)}


def make_results(checkout: Path, run: Run, out: Path) -> None:
    """Trains, asks a server, and writes tables of predictions."""
    command(checkout, "run", *run.words, "--out", out / run.name)
    model = out / run.name / "serving"
    for ending in ("jsonl", "csv", "parquet"):
        table = out / f"{run.name}.{ending}"
        command(checkout, "predict", "--model", model, "--output", table, run.posts)
    served = json.dumps(ask_server(checkout, model))
    (out / f"{run.name}.served.json").write_text(served, encoding="utf-8")


def ask_server(checkout: Path, model: Path) -> dict[str, Any]:
    """What a server process answers over both protocols' paths."""
    ports = [_free_port(), _free_port()]
    words = ["serve", "--model", str(model), "--port", str(ports[0]), "--grpc-port", str(ports[1])]
    url = f"http://127.0.0.1:{ports[0]}"
    authors = [{"posts": [text]} for text in TEXTS]
    tensor = {"name": "posts", "shape": [len(TEXTS)], "datatype": "BYTES", "data": list(TEXTS)}
    server = subprocess.Popen(
        [*COMMAND, *words],
        cwd=checkout,
        env=environment(checkout),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(server, f"{url}/v2/health/ready")
        name = f"{url}/v1/models/authorprofile"
        return {
            "described": _ask(f"{name}:predict", {"instances": authors}),
            "bare": _ask(f"{name}:predict", {"instances": authors, "described": False}),
            "explained": [_ask(f"{name}:explain", {"instances": [author]}) for author in authors],
            "metadata": _ask(f"{name}/metadata"),
            "open metadata": _ask(f"{url}/v2/models/authorprofile"),
            "inferred": _ask(f"{url}/v2/models/authorprofile/infer", {"inputs": [tensor]}),
        }
    finally:
        server.terminate()
        server.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(server: subprocess.Popen[bytes], url: str) -> None:
    while server.poll() is None:
        with contextlib.suppress(urllib.error.URLError, OSError):
            _ask(url)
            return
        time.sleep(0.2)
    raise SystemExit(f"the server ended with exit code {server.returncode}")


def _ask(url: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data)) as answer:  # noqa: S310 - http
        return json.loads(answer.read() or b"null")


def compare_folders(before: Path, after: Path) -> dict[str, list[Difference]]:
    """The differences of every file that is compared, by its path; none for one that is the same.

    A file that one of the two lacks is a difference.
    """
    found = [_compared_files(folder) for folder in (before, after)]
    return {
        name: list(_compare_files(name, (found[0].get(name), found[1].get(name)), (before, after)))
        for name in sorted(found[0].keys() | found[1].keys())
    }


def _compared_files(folder: Path) -> dict[str, Path]:
    """Files by their path without numbers of executions and versions."""
    patterns = (*(f"{name}.json" for name in JSON_FILES), "*.served.json")
    files = [path for pattern in patterns for path in folder.rglob(pattern)]
    files += [path for ending in ("jsonl", "csv", "parquet") for path in folder.glob(f"*.{ending}")]
    return {re.sub(r"/\d+/", "/N/", str(path.relative_to(folder))): path for path in files}


def _compare_files(
    name: str, files: tuple[Path | None, Path | None], folders: tuple[Path, Path]
) -> Iterator[Difference]:
    one, other = files
    if one is None or other is None:
        yield Difference(name, one and "there", other and "there")
    elif one.suffix == ".json":
        before, after = (
            _comparable(json.loads(path.read_text(encoding="utf-8")), folder)
            for path, folder in zip((one, other), folders, strict=True)
        )
        yield from differences(before, after)
    elif one.suffix == ".parquet":
        from pyarrow import parquet

        tables = [parquet.read_table(path) for path in (one, other)]
        if not tables[0].equals(tables[1], check_metadata=True):
            yield Difference(name, tables[0].schema, tables[1].schema)
    elif one.read_bytes() != other.read_bytes():
        yield Difference(name, "bytes", "other bytes")


def _comparable(value: Any, folder: Path, key: str = "") -> Any:
    """The value without what differs from run to run."""
    if isinstance(value, dict):
        return {_steady(k, folder): _comparable(v, folder, k) for k, v in value.items()}
    if isinstance(value, list):
        return [_comparable(item, folder, key) for item in value]
    if SET_ASIDE.search(key):
        return "set aside"
    return _steady(value, folder) if isinstance(value, str) else value


def _steady(text: str, folder: Path) -> str:
    text = text.replace(str(folder), "OUT")
    for pattern, name in _CHANGING:
        text = pattern.sub(name, text)
    return text


def differences(before: Any, after: Any, place: str = "") -> Iterator[Difference]:
    """Where two JSON values differ; a number is the same to the last digit or differs.

    >>> list(differences({"a": [1, 2.0]}, {"a": [1, 2.5]}))
    [Difference(place='/a/1', before=2.0, after=2.5)]
    """
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            if key in before and key in after:
                yield from differences(before[key], after[key], f"{place}/{key}")
            else:
                yield Difference(f"{place}/{key}", before.get(key), after.get(key))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from differences(one, other, f"{place}/{number}")
    elif repr(before) != repr(after):
        yield Difference(place, before, after)


if __name__ == "__main__":
    sys.exit(main())

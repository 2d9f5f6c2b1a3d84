"""The data path where data is uneven: many files, many posts of one author, many words, a big file.

Enters: the share of `SHAPES`' numbers that is made. Leaves: a table on the console and
a JSON file a shape: processor seconds of each stage and the most memory that the process held. Each
shape runs in a process of its own, since memory that was once taken counts to the end of a process.
The large file needs 25 GB of the disk, itself among it. docs/scale.md tells what was seen, and at
what cost.

    python -m benchmarks.hot_spots --share 0.1 --out runs/hot_spots
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.machine import peak_megabytes
from benchmarks.scale import ProcessorSeconds, data_path
from pipeline.config import load_config
from pipeline.local import ObservedDagRunner

AUTHORS, POSTS = 1000, 5
AUTHOR_WORDS = 1000
"""Fewer than `text.maximum_bytes` hold, so that every one is counted."""
SENTENCE = "we had such a fine day by the sea and the night was warm too"


def many_files(folder: Path, files: int) -> None:
    """Posts of a few authors, one a file."""
    for number, post in enumerate(itertools.islice(_posts(), files)):
        (folder / f"posts-{number:06}.jsonl").write_text(post, encoding="utf-8")


def one_author(folder: Path, posts: int) -> None:
    """One author has all posts but a few of each other."""
    with (folder / "posts.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(itertools.islice(_posts(), POSTS * AUTHORS))
        file.writelines(itertools.islice(_posts(authors=1), posts))


def many_words(folder: Path, words: int) -> None:
    """No word comes twice but a few that fill the vocabulary; an author has `AUTHOR_WORDS`."""
    fresh = (f"word{number}" for number in range(words))
    authors = max(words // AUTHOR_WORDS, 1)
    with (folder / "posts.jsonl").open("w", encoding="utf-8") as file:
        while batch := list(itertools.islice(fresh, AUTHOR_WORDS // POSTS)):
            file.writelines(itertools.islice(_posts(*batch, authors=authors), 1))


def one_file(folder: Path, size: int) -> None:
    """One file of so many bytes, or a post more."""
    words = [SENTENCE] * 16
    with (folder / "posts.jsonl").open("w", encoding="utf-8") as file:
        while file.tell() < size:
            file.writelines(itertools.islice(_posts(*words), 10_000))


SHAPES: dict[str, tuple[Callable[[Path, int], None], int]] = {
    "files": (many_files, 100_000),
    "posts of one author": (one_author, 1_000_000),
    "distinct words": (many_words, 10_000_000),
    "bytes of one file": (one_file, 10_000_000_000),
}
_NEXT = itertools.count()


def _posts(*words: str, authors: int = AUTHORS) -> Iterator[str]:
    """Posts as lines of JSON, of authors in turn."""
    while True:
        number = next(_NEXT)
        text = " ".join([*words, SENTENCE, str(number)])
        yield json.dumps({"author_id": f"author{number % authors}", "text": text}) + "\n"


def measure(shape: str, share: float, folder: Path) -> dict[str, Any]:
    """Writes a share of the data of a shape, runs the data path over it."""
    make, most = SHAPES[shape]
    number = round(share * most)
    folder.mkdir(parents=True, exist_ok=True)
    make(folder, number)
    labels = [
        f"author{n},{20 + n % 40},{n % 10},{('female', 'male')[n % 2]}\n"
        for n in range(number // AUTHOR_WORDS if make is many_words else AUTHORS)
    ]
    (folder / "labels.csv").write_text(
        "author_id,age,income,gender\n" + "".join(labels), encoding="utf-8"
    )
    config = load_config(None, (), posts=[f"{folder}/posts*"], labels=[f"{folder}/labels.csv"])
    observer = ProcessorSeconds()
    ObservedDagRunner(observer).run(data_path(config, folder / "run"))
    return {
        "shape": shape,
        "number": number,
        "megabytes": sum(file.stat().st_size for file in folder.glob("posts*")) / 1e6,
        "processor_seconds": observer.seconds,
        "peak_megabytes": peak_megabytes(),
    }


def main() -> None:
    """Measures each shape in its process, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", choices=SHAPES, help="this one, in this process")
    parser.add_argument("--share", type=float, default=1.0, help="of the numbers of each shape")
    parser.add_argument("--out", type=Path, default=Path("runs/hot_spots"))
    given = parser.parse_args()
    if given.shape:
        (given.out / f"{given.shape}.json").write_text(
            json.dumps(measure(given.shape, given.share, given.out / given.shape), indent=1),
            encoding="utf-8",
        )
        return
    given.out.mkdir(parents=True, exist_ok=True)
    for shape in SHAPES:
        command = [sys.executable, "-m", __spec__.name, "--shape", shape]
        command += ["--share", str(given.share), "--out", str(given.out)]
        subprocess.run(command, check=True)
    show([json.loads((given.out / f"{shape}.json").read_text()) for shape in SHAPES])


def show(figures: list[dict[str, Any]]) -> None:
    """The figures for people."""
    table = Table(title="Processor seconds")
    stages = list(dict.fromkeys(stage for one in figures for stage in one["processor_seconds"]))
    for column in ("data", "MB", *stages, "peak MB"):
        table.add_column(column, justify="right")
    for figure in figures:
        found = figure["processor_seconds"]
        seconds = [f"{found[stage]:.1f}" if stage in found else "" for stage in stages]
        size, peak = (f"{figure[name]:.0f}" for name in ("megabytes", "peak_megabytes"))
        table.add_row(f"{figure['number']:,} {figure['shape']}", size, *seconds, peak)
    Console().print(table)


if __name__ == "__main__":
    main()

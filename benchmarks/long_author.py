"""Seconds and memory of one very long author: alone, and explained word by word.

    python -m benchmarks.long_author [--tokens 30000] [--times 5] [--out runs/bench]

The default network at its full size, as it is before training, whose speed is the same: exported,
served by `authorprofile serve` in a process of its own, asked over REST. The texts are made up as
those of `benchmarks.networks`. Leaves a line a request on the console and `long_author.json`.
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.machine import measure_machine, peak_megabytes
from benchmarks.networks.corpus import draw_authors, write_corpus

SERVE = (sys.executable, "-c", "from pipeline.cli import main; main()", "serve")
EXPORT = (
    "import sys; from benchmarks.networks.own import Own; Own(*sys.argv[2:]).export(sys.argv[1])"
)
READY_SECONDS = 120
TIMEOUT_SECONDS = 600
PREDICT, EXPLAIN = "predict", "explain"


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="benchmarks.long_author", description=__doc__)
    parser.add_argument("--tokens", type=int, default=30_000, help="about, of the author")
    parser.add_argument("--times", type=int, default=5, help="requests of each kind")
    parser.add_argument("--authors", type=int, default=1_000, help="size of the made-up corpus")
    parser.add_argument("--out", type=Path, default=Path("runs/bench"), help="folder of results")
    options = parser.parse_args(arguments)
    model = export_network(options.out, options.authors)
    posts = long_posts(options.tokens)
    with serving(model) as (url, process):
        ask(url, PREDICT, ["a short one"])
        told: dict[str, Any] = {"started": memory(process)}
        told |= {
            kind: measure(url, kind, posts, options.times, process) for kind in (PREDICT, EXPLAIN)
        }
    written = {"machine": measure_machine(), "tokens": options.tokens, **told}
    (options.out / "long_author.json").write_text(json.dumps(written, indent=1), encoding="utf-8")
    sys.stdout.writelines(f"{line}\n" for line in describe(told))
    return 0


def describe(told: dict[str, Any]) -> list[str]:
    """What was measured, a line each."""
    lines = [f"started: {told['started']:,.0f} MB at the most"]
    for kind in (PREDICT, EXPLAIN):
        seconds, megabytes = told[kind]["seconds"], told[kind]["megabytes"]
        lines.append(
            f"{kind}: {median(seconds):.2f} s, the first {seconds[0]:.2f} s; "
            f"{megabytes:,.0f} MB at the most so far"
        )
    return lines


def export_network(out: Path, authors: int) -> Path:
    """The folder of versions of the default network on a made-up corpus."""
    corpus = write_corpus(out, authors)
    model = out / "long_author"
    if not (version := model / "1").exists():
        subprocess.run(
            [sys.executable, "-c", EXPORT, str(version), str(corpus), "conv", "float32", "whole"],
            check=True,
        )
    return model


def long_posts(tokens: int) -> list[str]:
    """Posts of made-up authors, of about so many words together."""
    posts: list[str] = []
    words = 0
    for author in draw_authors(tokens):
        for post in author["posts"]:
            posts.append(post)
            words += post.count(" ") + 1
            if words >= tokens:
                return posts
    return posts


@contextmanager
def serving(model: Path) -> Iterator[tuple[str, int]]:
    """A server of the model: its address and the number of its process."""
    ports = [_free_port(), _free_port()]
    words = ["--model", str(model), "--port", str(ports[0]), "--grpc-port", str(ports[1])]
    settings = ["--set", f"timeout_seconds={TIMEOUT_SECONDS}"]
    server = subprocess.Popen([*SERVE, *words, *settings], stdout=sys.stderr)
    url = f"http://127.0.0.1:{ports[0]}"
    try:
        _wait_for(server, f"{url}/v2/health/ready")
        yield url, server.pid
    finally:
        server.terminate()
        server.wait()


def ask(url: str, kind: str, posts: list[str]) -> Any:
    """The server's answer about one author."""
    body = json.dumps({"instances": [{"posts": posts}]}).encode()
    request = urllib.request.Request(f"{url}/v1/models/authorprofile:{kind}", body)  # noqa: S310
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
        return json.loads(answer.read())


def measure(url: str, kind: str, posts: list[str], times: int, process: int) -> dict[str, Any]:
    """Seconds of each request, and the most memory that the server has held by then."""
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        ask(url, kind, posts)
        seconds.append(time.perf_counter() - started)
    return {"seconds": seconds, "megabytes": memory(process)}


def memory(process: int) -> float:
    """The most memory that a process has held at once, in MB."""
    return peak_megabytes(Path(f"/proc/{process}/status"))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(server: subprocess.Popen[bytes], url: str) -> None:
    ends = time.monotonic() + READY_SECONDS
    while server.poll() is None and time.monotonic() < ends:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - http
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise SystemExit(f"the server must be ready in {READY_SECONDS} s; it is not")


if __name__ == "__main__":
    sys.exit(main())

"""The contenders by name, started on a corpus.

Called by `benchmarks.training` and `benchmarks.inference`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.networks.contenders import Contender, ContenderError
from benchmarks.networks.environments import PeerError, make_environment

KERAS, OWN = "Keras float32", "authorprofile"
"""What ratios are taken to, and what is measured against it."""
CONV = "authorprofile conv"
"""The default network, which is another function than that of all others."""
FINER = "authorprofile finer classes"
"""Length classes with less padding and more batches: what was tried and left."""

# Name: module, arguments after the corpus, the peer whose environment it needs.
CONTENDERS: dict[str, tuple[str, list[str], str | None]] = {
    KERAS: ("plain_keras", ["float32"], None),
    "Keras bfloat16": ("plain_keras", ["mixed_bfloat16"], None),
    "PyTorch float32": ("pytorch", ["eager", "float32"], "pytorch"),
    "PyTorch bfloat16": ("pytorch", ["eager", "bfloat16"], "pytorch"),
    "PyTorch compiled float32": ("pytorch", ["compiled", "float32"], "pytorch"),
    "PyTorch compiled bfloat16": ("pytorch", ["compiled", "bfloat16"], "pytorch"),
    "Ludwig": ("ludwig", [], "ludwig"),
    "authorprofile float32": ("own", ["reference", "float32", "whole"], None),
    OWN: ("own", ["reference", "bfloat16", "whole"], None),
    "authorprofile windows": ("own", ["reference", "bfloat16", "windows"], None),
    CONV: ("own", ["conv", "float32", "whole"], None),
    FINER: ("own", ["reference", "bfloat16", "whole", "1.2"], None),
}
BY_DEFAULT = [name for name in CONTENDERS if name != FINER]


def make_parser(part: str, description: str) -> argparse.ArgumentParser:
    """The options that both parts have."""
    parser = argparse.ArgumentParser(prog=f"benchmarks.{part}", description=description)
    parser.add_argument("--out", type=Path, default=Path("runs/bench"), help="folder of results")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each contender")
    parser.add_argument(
        "--contenders",
        type=read_names,
        default=BY_DEFAULT,
        help=f"names with commas of {', '.join(CONTENDERS)}; by default all but the last",
    )
    return parser


def read_names(text: str) -> list[str]:
    """Names of contenders, from a list with commas.

    Raises:
        ArgumentTypeError: there is none by a name, or the one that ratios are taken to is missing.
    """
    names = [name.strip() for name in text.split(",")]
    if not set(names) <= set(CONTENDERS) or KERAS not in names:
        raise argparse.ArgumentTypeError(
            f"contenders must be {KERAS!r} and others of {', '.join(CONTENDERS)}. Received: {text}"
        )
    return names


@contextmanager
def start_contenders(
    names: Sequence[str], corpus: Path
) -> Iterator[tuple[dict[str, Contender], list[str]]]:
    """Running contenders by name, and notes, such as why others do not run.

    One that ends as soon as it is started, as where a library cannot be loaded, is left out.
    """
    running: dict[str, Contender] = {}
    notes: list[str] = []
    try:
        for name in names:
            module, arguments, peer = CONTENDERS[name]
            try:
                python = {"python": make_environment(peer)} if peer else {}
            except PeerError as error:
                notes.append(f"{name} was not measured: {error}")
                continue
            module = f"benchmarks.networks.{module}"
            running[name] = Contender(module, [str(corpus), *arguments], **python)
        ask_each(running, notes, "parameters")
        yield running, notes
    finally:
        for contender in running.values():
            contender.close()


def ask_each(
    running: dict[str, Contender], notes: list[str], request: str, **arguments: Any
) -> dict[str, Any]:
    """The contenders' answers by name; one that ends leaves `running`, and a note says so."""
    answers: dict[str, Any] = {}
    for name, contender in list(running.items()):
        try:
            answers[name] = contender.ask(request, **arguments)
        except ContenderError:
            notes.append(f"{name} was not measured: it ended at {request!r}; see its errors above")
            running.pop(name).close()
    return answers

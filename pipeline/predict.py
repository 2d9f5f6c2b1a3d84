r"""Predicts authors' attributes from their posts with a served model.

Enters: a model's folder and posts. Leaves: one JSON line an author, in the order first seen. Called
by `authorprofile predict`. Needs TensorFlow and none of TFX; imports it once the input is read.

    {"author_id": "a", "text": "I went home."}
    -> {"author_id": "a", "age": 31.2, "gender": {"female": 0.71, "male": 0.29},
        "income": {"group": 4, "probabilities": [...], "boundaries": [...]}}

Income group k holds boundaries[k-1] <= amount < boundaries[k]; boundaries are absent where the
model was trained on groups. Seen on two cores: 15 s to start, then 40 authors of 3,000 words a
second; 0.95 GB of memory, and beyond that some 20 times the longest author's text.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from components.serving.assets import ServedHeads, read_served_heads
from components.serving.versions import MODEL_FILE, newest_version
from pipeline.spool import Author, InputError, Spool, read_posts

WINDOW_AUTHORS, WINDOW_BYTES, BATCH_AUTHORS = 256, 8 * 1024 * 1024, 32
FAULTS_SHOWN = 20
_OTHER_FORMATS = frozenset({".csv", ".tsv", ".parquet"})
Model = Callable[[Sequence[bytes]], Mapping[str, Any]]


class Summary(NamedTuple):
    """Counts of one prediction."""

    authors: int
    posts: int
    set_aside: int


class ModelError(ValueError):
    """The folder holds no model that can answer; the message holds the rule."""


def predict_command(model_folder: Path, file: Path | None) -> int:
    """What `authorprofile predict` does: posts of a file or of standard input, answers to stdout.

    Returns:
        The exit code: 0 answered, or the reader of the answers went away; 1 the input or the model
        cannot be read; 2 a path is wrong; 130 interrupted.
    """
    try:
        if file is not None and not file.is_file():
            raise FileNotFoundError(f"FILE must be a file of posts; {file} is none.")
        if file is not None and not _OTHER_FORMATS.isdisjoint(file.suffixes):
            raise FileNotFoundError(
                f"FILE must hold JSON Lines or raw text; {file} is named for another format. "
                "Convert it to JSON Lines."
            )
        with file.open("rb") if file else open(0, "rb", closefd=False) as source:
            predict_posts(model_folder, source, sys.stdout, sys.stderr)
            sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes stdout once more at its end, which must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        return 130
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 2
    except (InputError, ModelError, OSError, sqlite3.Error) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def predict_posts(
    model_folder: Path, source: io.BufferedReader, out: TextIO, faults: TextIO
) -> Summary:
    """Answers every author of a stream of posts.

    Args:
        model_folder: a version, or a folder of versions, of which the newest is taken.
        source: posts as `pipeline.spool` reads them.
        out: gets one JSON line an author.
        faults: gets the number and fault of lines set aside, never their text.

    Raises:
        FileNotFoundError: there is no model.
        ModelError: the model cannot answer.
        InputError: the input is empty, damaged, or holds no post that can be read.
    """
    version = find_model(model_folder)
    try:
        served = read_served_heads(version)
    except ValueError as error:
        raise ModelError(str(error)) from None
    with Spool() as spool:
        read_posts(source, spool, _reporter(faults))
        set_aside = sum(spool.set_aside.values())
        if set_aside:
            causes = ", ".join(f"{count} {cause}" for cause, count in spool.set_aside.items())
            print(f"lines set aside: {set_aside} ({causes})", file=faults)
        model = load_model(version)
        authors = 0
        for window in windows(spool.authors()):
            for author, answer in zip(window, answer_window(model, served, window), strict=True):
                line = {"author_id": author.author_id, **answer}
                print(json.dumps(line, allow_nan=False), file=out)
                authors += 1
        return Summary(authors, spool.posts, set_aside)


def _reporter(faults: TextIO) -> Callable[[int, str], None]:
    shown = 0

    def report(number: int, cause: str) -> None:
        nonlocal shown
        shown += 1
        if shown <= FAULTS_SHOWN:
            print(f"line {number} set aside: {cause}", file=faults)

    return report


def find_model(folder: Path) -> Path:
    """The model's own folder: the folder given, or its newest version.

    Raises:
        FileNotFoundError: neither holds a SavedModel.
    """
    if (folder / MODEL_FILE).is_file():
        return folder
    newest = newest_version(folder)
    if newest is None:
        raise FileNotFoundError(
            f"the model folder must hold {MODEL_FILE} or versions, such as 1700000000/{MODEL_FILE};"
            f" {folder} {'holds neither' if folder.is_dir() else 'is no folder'}. Give the folder "
            "that a run pushed to."
        )
    return folder / str(newest)


def load_model(version: Path) -> Model:
    """The model's `posts` signature: posts joined by author -> {head: array [batch, units]}.

    Raises:
        ModelError: the model does not load or has no such signature.
    """
    with _native_messages_held_back():
        import tensorflow as tf

        try:
            model = tf.saved_model.load(str(version))
            signature = model.signatures["posts"]
        except (OSError, ValueError, KeyError, tf.errors.OpError) as error:
            raise ModelError(
                f"the model must load and have a signature 'posts'; {version} fails with "
                f"{type(error).__name__}: {error}"
            ) from error

    def answer(texts: Sequence[bytes]) -> Mapping[str, Any]:
        # The signature lives as long as the model does.
        _ = model
        return {name: value.numpy() for name, value in signature(posts=tf.constant(texts)).items()}

    return answer


@contextlib.contextmanager
def _native_messages_held_back() -> Iterator[None]:
    """Keeps TensorFlow's start-up notices from the terminal; shows them where the start fails."""
    kept = os.dup(2)
    with tempfile.TemporaryFile() as messages:
        os.dup2(messages.fileno(), 2)
        try:
            yield
        except BaseException:
            messages.seek(0)
            os.write(kept, messages.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def windows(authors: Iterable[Author]) -> Iterator[list[Author]]:
    """Authors in portions that fit in memory together, however long one alone is."""
    window: list[Author] = []
    total = 0
    for author in authors:
        size = sum(map(len, author.posts))
        if window and (len(window) == WINDOW_AUTHORS or total + size > WINDOW_BYTES):
            yield window
            window, total = [], 0
        window.append(author)
        total += size
    if window:
        yield window


def answer_window(
    model: Model, served: ServedHeads, window: Sequence[Author]
) -> list[dict[str, Any]]:
    """Answers in the window's order; batches hold texts of like length, since each is padded.

    Raises:
        ModelError: an answer is missing or is not finite.
    """
    separator = served.separator
    texts = [
        separator.join(post.replace(separator, " ") for post in author.posts).encode()
        for author in window
    ]
    order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    answers: list[dict[str, Any]] = [{}] * len(texts)
    for start in range(0, len(order), BATCH_AUTHORS):
        indices = order[start : start + BATCH_AUTHORS]
        outputs = model([texts[index] for index in indices])
        for row, index in enumerate(indices):
            answers[index] = {
                head["name"]: head_answer(head, _numbers(outputs, head["name"], row))
                for head in served.heads
            }
    return answers


def _numbers(outputs: Mapping[str, Any], name: str, row: int) -> list[float]:
    """One author's numbers of a head, each as short as float32 allows: 31.2, not 31.200000763."""
    if name not in outputs:
        raise ModelError(f"the model must answer {name}; it answers {sorted(outputs)}")
    numbers = [float(str(value)) for value in outputs[name][row]]
    if not all(abs(number) < float("inf") for number in numbers):
        raise ModelError(f"the model must answer finite numbers; {name} is {numbers}")
    return numbers


def head_answer(head: Mapping[str, Any], numbers: Sequence[float]) -> Any:
    """What an author's answer line holds of one head.

    >>> head_answer({"kind": "binary", "positive": "female", "negative": "male"}, [0.75])
    {'female': 0.75, 'male': 0.25}
    """
    if head["kind"] == "regression":
        return numbers[0]
    if head["kind"] == "binary":
        return {head["positive"]: numbers[0], head["negative"]: round(1 - numbers[0], 9)}
    answer = {"group": max(range(len(numbers)), key=numbers.__getitem__), "probabilities": numbers}
    if head.get("boundaries"):
        answer["boundaries"] = head["boundaries"]
    return answer

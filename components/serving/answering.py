r"""Asks a served model about authors: their posts in, answers as people read them out.

Enters: a model's folder, then authors with their posts in order. Leaves: for each author a mapping
of each head's name to its answer. Called by `bulk` and by `pipeline.predict`. Needs TensorFlow and
none of TFX or Beam; imports it with the first model.

    Author("a", ["I went home."])
    -> {"age": 31.2, "gender": {"female": 0.71, "male": 0.29},
        "income": {"group": 4, "probabilities": [...], "boundaries": [...]}}

Income group k holds boundaries[k-1] <= amount < boundaries[k]; boundaries are absent where the
model was trained on groups.
"""

from __future__ import annotations

import contextlib
import functools
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from components.paths import loadable
from components.serving.assets import ServedHeads
from components.serving.versions import MODEL_FILE, newest_version

WINDOW_AUTHORS, WINDOW_BYTES, BATCH_AUTHORS = 256, 8 * 1024 * 1024, 32
BATCHES_AT_ONCE = 2
Model = Callable[[Sequence[bytes]], Mapping[str, Any]]


class Author(NamedTuple):
    """An author and the posts in order; no id where the input was raw text."""

    author_id: str | None
    posts: Sequence[str]


class ModelError(ValueError):
    """The folder holds no model that can answer; the message holds the rule."""


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
            with loadable(version) as path:
                model = tf.saved_model.load(path)
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


@functools.lru_cache(maxsize=1)
def load_model_once(version: Path) -> Model:
    """As `load_model`; the last model stays, through one Beam pipeline after another."""
    return load_model(version)


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
    batches = [
        order[start : start + BATCH_AUTHORS] for start in range(0, len(order), BATCH_AUTHORS)
    ]
    outputs_of_batches = answer_batches(model, [[texts[i] for i in batch] for batch in batches])
    for indices, outputs in zip(batches, outputs_of_batches, strict=True):
        for row, index in enumerate(indices):
            answers[index] = {
                head["name"]: head_answer(head, _numbers(outputs, head["name"], row))
                for head in served.heads
            }
    return answers


def answer_batches(model: Model, batches: Sequence[Sequence[bytes]]) -> Iterator[Mapping[str, Any]]:
    """Each batch's outputs; one text is cut into tokens, on one core, while the network reads."""
    with ThreadPoolExecutor(BATCHES_AT_ONCE) as pool:
        yield from pool.map(model, batches)


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

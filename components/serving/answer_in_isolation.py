"""Loads a SavedModel where TensorFlow is all there is, and writes down what it answers.

A script, run by `fresh_process` as `python -I -S answer_in_isolation.py REQUEST RESPONSE`: no
`.pth` file is processed and no PYTHON variable heeded, so an editable install is not on the path,
and what `hidden` names cannot be imported even where it is installed beside TensorFlow.

Enters: REQUEST, a JSON file `{"model", "site_packages", "hidden", "timeout_seconds",
"questions"}`; a question is `{"name", "signature", "argument", "private", "batches"}`, its batches
lists of base64 strings. Leaves: RESPONSE, a JSON file `{"answers": {question: {output: [row,
...]}}, "fault"}`, where `fault` is null or one sentence that says what the model could not do.
"""

from __future__ import annotations

import base64
import contextlib
import gc
import importlib
import json
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

_LONGEST_CAUSE = 500


class Fault(Exception):
    """The model cannot do what the request asks; the message is the sentence to report."""


class HiddenModules:
    """An import finder that makes top-level modules absent, whatever is installed."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = frozenset(names)

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Leaves every other module to the finders after this one."""
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named {name!r} (hidden)", name=name)


def isolate(site_packages: Sequence[str], hidden: Sequence[str]) -> None:
    """Puts the installed packages on the path, and proves that the hidden ones are absent.

    Raises:
        RuntimeError: a hidden module can still be imported.
    """
    sys.path.extend(site_packages)
    sys.meta_path.insert(0, HiddenModules(hidden))
    for name in hidden:
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(name)
            raise RuntimeError(f"isolation failed: {name} can be imported")


@contextlib.contextmanager
def silence(private: bool) -> Iterator[None]:
    """Discards standard error meanwhile: TensorFlow quotes an input that it cannot parse."""
    if not private:
        yield
        return
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _sentence(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:_LONGEST_CAUSE]


def load(model: str) -> Any:
    """The SavedModel. Raises Fault."""
    import tensorflow as tf

    try:
        return tf.saved_model.load(model)
    except Exception as error:
        raise Fault(f"the model does not load: {_sentence(error)}") from error


def ask(model: Any, question: dict[str, Any]) -> dict[str, list[Any]]:
    """Rows of every output, over all batches of the question. Raises Fault."""
    import tensorflow as tf

    name = question["signature"]
    if name not in model.signatures:
        raise Fault(f"the model has no signature {name}; it has {sorted(model.signatures)}")
    rows: dict[str, list[Any]] = {}
    try:
        with silence(question["private"]):
            for batch in question["batches"]:
                texts = [base64.b64decode(value) for value in batch]
                outputs = model.signatures[name](**{question["argument"]: tf.constant(texts)})
                for output, values in outputs.items():
                    rows.setdefault(output, []).extend(values.numpy().tolist())
    except Exception as error:
        # An error about an author's input may quote it.
        cause = type(error).__name__ if question["private"] else _sentence(error)
        raise Fault(f"signature {name} fails on {question['name']}: {cause}") from error
    return rows


def main(request_file: str, response_file: str) -> None:
    """Answers the request file with the response file."""
    # TensorFlow's import is a quarter of its time the cycle collector, and the process ends soon.
    gc.disable()
    request = json.loads(Path(request_file).read_text(encoding="utf-8"))
    # An orphan, its parent killed, must not outlive the time it was given.
    signal.alarm(request["timeout_seconds"] + 5)
    isolate(request["site_packages"], request["hidden"])
    response: dict[str, Any] = {"answers": {}, "fault": None}
    try:
        model = load(request["model"])
        for question in request["questions"]:
            response["answers"][question["name"]] = ask(model, question)
    except Fault as fault:
        response["fault"] = str(fault)
    Path(response_file).write_text(json.dumps(response), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Puts questions to a SavedModel in a process that holds TensorFlow and nothing of this repository.

Enters: a model's folder and questions. Leaves: its answers, or one sentence that says why there are
none. The other side is `answer_in_isolation`. The processes exchange JSON files.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from components.serving import answer_in_isolation

HIDDEN = ("components", "pipeline", "tfx", "tensorflow_transform", "tfx_bsl", "apache_beam")
# Not under `authorprofile`: a library's chatter is for the log file alone.
_LOG = logging.getLogger(__name__)
_LINES_OF_STDERR = 5


def question(
    name: str,
    signature: str,
    argument: str,
    batches: Sequence[Sequence[bytes]],
    private: bool = False,
) -> dict[str, Any]:
    """A question to a model.

    Args:
        name: of the question, in messages.
        signature: of the model.
        argument: of the signature; takes strings `[batch]`.
        batches: the strings, a list a call.
        private: the strings are an author's: nothing of what the model then says is repeated.
    """
    return {
        "name": name,
        "signature": signature,
        "argument": argument,
        "private": private,
        "batches": [[base64.b64encode(value).decode() for value in batch] for batch in batches],
    }


def ask_in_fresh_process(
    model: Path, questions: Sequence[dict[str, Any]], timeout_seconds: int
) -> tuple[str | None, dict[str, Any]]:
    """Asks a model; TensorFlow's import takes some 2 s of the time.

    Returns:
        A sentence where the model did not answer, else None; and its answers,
        question -> output -> one row a string.
    """
    with tempfile.TemporaryDirectory(prefix="serving-check-") as scratch:
        request, response = Path(scratch, "request.json"), Path(scratch, "response.json")
        content = {
            "model": str(model.resolve()),
            "site_packages": _site_packages(),
            "hidden": HIDDEN,
            "timeout_seconds": timeout_seconds,
            "questions": questions,
        }
        request.write_text(json.dumps(content), encoding="utf-8")
        fault = _run([str(request), str(response)], Path(scratch), timeout_seconds)
        if fault:
            return fault, {}
        result = json.loads(response.read_text(encoding="utf-8"))
        return result["fault"], result["answers"]


def _run(arguments: list[str], scratch: Path, timeout_seconds: int) -> str | None:
    """Runs the script; a sentence where it did not end well."""
    script = str(Path(answer_in_isolation.__file__).resolve())
    stderr = scratch / "stderr"
    with stderr.open("wb") as sink:
        try:
            status = subprocess.run(
                [sys.executable, "-I", "-S", script, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=sink,
                cwd=scratch,
                env=_environment(),
                timeout=timeout_seconds,
            ).returncode
            end = f"ended by signal {-status}" if status < 0 else f"ended with status {status}"
        except subprocess.TimeoutExpired:
            status, end = None, f"did not answer within {timeout_seconds} seconds"
    lines = stderr.read_text(encoding="utf-8", errors="replace").splitlines()
    for line in lines:
        _LOG.debug("fresh process: %s", line)
    if status == 0:
        return None
    return " | ".join([f"the fresh process {end}", *lines[-_LINES_OF_STDERR:]])


def _environment() -> dict[str, str]:
    """This process's environment, less what would make the fresh one like it."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PYTHON") and name != "TF_USE_LEGACY_KERAS"
    }
    # A GPU's memory may all be held by this process.
    return {**kept, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "2"}


def _site_packages() -> list[str]:
    """Folders of installed packages; an editable install's own folder is none of them."""
    folders = {"site-packages", "dist-packages"}
    return [entry for entry in sys.path if Path(entry).name in folders]

"""What of an error may be passed on, and what it says where it may not."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pyarrow
import pytest

from components.report.record import read_rows
from components.training.warm_start import read_network
from pipeline import causes
from pipeline.causes import StageFailed, describe_cause, safe_traceback, without_values

SECRET = "dear diary"
WORKER = """Traceback (most recent call last):
  File "/library/operations.py", line 7, in process
    self.receive(value)
  File "{file}", line {line}, in check
    raise ValueError(
ValueError: The rule. [while running 'Check']
"""


def fail(cause):
    """The error of a stage whose first cause is what `cause` raises."""
    try:
        try:
            cause()
        except Exception as error:
            raise RuntimeError("the engine's frame") from error
    except RuntimeError as error:
        return error


def line_of(file, word):
    """Number of the first line that begins with a word."""
    with open(file) as lines:
        return next(number for number, line in enumerate(lines, 1) if line.strip().startswith(word))


def test_what_this_program_states_is_quoted():
    error = fail(lambda: read_rows("[1]"))
    assert describe_cause(error).startswith("comparison.json must be a list of rows")
    assert "comparison.json must be a list of rows" in safe_traceback(error)


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        (lambda: int(SECRET), "ValueError"),
        (lambda: causes.linecache.getline(SECRET, SECRET), "TypeError"),
        (lambda: {}[SECRET], "KeyError"),
        (lambda: "".encode(SECRET), "LookupError"),
        (lambda: pyarrow.array([SECRET]).cast(pyarrow.int64()), "ArrowInvalid"),
    ],
)
def test_what_a_library_says_of_a_value_is_not(cause, kind):
    error = fail(cause)
    assert re.fullmatch(rf"{kind} at [^ ]+:\d+ {re.escape(causes.WITHHELD)}", describe_cause(error))
    told = safe_traceback(error)
    assert SECRET not in told
    assert f"{kind}: {causes.WITHHELD}" in told
    assert "in fail\n    cause()" in told
    assert "RuntimeError: " in told


@pytest.mark.parametrize(
    ("cause", "said"),
    [
        (
            lambda: Path("/nowhere/posts.jsonl").read_text(),
            "No such file or directory: /nowhere/posts.jsonl",
        ),
        (lambda: importlib.import_module("nowhere"), "No module named 'nowhere'"),
    ],
)
def test_what_a_library_says_of_a_file_or_a_module_is(cause, said):
    error = fail(cause)
    assert describe_cause(error).endswith(f": {said}")
    assert said in safe_traceback(error)


def test_a_statement_that_follows_from_a_librarys_error_is_told_before_it():
    def raise_ours():
        read_network("/nowhere")

    error = StageFailed("Trainer")
    error.__cause__ = fail(raise_ours)
    assert describe_cause(error).startswith("A warm start needs the network of an earlier run")


def test_a_workers_traceback_counts_by_its_last_frame():
    line = line_of(causes._OURS[0] / "heads/names.py", "raise")
    for file, quoted in (
        (causes._OURS[0] / "heads/names.py", "The rule."),
        ("/library/heads.py", f"RuntimeError at /library/heads.py:{line} (text withheld"),
    ):
        error = RuntimeError(WORKER.format(file=file, line=line))
        assert describe_cause(error).startswith(quoted)
        assert ("The rule." in without_values(str(error))) == (quoted == "The rule.")


def test_what_follows_a_librarys_error_in_a_text_is_dropped_up_to_the_next_traceback():
    worker = WORKER.format(file="/library/a.py", line=1).rstrip()
    text = f"failed\n{worker}\n[{SECRET},\n {SECRET}]\n\n{causes._LINKS[0]}\n\n{worker}\n{SECRET}"
    told = without_values(text)
    assert SECRET not in told and "The rule." not in told
    assert told.count("ValueError: (text withheld") == 2
    assert told.startswith("failed\n") and causes._LINKS[0] in told
    assert without_values(SECRET) == SECRET

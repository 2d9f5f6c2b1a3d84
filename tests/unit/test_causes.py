"""What of an error may be passed on, and what it says where it may not."""

from __future__ import annotations

import pytest

from components.report.record import read_rows
from pipeline import causes
from pipeline.causes import quotable_cause

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
    assert quotable_cause(error).startswith("comparison.json must be a list of rows")


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        (lambda: int(SECRET), "ValueError"),
        (lambda: causes.linecache.getline(SECRET, SECRET), "TypeError"),
    ],
)
def test_what_a_library_says_of_a_value_is_not(cause, kind):
    assert quotable_cause(fail(cause)) == f"{kind}; the log says more"


def test_a_workers_traceback_counts_by_its_last_frame():
    line = line_of(causes._OURS[0] / "heads.py", "raise")
    for file, quoted in (
        (causes._OURS[0] / "heads.py", "The rule."),
        ("/library/heads.py", "RuntimeError; the log says more"),
    ):
        error = RuntimeError(WORKER.format(file=file, line=line))
        assert quotable_cause(error) == quoted

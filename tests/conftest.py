"""What every test rests on: interrupts reach the commands it starts, properties repeat.

What a test measures, such as a throughput, it records as a property; the summary lists those.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from pathlib import Path

import pytest
from hypothesis import settings

COUNT_HEAD = str(Path(__file__).parent / "count_head")
# Before the conftest of any folder is read, which may import the heads: a further kind of head is
# installed, here and in every child.
sys.path.insert(0, COUNT_HEAD)
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [COUNT_HEAD, os.environ.get("PYTHONPATH")]))


def pytest_configure() -> None:
    """Here and in every child: interrupts are heard.

    A shell starts background jobs with interrupts ignored, which every child would inherit.
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # Properties are tried on the same examples everywhere, however slow the machine.
    settings.load_profile("ci")
    # As `pipeline.imports` has it for the commands: what tests import, they import while collected.
    gc.disable()


def pytest_collection_finish() -> None:
    """All is imported."""
    gc.freeze()
    gc.enable()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Lists what tests measured, also those of other processes."""
    for report in terminalreporter.getreports("passed"):
        if report.when == "call" and report.user_properties:
            told = ", ".join(f"{name} {value}" for name, value in report.user_properties)
            terminalreporter.write_line(f"{report.location[2]}: {told}")

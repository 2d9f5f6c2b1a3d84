"""What every test rests on: that an interrupt reaches the commands which are started."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """A shell starts background jobs with interrupts ignored, which every child would inherit."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)

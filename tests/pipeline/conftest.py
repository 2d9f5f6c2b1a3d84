"""Data that several runs share."""

from __future__ import annotations

import pytest
from command import run_command


@pytest.fixture(scope="session")
def small_sample(tmp_path_factory):
    """A sample of 400 authors."""
    folder = tmp_path_factory.mktemp("small") / "data"
    assert run_command("sample", folder, "--authors", 400).returncode == 0
    return folder

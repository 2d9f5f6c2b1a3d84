"""One server for the tests that leave it as it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving.server_process import ServerProcess, push
from tests.unit.conftest import save_toy_model


@pytest.fixture(scope="session")
def toy_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose answers are known by hand; tests must not change it."""
    return save_toy_model(tmp_path_factory.mktemp("toy") / "model")


@pytest.fixture(scope="session")
def server(toy_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Version 7 in service."""
    folder = tmp_path_factory.mktemp("serving")
    push(toy_model, folder, 7)
    log = tmp_path_factory.mktemp("log") / "server.log"
    with ServerProcess(folder, log, "abstain_below={gender: 0.8}", "max_instances=64") as process:
        yield process

"""docs/serving.md: every request in it is answered as it says, every default is the setting's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.serving.server.settings import ServerSettings
from tests.unit.serving.application import PREDICT, Server, push_calibrated

PAGE = (Path(__file__).parents[3] / "docs/serving.md").read_text(encoding="utf-8")
REQUESTS = re.findall(r"^\| `(\{.*?\})` \| (\d+) \|", PAGE, re.M)
DEFAULTS = re.findall(r"^\| `(\w+)` \| ([\d.]+) \|", PAGE, re.M)


@pytest.fixture(scope="module")
def server(toy_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server as it is without settings."""
    made = Server(push_calibrated(toy_model, tmp_path_factory.mktemp("docs")))
    yield made
    made.close()


@pytest.mark.parametrize(("body", "code"), REQUESTS)
def test_a_request_of_the_page_is_answered_as_it_says(server: Server, body: str, code: str) -> None:
    assert server.ask(PREDICT, body.encode()).status_code == int(code)


def test_the_page_has_requests_of_either_outcome() -> None:
    assert {code for _, code in REQUESTS} == {"200", "400"}
    assert len(REQUESTS) >= 11


@pytest.mark.parametrize(("name", "default"), DEFAULTS)
def test_a_default_of_the_page_is_the_settings(name: str, default: str) -> None:
    assert str(ServerSettings.model_fields[name].default) == default


def test_the_page_names_every_bound_of_requests() -> None:
    bounds = {name for name in ServerSettings.model_fields if name.startswith("max_")}
    assert {name for name, _ in DEFAULTS} >= bounds - {"max_connections"}

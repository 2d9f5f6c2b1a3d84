"""The application of every address of HTTP, without a network, over the toy model."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import httpx

from components.serving.server.kserve_api import ModelRepository
from components.serving.server.rest import build_application
from components.serving.server.service import AuthorDataPlane, AuthorModel
from components.serving.server.settings import ServerSettings

PREDICT = "/v1/models/authorprofile:predict"
EXPLAIN = "/v1/models/authorprofile:explain"
INFER = "/v2/models/authorprofile/infer"
QUALITY = {"metric": "mae", "value": 5.96, "lower": 5.4, "upper": 6.52}
# Words 3, bytes 12: see the toy model in conftest.py.
HOME = {"posts": ["I went", "home."]}
HOME_TENSORS = {"age": [23.0], "gender": [0.75], "income": [0.7, 0.1, 0.1, 0.1]}


class Server:
    """The application on a loop of its own."""

    def __init__(self, folder: Path, **options: Any) -> None:
        settings = ServerSettings(model=folder, **options)
        self.model = AuthorModel(settings)
        assert self.model.load()
        repository = ModelRepository()
        repository.update(self.model)
        application = build_application(self.model, AuthorDataPlane(repository))
        self.runner = asyncio.Runner()
        transport = httpx.ASGITransport(application)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://test")

    def ask(self, path: str, body: Any = None, method: str = "", **options: Any) -> httpx.Response:
        """One request; a body that is no bytes goes as JSON."""
        if body is not None:
            options["content"] = body if isinstance(body, bytes) else json.dumps(body)
        return self.ask_all([(method or ("GET" if body is None else "POST"), path, options)])[0]

    def ask_all(self, requests: list[Any]) -> list[httpx.Response]:
        """Requests at once."""

        async def gather() -> list[httpx.Response]:
            asked = [self.client.request(m, path, **options) for m, path, options in requests]
            return await asyncio.gather(*asked)

        return self.runner.run(gather())

    def close(self) -> None:
        """Ends the threads."""
        self.model.stop()
        self.runner.close()


def push_calibrated(toy_model: Path, folder: Path) -> Path:
    """Version 7 in a folder, whose heads were calibrated and measured."""
    shutil.copytree(toy_model, folder / "7")
    asset = folder / "7" / "assets" / "heads.json"
    told = json.loads(asset.read_text())
    age, _, gender = told["heads"]
    age |= {"unit": "years", "interval": {"coverage": 0.8, "half_width": 4.0}, "quality": QUALITY}
    gender["temperature"] = 1.5
    asset.write_text(json.dumps(told))
    return folder

"""A server in a process of its own, as `authorprofile serve` starts it."""

from __future__ import annotations

import json
import math
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

# What a serving process must do without; see components.serving.answer_in_isolation.
ABSENT = ["tfx", "apache_beam", "tensorflow_transform", "tfx_bsl", "ml_metadata", "keras_tuner"]
START = f"""
import sys
from components.serving.answer_in_isolation import HiddenModules
sys.meta_path.insert(0, HiddenModules({ABSENT}))
from pipeline.cli import main
main()
"""
QUALITY = {"metric": "mae", "value": 5.96, "lower": 5.4, "upper": 6.52}
LONGEST_START_SECONDS = 180


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def describe(version: Path) -> None:
    """Gives the toy model's heads an interval, a calibration and a measured quality."""
    asset = version / "assets" / "heads.json"
    told = json.loads(asset.read_text())
    age, income, gender = told["heads"]
    age |= {"unit": "years", "interval": {"coverage": 0.8, "half_width": 4.0}, "quality": QUALITY}
    income |= {"unit": "dollars a year", "temperature": 1.1}
    gender |= {"temperature": 1.5}
    asset.write_text(json.dumps(told))


def push(
    model: Path, folder: Path, version: int, spoil: Callable[[Path], None] | None = None
) -> None:
    """Makes a model a version all at once, as the pipeline does."""
    partial = folder / f".partial-{version}"
    shutil.copytree(model, partial)
    describe(partial)
    if spoil:
        spoil(partial)
    partial.rename(folder / str(version))


def command(folder: Path, *words: str) -> list[str]:
    """The command without TFX and Beam."""
    return [sys.executable, "-c", START, "serve", "--model", str(folder), *words]


class ServerProcess:
    """A running server; use it with `with`."""

    def __init__(self, folder: Path, log: Path, *settings: str, port: int = 0) -> None:
        self.folder = folder
        self.log = log
        self.started = time.monotonic()
        self.seconds_to_ready = math.nan
        self.port, self.grpc_port = port or free_port(), free_port()
        ports = ["--port", str(self.port), "--grpc-port", str(self.grpc_port)]
        words = [word for setting in settings for word in ("--set", setting)]
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                command(folder, *ports, *words), stdout=out, stderr=subprocess.STDOUT
            )

    def __enter__(self) -> ServerProcess:
        self.wait()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    @property
    def address(self) -> str:
        """Of HTTP."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def grpc_address(self) -> str:
        """Of gRPC."""
        return f"127.0.0.1:{self.grpc_port}"

    def wait(self) -> None:
        """Until it is ready."""
        deadline = time.monotonic() + LONGEST_START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.address}/v2/health/ready", timeout=5) as answer:
                    if answer.status == 200:
                        self.seconds_to_ready = round(time.monotonic() - self.started, 1)
                        return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        raise AssertionError(f"the server did not start:\n{self.log.read_text()}")

    def terminate(self) -> int:
        """Ends it as a supervisor does; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(300)

    def ask(self, path: str, body: Any = None) -> tuple[int, Any]:
        """A request; code and JSON."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, data)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

"""README's examples of clients, run as they are written but for the ports."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import textwrap
from pathlib import Path

import pytest

from tests.serving.server_process import ServerProcess

README = Path(__file__).parents[2] / "README.md"


def example(first_word: str, server: ServerProcess) -> str:
    """The block of README's section on serving that begins with a word."""
    section = README.read_text(encoding="utf-8").split("\n## Serve\n")[1].split("\n## ")[0]
    blocks = [
        textwrap.dedent(block) for block in re.findall(r"(?:^ {4}.*\n|^\n(?= {4}))+", section, re.M)
    ]
    (block,) = [block.strip() for block in blocks if block.strip().startswith(first_word)]
    return block.replace("8501", str(server.port)).replace("8500", str(server.grpc_port))


@pytest.mark.skipif(
    not shutil.which("curl"), reason="README's example needs curl: apt-get install curl"
)
def test_the_example_with_curl_is_answered(server: ServerProcess) -> None:
    done = subprocess.run(
        ["bash", "-c", example("curl", server)], capture_output=True, text=True, check=True
    )
    (answer,) = json.loads(done.stdout)["predictions"]
    # Eight words: the toy model says 20 + 8.
    assert answer["age"]["value"] == 28.0
    assert answer["age"]["interval"] == {"coverage": 0.8, "lower": 24.0, "upper": 32.0}


def test_the_example_with_grpc_is_answered(
    server: ServerProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    exec(compile(example("import grpc", server), str(README), "exec"), {})
    told = capsys.readouterr().out
    assert "'age': array([[25.]], dtype=float32)" in told

"""What a version says of its heads: the model's own asset, and the quality that its push adds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from components.serving.assets import read_served_heads

HEADS = [{"name": "age", "kind": "regression"}, {"name": "mood", "kind": "binary"}]
AGE = {"metric": "mae", "value": 5.96, "lower": 5.4, "upper": 6.52}


def write(folder: Path, file: str, content: Any) -> Path:
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return folder


@pytest.fixture
def version(tmp_path: Path) -> Path:
    return write(tmp_path, "assets/heads.json", {"separator": "|", "heads": HEADS})


def test_a_version_without_quality_says_none(version: Path) -> None:
    assert read_served_heads(version) == (tuple(HEADS), "|")


def test_the_quality_beside_a_pushed_version_joins_its_heads(version: Path) -> None:
    write(version, "assets.extra/quality.json", {"age": {**AGE, "authors": 150}})
    age, mood = read_served_heads(version).heads
    assert age == {"name": "age", "kind": "regression", "quality": AGE}
    assert mood == HEADS[1]


@pytest.mark.parametrize(
    "content", [[], {"age": 5.96}, {"age": {"metric": "mae"}}, {"age": {**AGE, "value": "good"}}]
)
def test_quality_that_cannot_be_read_is_told(version: Path, content: Any) -> None:
    write(version, "assets.extra/quality.json", content)
    with pytest.raises(ValueError, match=r"quality\.json must give each head's metric, value"):
        read_served_heads(version)

"""What a version says of its heads: the model's own asset, and the quality that its push adds."""

from __future__ import annotations

import json
import os
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.serving.assets import read_served_heads

HEADS = [
    {"name": "age", "kind": "regression"},
    {"name": "mood", "kind": "binary", "positive": "good", "negative": "bad"},
]
GROUPS = {"name": "income", "kind": "classes", "classes": 3, "boundaries": [1.5, 2.0]}
AGE = {"metric": "mae", "value": 5.96, "lower": 5.4, "upper": 6.52}

# Words of pydantic's that nobody should have to read.
FOREIGN = re.compile(r"Field required|Input (should|tag)|Value error|valid (integer|number|string)")


def write(folder: Path, file: str, content: Any) -> Path:
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return folder


@pytest.fixture
def version(tmp_path: Path) -> Path:
    return write(tmp_path, "assets/heads.json", {"separator": "|", "heads": HEADS})


def test_a_version_without_quality_says_none(version: Path) -> None:
    served = read_served_heads(version)
    assert [head.written for head in served.heads] == HEADS
    assert served.separator == "|"


def test_the_quality_beside_a_pushed_version_joins_its_heads(version: Path) -> None:
    write(version, "assets.extra/quality.json", {"age": {**AGE, "authors": 150}})
    age, mood = read_served_heads(version).heads
    assert age.written == {"name": "age", "kind": "regression", "quality": AGE}
    assert age.quality == AGE
    assert mood.written == HEADS[1]


@pytest.mark.parametrize(
    "content", [[], {"age": 5.96}, {"age": {"metric": "mae"}}, {"age": {**AGE, "value": "good"}}]
)
def test_quality_that_cannot_be_read_is_told(version: Path, content: Any) -> None:
    write(version, "assets.extra/quality.json", content)
    with pytest.raises(ValueError, match=r"quality\.json must give each head's metric, value"):
        read_served_heads(version)


@pytest.mark.parametrize(
    ("head", "missing"),
    [(head, key) for head in (*HEADS, GROUPS) for key in head if key != "boundaries"],
)
def test_a_key_that_an_answer_needs_is_missed_when_the_file_is_read(
    tmp_path: Path, head: dict[str, Any], missing: str
) -> None:
    told = {key: value for key, value in head.items() if key != missing}
    write(tmp_path, "assets/heads.json", {"separator": "|", "heads": [told]})
    with pytest.raises(ValueError, match=rf"heads\.json; .*{missing}.*\. Export the model again"):
        read_served_heads(tmp_path)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": 7},
        {"name": ""},
        {"name": None},
        {"name": "mood"},
        {"kind": "ordinal"},
        {"kind": ["classes"]},
        {"classes": "3"},
        {"classes": 3.5},
        {"classes": 1},
        {"classes": True},
        {"boundaries": [1.5]},
        {"boundaries": "1.5, 2.0"},
        {"boundaries": [1.5, None]},
        {"temperature": 0},
        {"temperature": "warm"},
        {"temperature": None},
        {"kind": "regression", "minimum": None},
        {"kind": "regression", "maximum": "120"},
        {"kind": "regression", "interval": {"coverage": 0.8}},
        {"kind": "regression", "interval": {"half_width": 4.0}},
        {"kind": "regression", "interval": {"coverage": "most", "half_width": 4.0}},
        {"kind": "regression", "interval": [0.8, 4.0]},
        {"kind": "binary", "positive": 1, "negative": "0"},
        {"kind": "binary", "positive": "1", "negative": None},
    ],
)
def test_a_head_that_would_fail_an_answer_is_told(tmp_path: Path, wrong: dict[str, Any]) -> None:
    heads = [*HEADS, {**GROUPS, **wrong}]
    write(tmp_path, "assets/heads.json", {"separator": "|", "heads": heads})
    with pytest.raises(
        ValueError, match=r"it cannot be used \(.+\)\. Export the model again"
    ) as raised:
        read_served_heads(tmp_path)
    assert not FOREIGN.search(str(raised.value))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"name": ""}, 'heads.2.name: must not be empty; got ""'),
        ({"classes": 3.5}, "heads.2.classes: must be a whole number, at least 2; got 3.5"),
        ({"kind": "ordinal"}, "heads.2.kind: must be one of 'regression', 'classes', 'binary'"),
        ({"kind": "binary", "positive": "1"}, "heads.2.negative: must be given"),
    ],
)
def test_a_wrong_head_is_told_in_plain_words(
    tmp_path: Path, wrong: dict[str, Any], said: str
) -> None:
    heads = [*HEADS, {**GROUPS, **wrong}]
    write(tmp_path, "assets/heads.json", {"separator": "|", "heads": heads})
    with pytest.raises(ValueError, match=re.escape(said)):
        read_served_heads(tmp_path)


def test_a_kind_that_is_not_installed_is_refused_with_what_may_bring_it(tmp_path: Path) -> None:
    heads = [*HEADS, {"name": "trips", "kind": "tally"}]
    write(tmp_path, "assets/heads.json", {"separator": "|", "heads": heads})
    with pytest.raises(
        ValueError, match=r"; got \"tally\"\)\. .+, or install the package that adds this kind"
    ):
        read_served_heads(tmp_path)


def test_an_entry_is_kept_as_written_on_its_way_to_a_worker(tmp_path: Path) -> None:
    entry = {"unit": "trips", "kind": "regression", "link": ["log", 1], "minimum": 0, "name": "n"}
    write(tmp_path, "assets/heads.json", {"separator": "|", "heads": [entry]})
    served = pickle.loads(pickle.dumps(read_served_heads(tmp_path)))
    assert json.dumps(served.heads[0].written) == json.dumps(entry)
    assert served.heads[0].answer([2.5]) == 2.5


def nothing(path: Path) -> None:
    path.write_bytes(b"")


def no_json(path: Path) -> None:
    path.write_text("heads: age")


def half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def no_text(path: Path) -> None:
    path.write_bytes(b"\xff\xfe" + path.read_bytes())


def a_list(path: Path) -> None:
    path.write_text("[]")


def no_heads(path: Path) -> None:
    path.write_text('{"separator": "|", "heads": []}')


def no_separator(path: Path) -> None:
    path.write_text(json.dumps({"heads": HEADS}))


def very_deep(path: Path) -> None:
    path.write_text("[" * 100_000)


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


SPOILT = [
    nothing,
    no_json,
    half,
    no_text,
    a_list,
    no_heads,
    no_separator,
    very_deep,
    a_folder,
    a_loop,
]


@pytest.mark.parametrize(
    ("file", "spoil"),
    [
        *(
            (file, spoil)
            for file in ("assets/heads.json", "assets.extra/quality.json")
            for spoil in SPOILT
        ),
        # That a model was never measured is no fault.
        ("assets/heads.json", os.unlink),
    ],
)
def test_a_file_that_is_not_what_it_should_be_is_one_sentence(
    version: Path, file: str, spoil: Callable[[Path], None]
) -> None:
    write(version, "assets.extra/quality.json", {"age": AGE})
    spoil(version / file)
    with pytest.raises(ValueError, match=r"\.json.+\. (Export|Push) the model again\.") as raised:
        read_served_heads(version)
    assert "\n" not in str(raised.value)
    assert not FOREIGN.search(str(raised.value))

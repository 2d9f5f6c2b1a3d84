"""`authorprofile predict` on a small model whose answers are known by hand."""

from __future__ import annotations

import gzip
import io
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.heads.served import ServedNumber
from components.serving.answering import (
    Author,
    ModelError,
    ModelFolder,
    answer_batches,
    answer_window,
    load_model,
    windows,
)
from components.serving.assets import ServedHeads
from pipeline.predict import predict_command, predict_posts
from tests.unit.conftest import answer_by_hand
from tests.unit.serving.damage import DAMAGES, list_digests

INCOME_3 = {
    "group": 3,
    "probabilities": [0.1, 0.1, 0.1, 0.7],
    "boundaries": [10.0, 20.0, 30.5],
}
TAKEN_FOR_TEXT = (
    b"standard input is read as raw text of one author, one post per line: it is neither JSON "
    b"Lines nor a table whose header names author_id.\n"
)
COMMAND = """
import sys, pathlib
from pipeline.output import watch_output
from pipeline.predict import predict_command
watch_output()
status = predict_command(pathlib.Path(sys.argv[1]), None)
print(sorted({"tensorflow", "tfx", "apache_beam", "tensorflow_transform"} & set(sys.modules)),
      file=sys.stderr)
sys.exit(status)
"""


def predict(model: Path, content: bytes) -> tuple[list[dict[str, Any]], str]:
    """Answers and what was said on the way."""
    out, faults = io.StringIO(), io.StringIO()
    predict_posts(model, io.BufferedReader(io.BytesIO(content)), out, faults)
    return [json.loads(line) for line in out.getvalue().splitlines()], faults.getvalue()


def test_each_author_gets_one_line_of_every_head(toy_model: Path) -> None:
    content = (
        b'{"author_id": "b", "text": "I went home, see"}\n'
        b'{"author_id": "a", "text": "you"}\n'
        b'{"author_id": "b", "text": "two"}\n'
    )
    answers, faults = predict(toy_model, content)
    # b: five words in 16 + 1 + 3 = 20 bytes, group 0; a: one word in 3 bytes, group 3.
    assert answers == [
        {
            "author_id": "b",
            "age": 25.0,
            "income": {
                "group": 0,
                "probabilities": [0.7, 0.1, 0.1, 0.1],
                "boundaries": [10.0, 20.0, 30.5],
            },
            "gender": {"female": 0.8333333, "male": 0.1666667},
        },
        {"author_id": "a", "age": 21.0, "income": INCOME_3, "gender": {"female": 0.5, "male": 0.5}},
    ]
    assert faults == ""


def test_posts_are_joined_by_the_models_separator_which_is_a_space_inside_a_post() -> None:
    asked: list[bytes] = []

    def model(texts: Any) -> dict[str, Any]:
        asked.extend(texts)
        return {}

    answer_window(model, ServedHeads((), "|"), [Author("a", ["one|two", "你"])])
    assert asked == ["one two|你".encode()]


def test_lines_set_aside_are_named_without_their_text_and_counted(toy_model: Path) -> None:
    content = b'{"author_id": "a", "text": "good"}\n' + b'{"text": "secret"}\n' * 30
    answers, faults = predict(toy_model, content)
    assert [answer["author_id"] for answer in answers] == ["a"]
    told = faults.splitlines()
    assert told[0] == "line 2 set aside: author_id missing"
    assert told[19:] == [
        "line 21 set aside: author_id missing",
        "lines set aside: 30 (30 author_id missing)",
    ]
    assert "secret" not in faults


def test_a_timestamp_that_cannot_be_read_costs_the_time_and_is_counted(toy_model: Path) -> None:
    times = ["yesterday", 1_709_395_500, "2024-03-02", None, [1]]
    posts = [{"author_id": " a", "text": "w", "timestamp": time} for time in times]
    content = b"".join(json.dumps(post).encode() + b"\n" for post in posts)
    answers, faults = predict(toy_model, content)
    assert [(answer["author_id"], answer["age"]) for answer in answers] == [("a", 25.0)]
    assert faults == "posts with a note: 5 author_id normalised, 2 timestamp not readable\n"


def test_a_field_given_twice_is_set_aside_as_in_training(toy_model: Path) -> None:
    content = b'{"author_id": "a", "text": "you"}\n{"author_id": "a", "text": "s", "text": "t"}\n'
    answers, faults = predict(toy_model, content)
    assert [answer["age"] for answer in answers] == [21.0]
    assert faults.splitlines()[0] == "line 2 set aside: a field is given twice"


def test_answers_keep_their_order_and_author_through_windows_and_batches(toy_model: Path) -> None:
    counts = [(7 * number) % 600 + 1 for number in range(600)]
    content = b"".join(
        json.dumps({"author_id": str(count), "text": "w " * count}).encode() + b"\n"
        for count in counts
    )
    answers, _ = predict(toy_model, content)
    assert [(answer["author_id"], answer["age"]) for answer in answers] == [
        (str(count), 20.0 + count) for count in counts
    ]


def test_a_window_ends_by_its_authors_or_by_its_bytes() -> None:
    few = [Author(str(number), ["x" * 3_000_000]) for number in range(4)]
    assert [len(window) for window in windows(few)] == [2, 2]
    many = [Author(str(number), ["x"]) for number in range(300)]
    assert [len(window) for window in windows(many)] == [256, 44]
    assert list(windows([])) == []


def test_batches_hold_texts_of_like_length() -> None:
    asked: list[list[int]] = []

    def model(texts: Any) -> dict[str, Any]:
        asked.append([len(text) for text in texts])
        return {"age": [[float(len(text))] for text in texts]}

    served = ServedHeads((ServedNumber(name="age", kind="regression"),), "\x1e")
    window = [Author(str(n), ["x" * (40 - n)]) for n in range(40)]
    assert answer_window(model, served, window)[0] == {"age": 40.0}
    assert sorted(asked) == [list(range(1, 33)), list(range(33, 41))]


def test_two_batches_are_answered_at_once_and_in_order() -> None:
    both = threading.Barrier(2, timeout=900)

    def model(texts: Any) -> dict[str, Any]:
        both.wait()
        return {"age": [[float(len(text))] for text in texts]}

    answers = list(answer_batches(model, [[b"x"], [b"xx"], [b"xxx"], [b"xxxx"]]))
    assert answers == [{"age": [[1.0]]}, {"age": [[2.0]]}, {"age": [[3.0]]}, {"age": [[4.0]]}]


@pytest.mark.parametrize(
    ("answer", "words"),
    [({"age": [[math.nan]]}, "finite numbers; age is"), ({}, "must answer age; it answers")],
)
def test_an_answer_that_is_missing_or_no_number_is_an_error(
    answer: dict[str, Any], words: str
) -> None:
    served = ServedHeads((ServedNumber(name="age", kind="regression"),), "\x1e")
    with pytest.raises(ModelError, match=words):
        answer_window(lambda texts: answer, served, [Author("a", ["x"])])


def test_a_folder_of_versions_answers_by_its_newest_whole_one(
    toy_model: Path, tmp_path: Path
) -> None:
    for name in ("9", "10", ".partial-11"):
        shutil.copytree(toy_model, tmp_path / name)
    (tmp_path / "12").mkdir()
    assert ModelFolder(tmp_path).found.path == tmp_path / "10"
    assert ModelFolder(tmp_path / "9").found.path == tmp_path / "9"


def test_a_model_without_its_description_or_signature_is_an_error(
    save_model: Callable[..., Path], tmp_path: Path
) -> None:
    model = save_model(tmp_path / "model", signatures=["serving_default"])
    with pytest.raises(ModelError, match="must load and have a signature 'posts'"):
        load_model(model)
    (model / "assets" / "heads.json").unlink()
    with pytest.raises(ModelError, match=r"assets/heads\.json; the file is missing"):
        predict(model, b"text")


def no_graph(version: Path) -> None:
    (version / "saved_model.pb").write_bytes(b"not a graph")


def no_weights(version: Path) -> None:
    shutil.rmtree(version / "variables")


def half_of_the_weights(version: Path) -> None:
    for path in (version / "variables").iterdir():
        os.truncate(path, path.stat().st_size // 2)


def no_description(version: Path) -> None:
    (version / "assets" / "heads.json").unlink()


def a_head_without_its_values(version: Path) -> None:
    path = version / "assets" / "heads.json"
    path.write_text(path.read_text().replace('"positive": "female", ', ""))


def a_head_that_the_signature_lacks(version: Path) -> None:
    path = version / "assets" / "heads.json"
    path.write_text(path.read_text().replace('"age"', '"years"'))


def other_groups(version: Path) -> None:
    path = version / "assets" / "heads.json"
    path.write_text(path.read_text().replace('"classes": 4', '"classes": 3').replace(", 30.5", ""))


BROKEN = [
    no_graph,
    no_weights,
    half_of_the_weights,
    no_description,
    a_head_without_its_values,
    a_head_that_the_signature_lacks,
    other_groups,
    *DAMAGES.values(),
]
YOU = b'{"author_id": "a", "text": "you"}'


@pytest.fixture
def versions(toy_model: Path, tmp_path: Path) -> Path:
    """Two sound versions, of which the newer one lists its digests."""
    for name in ("9", "10"):
        shutil.copytree(toy_model, tmp_path / "serving" / name)
    return tmp_path / "serving"


@pytest.mark.parametrize("spoil", BROKEN)
def test_a_version_that_cannot_answer_is_passed_over_and_named(
    versions: Path, spoil: Callable[[Path], Any]
) -> None:
    if spoil in DAMAGES.values():
        list_digests(versions / "10")
    spoil(versions / "10")
    (line,), told = predict(versions, YOU)
    assert line["income"] == INCOME_3
    assert re.fullmatch(r"version 10 skipped: .+\.\n", told)


@pytest.mark.parametrize("spoil", BROKEN)
def test_with_no_version_that_can_answer_there_is_one_line(
    versions: Path, spoil: Callable[[Path], Any], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(versions / "9")
    if spoil in DAMAGES.values():
        list_digests(versions / "10")
    spoil(versions / "10")
    (tmp_path / "posts.jsonl").write_bytes(YOU)
    capfd.readouterr()
    assert predict_command(versions, tmp_path / "posts.jsonl") == 1
    printed = capfd.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert line.startswith(f"the model folder must hold a version that can answer; {versions}")
    assert line.endswith("Push a model again, or give another folder.")


def test_a_model_that_fails_on_a_post_does_not_quote_it(
    save_model: Callable[..., Path], tmp_path: Path
) -> None:
    def quote(texts: Any) -> dict[str, Any]:
        import tensorflow as tf

        with tf.control_dependencies([tf.debugging.Assert(tf.size(texts) > 9, [texts])]):
            return answer_by_hand(texts)

    model = save_model(tmp_path / "model", quote)
    with pytest.raises(ModelError, match="its signature 'posts' fails with Invalid") as raised:
        predict(model, b'{"author_id": "a", "text": "my secret"}')
    assert "secret" not in str(raised.value)


def test_exit_codes_and_messages_tell_a_wrong_path_from_a_wrong_input(
    toy_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = tmp_path / "posts.jsonl.gz"
    damaged.write_bytes(gzip.compress(b"text")[:-3])
    (tmp_path / "empty").touch()
    cases = [
        (tmp_path, damaged, 2, "model folder must hold saved_model.pb or versions"),
        (tmp_path / "none", damaged, 2, "is no folder"),
        (toy_model, tmp_path / "none", 2, f"file of posts; there is no {tmp_path / 'none'}."),
        (toy_model, tmp_path / "empty", 1, "it is empty"),
        (toy_model, damaged, 1, "gzip input must be whole"),
    ]
    for model, file, status, words in cases:
        assert predict_command(model, file) == status
        printed = capsys.readouterr()
        assert (printed.out, words in printed.err) == ("", True)


def test_a_file_is_answered_on_standard_output(
    toy_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "posts.jsonl.gz").write_bytes(gzip.compress(b'{"author_id": "a", "text": "you"}'))
    assert predict_command(toy_model, tmp_path / "posts.jsonl.gz") == 0
    assert json.loads(capsys.readouterr().out)["income"] == INCOME_3


def test_raw_text_on_standard_input_is_answered_by_tensorflow_alone(toy_model: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, str(toy_model)], input=b"you\n", capture_output=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["author_id"] is None
    assert json.loads(done.stdout)["age"] == 21.0
    assert done.stderr == TAKEN_FOR_TEXT + b"['tensorflow']\n"


def test_a_reader_that_goes_away_ends_it_without_a_word(toy_model: Path) -> None:
    # Unbuffered output would fail once; what is buffered is written once more at the end.
    environment = {n: value for n, value in os.environ.items() if n != "PYTHONUNBUFFERED"}
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, str(toy_model)],
        stdin=subprocess.PIPE,
        stdout=writer,
        stderr=subprocess.PIPE,
        env=environment,
    )
    os.close(writer)
    os.close(reader)
    _, stderr = process.communicate(b"you\n")
    assert (process.returncode, stderr) == (0, TAKEN_FOR_TEXT + b"['tensorflow']\n")


def test_an_interrupt_while_it_reads_ends_it_without_a_word(toy_model: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, str(toy_model)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    # More than a pipe holds: once it is written, the command is reading.
    assert process.stdin
    process.stdin.write(b"x" * 500_000)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate()
    assert (process.returncode, stdout, stderr) == (130, b"", b"[]\n")

"""The benchmarks of training and inference: their process protocol, arrays and skill, and a run."""

from __future__ import annotations

import json
import math
import sys

import numpy as np
import pytest

from benchmarks.inference.__main__ import main as measure_inference
from benchmarks.networks import corpus as corpus_module
from benchmarks.networks.arrays import mean_skill, read_arrays
from benchmarks.networks.contenders import Contender, ContenderError
from benchmarks.networks.corpus import (
    corpus_folder,
    count_training_authors,
    draw_authors,
    read_essays,
)
from benchmarks.networks.roster import start_contenders
from benchmarks.training.__main__ import main as measure_training
from benchmarks.training.__main__ import seconds_to_skill

SMALL = "authorprofile conv"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A folder of results with ten authors of 300 to 309 tokens, as `write_corpus` leaves them."""
    folder = tmp_path_factory.mktemp("bench")
    lengths = np.arange(300, 310)
    random = np.random.default_rng(0)
    own = corpus_folder(folder, 10)
    own.mkdir()
    (own / "authors.jsonl").write_text('{"posts": ["one", "two"]}\n' * 10)
    np.savez(
        own / "corpus.npz",
        tokens=random.integers(2, 50, lengths.sum()).astype("int32"),
        lengths=lengths,
        pair_keys=np.zeros(0, "int64"),
        age=np.linspace(-1, 1, 10, dtype="float32")[:, None],
        income=np.eye(10, dtype="float32"),
        gender=(np.arange(10) % 4 == 1).astype("float32")[:, None],
    )
    return folder


def test_arrays_are_padded_to_the_longest_and_one_in_five_selects(corpus):
    path = corpus_folder(corpus, 10) / "corpus.npz"
    train, selecting = read_arrays(str(path))
    assert count_training_authors(path) == 8
    assert train.tokens.shape == (8, 309)
    assert selecting.lengths.tolist() == [300, 305]
    assert (selecting.tokens > 0).sum(axis=1).tolist() == [300, 305]


def test_a_made_up_authors_words_are_as_rich_as_a_languages():
    authors = list(draw_authors(40))
    words = [word for author in authors for post in author["posts"] for word in post.split(" ")]
    # The generator alone knows about a thousand.
    assert len(set(words)) > 8_000
    assert len(authors) == 40
    assert set(authors[0]) == {"posts", "age", "income", "gender"}


def test_made_up_authors_come_in_blocks_as_many_as_asked_for(monkeypatch):
    monkeypatch.setattr(corpus_module, "BLOCK_AUTHORS", 15)
    authors = list(draw_authors(40))
    assert len(authors) == 40
    assert len({author["posts"][0] for author in authors}) == 40
    assert authors[:15] == list(draw_authors(15))


def test_real_posts_are_those_of_authors_with_one_of_the_two_commonest_genders(tmp_path):
    (tmp_path / "labels.csv").write_text(
        "author_id,age,income,gender\na,30,1000,1\nb,40,2000,2\nc,50,3000,1\nd,60,1,5\ne,,1,1\n"
    )
    lines = [json.dumps({"author_id": a, "text": a * 2}) for a in "cabdeac"]
    (tmp_path / "posts.jsonl").write_text("\n".join(lines))
    authors = list(read_essays(tmp_path))
    assert [author["posts"] for author in authors] == [["aa", "aa"], ["bb"], ["cc", "cc"]]
    assert authors[1] == {"posts": ["bb"], "age": 40.0, "income": 2000.0, "gender": "male"}
    assert authors[2]["gender"] == "female"


def test_the_best_constant_answers_have_skill_0_and_perfect_ones_1(corpus):
    targets = read_arrays(str(corpus_folder(corpus, 10) / "corpus.npz"))[0].targets
    constant = {h: np.broadcast_to(y.mean(axis=0), y.shape) for h, y in targets.items()}
    assert mean_skill(constant, targets) == pytest.approx(0, abs=1e-6)
    assert mean_skill(targets, targets) == pytest.approx(1, abs=1e-5)


def test_a_contender_that_ends_is_an_error_that_names_it():
    contender = Contender("benchmarks.no_such_module", ["a"], python=sys.executable)
    with pytest.raises(ContenderError, match=r"benchmarks\.no_such_module"):
        contender.ask("train", steps=1)
    contender.close()


def test_what_a_library_prints_while_it_is_imported_is_no_answer(tmp_path, monkeypatch):
    (tmp_path / "talkative.py").write_text(
        "print('no CUDA here')\n"
        "from benchmarks.networks.contenders import serve\n"
        "serve({'double': lambda of: (print('doubling'), 2 * of)[1]})\n"
    )
    monkeypatch.chdir(tmp_path)
    contender = Contender("talkative", [])
    assert contender.ask("double", of=21) == 42
    contender.close()


def test_training_measures_each_contender_and_writes_table_and_plot(corpus, capsys):
    sizes = ["--authors", "10", "--rounds", "2", "--steps", "1"]
    sizes += ["--epochs", "1", "--skill=-1e12"]
    names = ["--contenders", f"Keras float32,{SMALL}"]
    assert measure_training(["--out", str(corpus), *sizes, *names]) == 0
    results = json.loads((corpus / "training.json").read_text())
    speed, seconds = results["comparisons"]
    for comparison in (speed, seconds):
        assert {name: len(rounds) for name, rounds in comparison["figures"].items()} == {
            "Keras float32": 2,
            SMALL: 2,
        }
        assert all(min(rounds) > 0 for rounds in comparison["figures"].values())
    assert "Keras float32 14,146,316" in results["notes"][0]
    assert sum(note.startswith(f"{SMALL}: skill ") for note in results["notes"]) == 2
    assert "tokens a second" in capsys.readouterr().out
    assert "plotly" in (corpus / "training.html").read_text().lower()


def test_a_contender_that_starts_anew_has_learned_nothing(corpus):
    path = corpus_folder(corpus, 10) / "corpus.npz"
    with start_contenders(["Keras float32", SMALL], path) as (contenders, notes):
        assert notes == []
        for contender in contenders.values():
            before = contender.ask("skill")
            contender.ask("train", steps=1)
            assert contender.ask("skill") != before
            contender.ask("restart")
            assert contender.ask("skill") == pytest.approx(before, rel=1e-5)


class Learner:
    """Learns 0.25 of skill in each epoch of 3 seconds."""

    def __init__(self):
        self.epochs = 7

    def ask(self, request, steps=0):
        if request == "restart":
            self.epochs = 0
            return None
        if request == "skill":
            return 0.25 * self.epochs
        self.epochs += 1
        return {"tokens": 100 * steps, "seconds": 3.0}


def test_seconds_are_counted_until_the_skill_is_reached_or_the_epochs_end():
    assert seconds_to_skill(Learner(), 0.5, 4, 10) == (6.0, "skill 0.500 after 6.0 s")
    seconds, note = seconds_to_skill(Learner(), 2.0, 4, 10)
    assert seconds == math.inf
    assert note == "skill 1.000 after 4 epochs and 12.0 s"


def test_inference_measures_bulk_and_one_author(corpus):
    sizes = ["--authors", "10", "--rounds", "1", "--bulk", "4", "--times", "1"]
    assert measure_inference(["--out", str(corpus), *sizes, "--contenders", "Keras float32"]) == 0
    comparisons = json.loads((corpus / "inference.json").read_text())["comparisons"]
    assert [one["title"] for one in comparisons] == [
        "Inference in bulk",
        "One author of 50 tokens",
        "One author of 400 tokens",
        "One author of 2,000 tokens",
    ]


@pytest.mark.parametrize("names", ["Keras float32,Lightning", "authorprofile", ""])
def test_contenders_that_are_not_there_are_refused_before_anything_is_made(names, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        measure_training(["--out", str(tmp_path / "bench"), "--contenders", names])
    assert ended.value.code == 2
    assert f"Received: {names}" in capsys.readouterr().err
    assert not (tmp_path / "bench").exists()

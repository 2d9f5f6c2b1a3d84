"""The quality command, small: real search and fits on made-up authors, and what it computes."""

from __future__ import annotations

import csv
import json
import subprocess
import sys

import numpy as np
import pytest

from benchmarks.quality.certainty import certainty_counts, certainty_table
from benchmarks.quality.clock import now
from benchmarks.quality.corpus import (
    Corpus,
    beyond,
    count_pairs,
    make_fold,
    place_of,
    without_authors,
    without_labels,
)
from benchmarks.quality.judge import constant_answers
from benchmarks.quality.rows import Row, check_row, read_row
from benchmarks.quality.shallow import (
    SHALLOW,
    commonest,
    phrases_of,
    shallow_answers,
    weigh,
)
from components.comparison.judging import score_over_runs
from components.features.settings import TextSettings
from components.heads.calibration import Calibration
from components.heads.declared import DEFAULT_HEADS, parse_heads

HEADS = parse_heads({name: DEFAULT_HEADS[name] for name in ("age", "gender")})
AUTHORS = 200
ROWS = (
    *("constant", "linear", "tuner", "uncertainty", "single", "hidden:gender"),
    *("baseline", "keras"),
    *("sklearn:triples", "fewer:60:linear"),
)
WITHOUT_NETWORK = {"constant", "linear", "baseline", "keras", "sklearn:triples", "fewer:60:linear"}


def run_quality(arguments):
    """In a process of its own, since TensorFlow takes its number of threads once."""
    command = [sys.executable, "-m", "benchmarks.quality", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("quality")
    random = np.random.default_rng(4)
    with (folder / "labels.csv").open("w", newline="") as labels:
        writer = csv.writer(labels)
        writer.writerow(["author_id", "age", "gender"])
        lines = []
        for number in range(AUTHORS):
            female, age = bool(random.integers(2)), int(random.integers(20, 60))
            writer.writerow([f"a{number}", age, "female" if female else "male"])
            words = random.choice(["left" if female else "right", "old" if age > 40 else "new"], 12)
            lines.append(json.dumps({"author_id": f"a{number}", "text": " ".join(words)}))
    (folder / "posts.jsonl").write_text("\n".join(lines))
    arguments = [
        *("--posts", str(folder / "posts.jsonl"), "--labels", str(folder / "labels.csv")),
        *("--heads", "age,gender", "--rows", ",".join(ROWS), "--folds", "2", "--only", "0"),
        *("--seeds", "7", "--out", str(folder / "out")),
    ]
    for setting in (
        "network={table_width: 6, filters: 4, shared_width: 4}",
        "text.vocabulary_size=50",
        "training={epochs: 4, batch_size: 16}",
        "tuner={trials: 2, epochs: 2, fraction: 0.7, space: {dropout: []}}",
    ):
        arguments += ["--set", setting]
    run_quality(arguments)
    return folder / "out", arguments


def results(folder):
    paths = folder.glob("*-fold0-seed7.json")
    return {content["row"]: content for content in (json.loads(p.read_text()) for p in paths)}


def test_every_row_judges_the_same_authors_on_every_head(measured):
    found = results(measured[0])
    assert set(found) == set(ROWS)
    judged = {a for a in (f"a{n}" for n in range(AUTHORS)) if place_of(a, "fold", 2) == 0}
    for content in found.values():
        assert {name: set(terms) for name, terms in content["terms"].items()} == {
            "age": judged,
            "gender": judged,
        }
    assert set(found["tuner"]["chosen"][0]) == {"loss_weight/gender", "learning_rate"}


def test_the_tuners_network_learns_what_a_linear_model_learns(measured):
    # Gender is told by one word, and old from young by another.
    folder, _ = measured
    skills = {
        row: [
            score_over_runs(head, [content["terms"][head.name]], 0.95)["skill"][0] for head in HEADS
        ]
        for row, content in results(folder).items()
    }
    for place in range(2):
        assert skills["constant"][place] < 0.1 < skills["tuner"][place]
        assert skills["linear"][place] > 0.3
        assert skills["sklearn:triples"][place] > 0.3


NO_ROWS = ("tunr", "hidden:income", "sklearn:forest", "hidden:age:tuner", "fewer")
NO_CUTS = ("fewer:0", "fewer:9:tunr", "fewer:9:hidden:age", "fewer:9:fewer:5", "fewer:")


@pytest.mark.parametrize("row", [*NO_ROWS, *NO_CUTS])
def test_a_row_that_is_none_is_refused(row):
    with pytest.raises(ValueError, match=f"hidden:age.* Received: {row}"):
        check_row(row, HEADS)


@pytest.mark.parametrize("row", ["hidden:age", "fewer:9", "fewer:9:no-pool", "sklearn:20k pairs"])
def test_a_row_of_the_list_is_taken(row):
    check_row(row, HEADS)


def test_a_row_is_read_as_what_learns_and_from_whom():
    assert read_row("sklearn:pairs") == Row("sklearn:pairs")
    assert read_row("absent:age") == Row("equal", "absent", "age")
    assert read_row("fewer:9") == read_row("fewer:9:equal") == Row("equal", "fewer", "9")
    cut = read_row("fewer:9:sklearn:pairs")
    assert cut == read_row("sklearn:pairs").cut_to("9") and cut.shallow == "pairs"
    assert [read_row(f"fewer:9:{row}").has_seed for row in ("linear", "tuner")] == [False, True]


def test_processors_time_counts_the_work_of_child_processes_and_no_waiting():
    work = "import time\nwhile time.process_time() < 0.5: pass\ntime.sleep(0.5)"
    started = now()
    subprocess.run([sys.executable, "-c", work], check=True)
    spent = now().since(started)
    assert 0.5 <= spent.cpu_seconds < spent.seconds - 0.4


WORDS = [[b"a", b"b", b"a"], [b"a", b"b", b"c"], [b"c", b"a"]]


def test_of_phrases_the_commonest_that_two_authors_have_are_features():
    # ab twice, ca once; ba has one author. A gap is a phrase of its own.
    assert commonest((phrases_of(words, (1,)) for words in WORDS), 9) == {b"a b"}
    assert phrases_of(WORDS[0], (1, 2)) == [b"a b a"]
    assert phrases_of(WORDS[0], (2,)) == [b"a  a"]
    # b and c twice each: the last in the order of bytes.
    assert commonest((list(words) for words in WORDS), 2) == {b"a", b"c"}


def test_what_is_tried_reads_what_its_name_says():
    features = {name: weigh(SHALLOW[name], WORDS, WORDS)[0].shape[1] for name in ("words", "pairs")}
    assert features == {"words": 3, "pairs": 4}
    twice_and_once = [[b"a", b"a", b"b"], [b"a", b"b"]]
    twice, once = weigh(SHALLOW["presence"], twice_and_once, WORDS)[0].toarray()
    assert twice.tolist() == once.tolist()


@pytest.mark.parametrize("name", sorted(SHALLOW))
def test_what_is_tried_learns_numbers_classes_and_binary_labels(name):
    random = np.random.default_rng(3)
    kinds, noise = random.integers(3, size=300), [b"w%d" % number for number in range(330)]
    words = [[b"mnp"[kind : kind + 1], *random.choice(noise, 9).tolist()] for kind in kinds]
    heads = parse_heads({name: DEFAULT_HEADS[name] for name in ("age", "income", "gender")})
    labels = {
        "age": [20.0 + 10 * kind for kind in kinds],
        "income": [int(kind) for kind in kinds],
        "gender": ["female" if kind else "male" for kind in kinds],
    }
    whole = Corpus([f"a{number}" for number in range(300)], words, labels)
    fold = make_fold(whole, heads, TextSettings(), 0, 5)
    answers = shallow_answers(whole, heads, fold, name)
    numbers, shares, certain = (answers[head.name] for head in heads)
    assert shares.shape == (len(fold.test), 10) and certain.shape == (len(fold.test), 1)
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
    own = kinds[fold.test]
    assert np.corrcoef(numbers[:, 0], own)[0, 1] > 0.8
    assert ((certain[:, 0] > 0.5) == (own > 0)).mean() > 0.9


def test_pairs_are_counted_as_the_transform_counts_them():
    authors = [[b"x", b"y", b"x", b"y"], [b"x", b"y", b"z"], [b"y", b"x"], [b"z", b"x"]]
    # xy three times, yx twice; the others once, which is too seldom.
    assert count_pairs(authors, 9) == [b"x y", b"y x"]
    assert count_pairs(authors, 1) == [b"x y"]


def test_the_table_has_a_line_a_row(measured):
    lines = (measured[0] / "table.md").read_text().splitlines()
    assert "age, mae in years" in lines[0] and "gender, accuracy" in lines[0]
    first, second = (place for place, line in enumerate(lines) if not line)

    def rows(block):
        return {line.split(" | ")[0].removeprefix("| ") for line in block}

    assert rows(lines[2:first]) == set(ROWS)
    assert lines[first + 1].startswith("| less `tuner` | age, mae in years | age skill |")
    assert rows(lines[first + 3 : second]) == set(ROWS) - {"tuner", "fewer:60:linear"}
    assert rows(lines[second + 3 :]) == set(ROWS) - WITHOUT_NETWORK


def test_certainty_is_counted_before_and_after_the_fit_on_both_splits(measured):
    found = results(measured[0])
    assert found["constant"]["certainty"] == {}
    for row in set(ROWS) - WITHOUT_NETWORK:
        certainty = found[row]["certainty"]
        assert set(certainty) == {"selected", "served"}
        authors = len(found[row]["terms"]["age"])
        for counts in certainty.values():
            assert counts["age"]["stated"] == 0.8 and counts["age"]["rows"][0][0] == authors
            assert sum(count for count, *_ in counts["gender"]["rows"]) == authors
    served, selected = (found["tuner"]["certainty"][name] for name in ("served", "selected"))
    # The interval is one and the same; the answers are those of two networks.
    assert served["age"]["rows"][0][2] == selected["age"]["rows"][0][2]
    assert served["gender"]["rows"] != selected["gender"]["rows"]


def test_certainty_counts_who_is_inside_and_what_came_true():
    whole = corpus()
    fold = make_fold(whole, HEADS, TextSettings(), 0, 5)
    mean, deviation = (fold.facts[f"age.{name}"] for name in ("mean", "deviation"))
    ages = np.array([whole.labels["age"][i] for i in fold.test])
    # Off by 0, 1, 2 ... years, and two thirds sure that everybody is female.
    answers = {
        "age": ((ages + np.arange(len(ages)) - mean) / deviation)[:, None],
        "gender": np.full((len(ages), 1), 2 / 3),
    }
    half = Calibration(20, coverage=0.8, half_width=2.5), Calibration(20, temperature=0.5)
    counts = certainty_counts(whole, HEADS, fold, answers, dict(zip(answers, half, strict=True)))
    assert counts["age"]["rows"] == [[len(ages), 3, 2.5 * len(ages)]]
    known = [whole.labels["gender"][i] for i in fold.test if i % 3 < 2]
    (row,) = (row for row in counts["gender"]["rows"] if row[0])
    # Twice the logit makes two to one four to one.
    assert row == pytest.approx([len(known), 0.8 * len(known), known.count("female")])
    without = dict.fromkeys(answers, Calibration(3, coverage=0.8))
    assert certainty_counts(whole, HEADS, fold, answers, without) == {}


def test_certainty_of_several_folds_is_that_of_all_their_authors():
    # 16 of 20 and 9 of 20 inside; stated 0.3 came true of 2 in 10 and of 8 in 10.
    runs = [
        {
            "age": {"stated": 0.8, "rows": [[20, inside, 20 * half]]},
            "gender": {"stated": moved, "rows": [[10, 3.0, true], [0, 0, 0]]},
        }
        for inside, half, true, moved in ((16, 5.0, 2, 1.0), (9, 7.0, 8, 1.2))
    ]
    line = certainty_table({"equal": [{"certainty": {"served": run}} for run in runs]}, 0.95)[-1]
    assert line.startswith("| equal | served | age: 62.5% [47.0%, 75.8%] within ± 6.0, stated 80%")
    # |6 - 10| of 20; by chance sqrt(2 / pi * 20 * 0.3 * 0.7) / 20.
    assert "calibration error 0.200, by chance 0.082, temperature moved 1 times" in line
    assert certainty_table({"constant": [{"certainty": {}}]}, 0.95) == []


def test_what_is_measured_is_not_measured_again(measured):
    folder, arguments = measured
    before = {path: path.stat().st_mtime_ns for path in folder.glob("*.json")}
    run_quality(arguments)
    assert {path: path.stat().st_mtime_ns for path in folder.glob("*.json")} == before


def test_results_of_another_configuration_are_not_mixed_in(measured):
    folder, arguments = measured
    command = [sys.executable, "-m", "benchmarks.quality", *arguments, "--set", "tuner.trials=3"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"{folder} has those of other settings: name another folder" in done.stderr


def corpus(authors=40):
    names = [f"a{number}" for number in range(authors)]
    genders = [["female", "male", None][number % 3] for number in range(authors)]
    words = [[b"x", b"y"]] * authors
    return Corpus(names, words, {"age": [20.0 + n for n in range(authors)], "gender": genders})


def test_the_constant_is_the_median_and_the_shares_of_the_training_authors():
    whole = corpus()
    fold = make_fold(whole, HEADS, TextSettings(), 0, 5)
    answers = constant_answers(whole, HEADS, fold)
    mean, deviation = (fold.facts[f"age.{name}"] for name in ("mean", "deviation"))
    ages = [whole.labels["age"][i] for i in fold.train]
    assert answers["age"][0, 0] * deviation + mean == pytest.approx(np.median(ages))
    known = [whole.labels["gender"][i] for i in fold.train if i % 3 < 2]
    assert answers["gender"][0, 0] == pytest.approx(known.count("female") / len(known))


def test_hidden_labels_and_absent_authors():
    whole = corpus()
    numbers = np.arange(0, 40, 2)
    hidden = without_labels(whole, "age", numbers)
    assert [i for i, age in enumerate(hidden.labels["age"]) if age is None] == numbers.tolist()
    assert hidden.labels["gender"] == whole.labels["gender"]
    left = without_authors(whole, numbers, 0, 5)
    judged = {a for a in whole.authors if place_of(a, "fold", 5) == 0}
    assert set(left.authors) == {a for i, a in enumerate(whole.authors) if i % 2} | judged


def test_of_fewer_authors_the_first_by_their_ids_hash_are_left_and_all_are_judged():
    whole = corpus()
    judged = {a for a in whole.authors if place_of(a, "fold", 5) == 0}
    left = [
        set(without_authors(whole, beyond(whole, kept, 0, 5), 0, 5).authors) - judged
        for kept in (6, 12, 100)
    ]
    assert [len(authors) for authors in left] == [6, 12, 40 - len(judged)]
    assert left[0] < left[1] < left[2]


def test_seeds_are_averaged_author_by_author():
    # Terms of a number: count, label, its square, squared error, absolute error.
    runs = [
        {"a": [1, 30, 900, 16, 4], "b": [1, 20, 400, 0, 0]},
        {"a": [1, 30, 900, 4, 2], "b": [1, 20, 400, 1, 1]},
    ]
    found = score_over_runs(HEADS[0], runs, 0.95)
    assert found["mae"][0] == pytest.approx(1.75)
    assert found["skill"][0] == pytest.approx(1 - (10 + 0.5) / 50)

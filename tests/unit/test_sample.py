"""The sample: its bytes, its records, its faults, and the scores it announces."""

from __future__ import annotations

import csv
import gzip
import json
import math
import re
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.heads.declared import parse_heads
from pipeline.config import load_config
from pipeline.sample import SampleSummary, write_sample
from pipeline.sample.lexicon import build_lexicon
from pipeline.sample.people import draw_traits, reachable_scores
from pipeline.sample.records import fault_of
from pipeline.sample.texts import draw_posts

DATA = Path(__file__).parents[2] / "data"
FILES = {"posts.jsonl.gz", "labels.csv", "reachable.json", "config.yaml"}
POST = re.compile(
    r'\{"author_id": "(author-\d{6})", "post_id": "\d{6}-\d{2}", "text": "[^"]+"'
    r'(?:, "timestamp": "(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d))")?\}'
)
PHRASE = re.compile(r"(?:coffee|music) (?:before|after) (?:work|lunch)\b")
LABEL = re.compile(r"author-\d{6},(|1[3-9]|[2-8]\d|90),(|\d+00),(|female|male|unstated)")


@dataclass(frozen=True)
class Sample:
    folder: Path
    summary: SampleSummary
    posts: list[str]
    labels: list[str]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    folder = tmp_path_factory.mktemp("sample") / "made" / "here"
    summary = write_sample(folder, authors=1000)
    with gzip.open(folder / "posts.jsonl.gz", "rt", encoding="utf-8", newline="\n") as lines:
        posts = lines.read().split("\n")
    labels = (folder / "labels.csv").read_text(encoding="utf-8").split("\n")
    assert posts.pop() == labels.pop() == ""
    return Sample(folder, summary, posts, labels)


def read_posts(lines: list[str]) -> tuple[dict[str, list[str]], Counter[str]]:
    """Texts by author, and faults by kind."""
    texts: dict[str, list[str]] = defaultdict(list)
    faults: Counter[str] = Counter()
    for line in lines:
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            faults["cut_short"] += 1
            continue
        text = record.get("text")
        if isinstance(text, str):
            texts[record["author_id"]].append(text)
        else:
            faults["no_text" if text is None else f"text_is_a_{type(text).__name__}"] += 1
    return texts, faults


def read_labels(lines: list[str]) -> dict[str, list[dict[str, str]]]:
    records: dict[str, list[dict[str, str]]] = defaultdict(list)
    for record in csv.DictReader(lines):
        records[record["author_id"]].append(record)
    return records


def read_bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_same_seed_gives_the_same_bytes_and_another_seed_other_people(tmp_path: Path) -> None:
    for name, seed in (("first", 5), ("again", 5), ("other", 6)):
        write_sample(tmp_path / name, authors=60, seed=seed)
    first, again, other = (read_bytes(tmp_path / name) for name in ("first", "again", "other"))
    assert set(first) == FILES
    assert first == again
    # The gzip header holds no time of writing.
    assert first["posts.jsonl.gz"][4:8] == bytes(4)
    assert first["posts.jsonl.gz"] != other["posts.jsonl.gz"]
    assert first["labels.csv"] != other["labels.csv"]
    assert {path.name for path in tmp_path.iterdir()} == {"first", "again", "other"}


def test_earlier_sample_is_replaced_but_other_files_are_never_touched(tmp_path: Path) -> None:
    write_sample(tmp_path / "sample", authors=30, seed=1)
    write_sample(tmp_path / "sample", authors=20, seed=2)
    assert json.loads((tmp_path / "sample" / "reachable.json").read_text())["authors"] == 20
    own = tmp_path / "own"
    own.mkdir()
    (own / "config.yaml").write_text("posts: [mine.jsonl]")
    with pytest.raises(FileExistsError, match="which holds other files"):
        write_sample(own, authors=20)
    assert read_bytes(own) == {"config.yaml": b"posts: [mine.jsonl]"}


@pytest.mark.parametrize(("authors", "seed"), [(0, 1), (-3, 1), (10, -1)])
def test_sizes_that_make_no_sample_are_refused(authors: int, seed: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"Received: authors={authors}, seed={seed}"):
        write_sample(tmp_path / "sample", authors, seed)
    assert not list(tmp_path.iterdir())


def test_every_sound_post_has_an_id_and_most_have_a_timestamp(sample: Sample) -> None:
    matches = [POST.fullmatch(line) for line in sample.posts]
    sound = [match for match in matches if match]
    assert len(matches) - len(sound) == 20
    stamps = [match[2] for match in sound if match[2]]
    assert all(datetime.fromisoformat(stamp).tzinfo for stamp in stamps)
    assert 0.87 < len(stamps) / len(sound) < 0.93
    assert {stamp[-6:] for stamp in stamps if stamp[-1] != "Z"} == {"+02:00", "-05:00", "+05:30"}


def test_label_records_hold_sound_values_or_nothing(sample: Sample) -> None:
    assert sample.labels[0] == "author_id,age,income,gender"
    assert all(LABEL.fullmatch(line) for line in sample.labels[1:])
    ages = [int(line.split(",")[1]) for line in sample.labels[1:] if line.split(",")[1]]
    assert 38.5 < np.mean(ages) < 41.5
    assert 11.0 < np.std(ages) < 13.0


def test_texts_hold_several_scripts_emoji_links_handles_and_mixed_case(sample: Sample) -> None:
    texts, _ = read_posts(sample.posts)
    every = "\n".join(text for own in texts.values() for text in own)
    for kind in (
        "[а-я]",
        "[α-ω]",
        "[ا-ي]",
        "[一-鿿]{4}",
        "😀",
        r"https://example\.org/\w+ ",
        "@sample_",
    ):
        assert re.search(kind, every), kind
    assert not re.search(r"https://example\.org/\w+[^\w\s]", every)
    assert re.search(r"[a-z]+\. [A-Z][a-z]+ ", every)
    assert re.search(r" [A-Z]{4,} ", every)
    foreign = sum(bool(re.search("[а-яα-ωا-ي一-鿿]", "".join(own))) for own in texts.values())
    # One of them may be an author whose posts are not written.
    assert sample.summary.non_latin - 1 <= foreign <= sample.summary.non_latin
    assert 30 <= foreign <= 75


def test_lengths_have_a_median_near_a_hundred_words_and_a_long_tail(sample: Sample) -> None:
    texts, _ = read_posts(sample.posts)
    latin = [own for own in texts.values() if not re.search("[一-鿿]", "".join(own))]
    words = np.array([sum(len(text.split()) for text in own) for own in latin])
    assert 88 < np.median(words) < 108
    assert words.min() == 25
    assert words.max() == 800
    assert 4.5 < np.mean([len(own) for own in latin]) < 5.5


def test_faults_are_as_many_as_the_summary_says(sample: Sample) -> None:
    texts, broken = read_posts(sample.posts)
    labels = read_labels(sample.labels)
    conflicts = [own for own in labels.values() if len(own) == 2 and own[0] != own[1]]
    duplicates = [own for own in labels.values() if len(own) == 2 and own[0] == own[1]]
    summary = sample.summary
    assert broken == {"cut_short": 7, "no_text": 7, "text_is_a_int": 6}
    assert summary.broken_posts == {"cut_short": 7, "no_text": 7, "text_is_a_number": 6}
    assert len(conflicts) == summary.conflicts == 3
    assert all(abs(int(own[0]["age"]) - int(own[1]["age"])) == 5 for own in conflicts)
    assert len(duplicates) == summary.duplicates == 3
    assert len(set(texts) - set(labels)) == summary.without_label == 3
    assert len(set(labels) - set(texts)) == summary.without_posts == 3
    assert len(set(labels) | set(texts)) == summary.authors == 1000
    assert len(sample.posts) == summary.post_records
    assert len(sample.labels) - 1 == summary.label_records == 1003


def test_missing_labels_are_about_fifteen_in_a_hundred_and_counted(sample: Sample) -> None:
    first = [own[0] for own in read_labels(sample.labels).values()]
    missing = {
        head: sum(record[head] in ("", "unstated") for record in first)
        for head in ("age", "income", "gender")
    }
    assert sample.summary.missing == missing
    assert all(120 < count < 180 for count in missing.values())


@pytest.mark.parametrize("authors", [334, 667, 2000])
def test_faulty_records_stay_below_two_in_a_hundred(authors: int, tmp_path: Path) -> None:
    summary = write_sample(tmp_path / "sample", authors)
    assert summary.conflicts > 0
    assert summary.faulty_records < 0.02 * (summary.post_records + summary.label_records)


def test_faults_are_spread_evenly_and_take_turns() -> None:
    faults = {place: fault_of(place, 1000) for place in range(1000) if fault_of(place, 1000)}
    assert len(faults) == 12
    assert list(faults.items())[:5] == [
        (83, "conflict"),
        (166, "duplicate"),
        (249, "without_label"),
        (333, "without_posts"),
        (416, "conflict"),
    ]


def test_configuration_is_valid_and_names_the_files_beside_it(sample: Sample) -> None:
    config = load_config(sample.folder / "config.yaml")
    assert config.posts == [str(sample.folder / "posts.jsonl.gz")]
    assert config.labels == [str(sample.folder / "labels.csv")]
    assert config.reachable == str(sample.folder / "reachable.json")
    age, income, gender = config.head_list
    assert (age.name, age.kind, age.unit) == ("age", "regression", "years")
    assert (income.name, income.classes, income.given_as) == ("income", 10, "amount")
    assert (gender.name, gender.positive, gender.negative) == ("gender", "female", "male")


def test_reachable_scores_lie_in_the_folder_as_in_the_summary(sample: Sample) -> None:
    written = json.loads((sample.folder / "reachable.json").read_text(encoding="utf-8"))
    assert written["heads"] == sample.summary.reachable == reachable_scores()
    assert (written["authors"], written["seed"]) == (1000, 20_231)


def test_reachable_gender_scores_are_those_computed_by_hand() -> None:
    # Words, phrases; share of the women, of the men of whom one sees it:
    #   female, female  0.92 x 0.97 = 0.8924   0.08 x 0.03 = 0.0024
    #   male, female    0.08 x 0.97 = 0.0776   0.92 x 0.03 = 0.0276
    #   female, male    0.92 x 0.03 = 0.0276   0.08 x 0.97 = 0.0776
    #   male, male      0.08 x 0.03 = 0.0024   0.92 x 0.97 = 0.8924
    # AUC 0.8924 x 0.9988 + 0.0776 x 0.9838 + 0.0276 x 0.9312 + 0.0024 x 0.4462.
    # Cross-entropy -0.8924 ln 0.99732 - 0.0776 ln 0.73764 - 0.0276 ln 0.26236 - 0.0024 ln 0.00268.
    assert reachable_scores()["gender"] == pytest.approx(
        {"accuracy": 0.97, "auc": 0.99444, "cross_entropy": 0.07715, "skill": 0.88869}, abs=1e-4
    )


def test_reachable_age_scores_agree_with_a_simulation() -> None:
    random = np.random.default_rng(3)
    trait, noise = random.standard_normal((2, 400_000))
    age = np.clip(np.rint(40 + 12 * (0.9 * trait + math.sqrt(0.19) * noise)), 13, 90)
    errors = age - (40 + 12 * 0.9 * trait)
    assert reachable_scores()["age"] == pytest.approx(
        {
            "mae": np.abs(errors).mean(),
            "rmse": np.sqrt(np.mean(errors**2)),
            "skill": 1 - np.mean(errors**2) / age.var(),
        },
        rel=0.008,
    )


def test_reachable_income_scores_agree_with_a_simulation() -> None:
    # Shares of the groups near each value of the trait, counted on one half, scored on the other.
    random = np.random.default_rng(4)
    trait, noise = random.standard_normal((2, 800_000))
    score = 0.95 * trait + math.sqrt(1 - 0.95**2) * noise
    group = np.searchsorted(np.quantile(score, np.arange(1, 10) / 10), score)
    cell = np.searchsorted(np.quantile(trait, np.arange(1, 250) / 250), trait)
    counted, scored = slice(None, 400_000), slice(400_000, None)
    shares = np.full((250, 10), 1e-3)
    np.add.at(shares, (cell[counted], group[counted]), 1)
    shares /= shares.sum(axis=1, keepdims=True)
    best = shares.argmax(axis=1)[cell[scored]]
    loss = -np.log(shares[cell[scored], group[scored]]).mean()
    assert reachable_scores()["income"] == pytest.approx(
        {
            "accuracy": np.mean(best == group[scored]),
            "within_one_group": np.mean(np.abs(best - group[scored]) <= 1),
            "cross_entropy": loss,
            "skill": 1 - loss / math.log(10),
        },
        rel=0.012,
    )


def count_markers(texts: dict[str, list[str]], authors: list[str]) -> np.ndarray[Any, Any]:
    """Uses of each marker, `[authors, 6, 6, 2]`: by age level, by income level, by kind."""
    lexicon = build_lexicon()
    markers = lexicon.forms[lexicon.marker_start : lexicon.phrase_start]
    places = {word: place for place, word in enumerate(markers)}
    counts = np.zeros((len(authors), 72))
    for row, author in enumerate(authors):
        for word in re.findall(r"[a-z']+", " ".join(texts[author]).lower()):
            if word in places:
                counts[row, places[word]] += 1
    return counts.reshape(-1, 6, 6, 2)


def test_author_uses_markers_of_neighbouring_levels_and_of_one_kind(sample: Sample) -> None:
    texts, _ = read_posts(sample.posts)
    counts = count_markers(texts, sorted(texts))
    assert ((counts.sum(axis=(1, 2)) > 0).sum(axis=1) == 1).all()
    for axes in ((2, 3), (1, 3)):
        used = counts.sum(axis=axes) > 0
        first, last = used.argmax(axis=1), 5 - used[:, ::-1].argmax(axis=1)
        assert (last - first).max() == 2
        # The window of a share of 1 / 4.5 = 22 % of the authors begins in the lowest level.
        assert 0.18 < np.mean(first == 0) < 0.24
        assert 0.18 < np.mean(last == 5) < 0.24
    assert 0.45 < counts.sum() / sum(len(" ".join(own).split()) for own in texts.values()) < 0.55


def test_phrases_are_crossed_by_women_but_for_three_in_a_hundred(sample: Sample) -> None:
    texts, _ = read_posts(sample.posts)
    labels = {author: own[0]["gender"] for author, own in read_labels(sample.labels).items()}
    as_labelled = []
    for author, own in texts.items():
        told = {("coffee" in m) == ("lunch" in m) for m in PHRASE.findall(" ".join(own).lower())}
        assert len(told) <= 1
        if told and labels.get(author) in ("female", "male"):
            as_labelled.append(told == {labels[author] == "female"})
    assert len(as_labelled) > 500
    assert 0.95 < np.mean(as_labelled) < 0.99


def draw_texts(random: np.random.Generator, *, is_crossed: bool) -> list[str]:
    """Texts of 60 authors, some of every script, 12 words and more, who all cross or all do not."""
    words = np.arange(12, 252, 4)
    crossed = np.full(60, is_crossed)
    scripts, posts = np.arange(60) % 5, 1 + words // 20
    return [
        "\n".join(own)
        for own in draw_posts(random, draw_traits(random, 60), crossed, scripts, words, posts)
    ]


def test_no_count_of_words_or_of_neighbours_tells_whether_phrases_are_crossed() -> None:
    straight, crossed = (
        draw_texts(np.random.default_rng(7), is_crossed=which) for which in (False, True)
    )
    for one, other in zip(straight, crossed, strict=True):
        assert one != other
        first, second = (re.findall(r"\w+|[^\w ]", text.lower()) for text in (one, other))
        assert Counter(first) == Counter(second)
        assert Counter(pairwise(first)) == Counter(pairwise(second))
        gaps = [Counter(zip(tokens, tokens[2:], strict=False)) for tokens in (first, second)]
        assert gaps[0] != gaps[1]


def test_phrases_stand_whole_in_one_post_and_end_its_sentence(sample: Sample) -> None:
    texts, _ = read_posts(sample.posts)
    every = "\n".join(text for own in texts.values() for text in own).lower()
    assert len(PHRASE.findall(every)) > 4000
    assert len(re.findall(PHRASE.pattern + "[.。]", every)) == len(PHRASE.findall(every))


def test_linear_predictor_of_the_markers_comes_near_the_reachable_scores(sample: Sample) -> None:
    texts, _ = read_posts(sample.posts)
    labels = {author: own[0] for author, own in read_labels(sample.labels).items()}

    def predict(head: str, target: Any) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Held-out predictions and targets of a ridge regression on 500 authors."""
        known = sorted(
            a for a in texts if labels.get(a, {}).get(head) not in (None, "", "unstated")
        )
        counts = count_markers(texts, known).reshape(-1, 72)
        features = np.sqrt(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))
        wanted = np.array([target(labels[author][head]) for author in known])
        fit, held_out = slice(None, 500), slice(500, None)
        gram = features[fit].T @ features[fit] + 0.3 * np.eye(features.shape[1])
        weights = np.linalg.solve(gram, features[fit].T @ wanted[fit])
        return features[held_out] @ weights, wanted[held_out]

    reachable = sample.summary.reachable
    age, true_age = predict("age", lambda text: float(text) - 40)
    assert np.mean((age - true_age) ** 2) < true_age.var() * (1 - reachable["age"]["skill"] + 0.08)
    assert np.abs(age - true_age).mean() < reachable["age"]["mae"] + 0.8
    income, true_income = predict("income", lambda text: math.log(float(text) / 42_000))
    # The trait itself explains 0.95 ** 2 of the variance of the log of the income.
    assert np.mean((income - true_income) ** 2) < true_income.var() * (1 - 0.95**2 + 0.1)
    gender, true_gender = predict("gender", {"female": 1.0, "male": -1.0}.__getitem__)
    # Markers alone tell the gender of 92 in 100.
    assert np.mean((gender > 0) == (true_gender > 0)) > 0.92 - 0.04


def test_sample_imports_neither_tensorflow_nor_beam() -> None:
    program = (
        "import sys, pipeline.sample; "
        "print(sorted({'tensorflow', 'tfx', 'apache_beam', 'pydantic'} & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert answer.stdout.strip() == b"[]"


def test_hand_written_example_holds_what_its_description_says() -> None:
    lines = (DATA / "posts.jsonl").read_text(encoding="utf-8").splitlines()
    posts = [json.loads(line) for line in lines]
    assert len(posts) == 18
    rows = list(csv.DictReader((DATA / "labels.csv").read_text(encoding="utf-8").splitlines()))
    assert len({post["author_id"] for post in posts}) == len(rows) == 12
    assert {post["author_id"] for post in posts} == {row["author_id"] for row in rows}
    assert all({"author_id", "text"} <= set(post) for post in posts)
    assert len({post["post_id"] for post in posts if "post_id" in post}) == len(posts) - 1
    assert sum(value == "" for row in rows for value in row.values()) == 1
    heads = parse_heads({"age": {"kind": "regression"}, "income": {"kind": "classes"}})
    assert [head.parse(rows[0][head.field]) for head in heads] == [34.0, 41_500.0]

"""Made-up corpora: what tells each label, what tells nothing of it, and the best scores."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

from benchmarks.quality.made_up import COEFFICIENTS, KINDS, Traits, main, mixed_scores
from benchmarks.quality.made_up_texts import class_scores, noise, number_scores, with_phrases
from pipeline.config import load_config
from pipeline.sample.lexicon import build_lexicon
from pipeline.sample.phrases import PHRASE_WORDS


def tokens_of(posts: list[str]) -> list[str]:
    return re.findall(r"[\w']+|[^\w\s]", " <> ".join(posts).lower())


def draw(kind: str, authors: int) -> Any:
    return KINDS[kind](np.random.default_rng(3), authors)


def test_crossed_phrases_change_no_count_of_words_or_of_neighbours() -> None:
    told = []
    for crossed in (False, True):
        random = np.random.default_rng(5)
        told.append(with_phrases(random, noise(random, 40, 90), np.full(40, crossed), 3))
    for straight, crossed in zip(*told, strict=True):
        assert straight != crossed
        one, other = tokens_of(straight), tokens_of(crossed)
        assert Counter(one) == Counter(other)
        assert Counter(pairwise(one)) == Counter(pairwise(other))


def test_singles_and_pairs_are_at_chance_about_order_and_words_over_a_gap_are_not() -> None:
    made = draw("order", 800)
    tokens = [tokens_of(posts) for posts in made.posts]

    def accuracy(phrases: Any) -> float:
        counts = CountVectorizer(analyzer=phrases, min_df=3, binary=True).fit_transform(tokens)
        model = LogisticRegression(C=0.1, max_iter=500)
        return float(cross_val_score(model, counts, made.labels["turn"], cv=4).mean())

    # Of 800 coins, 95 in 100 show between 46.5 % and 53.5 % heads.
    assert 0.44 < accuracy(lambda own: own + [" ".join(two) for two in pairwise(own)]) < 0.56
    over_a_gap = accuracy(lambda own: [" ".join(two) for two in zip(own, own[2:], strict=False)])
    assert over_a_gap > 0.9
    assert made.reachable["turn"]["accuracy"] == pytest.approx(0.95)


def test_late_authors_say_what_tells_something_after_1500_tokens_alone() -> None:
    made = draw("late", 30)
    lexicon = build_lexicon()
    telling = {*lexicon.forms[lexicon.marker_start : lexicon.phrase_start], *PHRASE_WORDS}
    for posts in made.posts:
        tokens = tokens_of(posts)
        assert telling.isdisjoint(tokens[:1500])
        assert len(telling.intersection(tokens[1500:])) > 8
    assert set(made.labels) == set(made.reachable) == {"age", "income", "gender"}


def test_exact_score_is_linear_in_shares_of_words_and_its_outer_tenths_are_far_out() -> None:
    made = draw("exact", 500)
    names = [f"{letter}rung" for letter in "bcdfghjk"]
    counts = np.array([[tokens_of(own).count(name) for name in names] for own in made.posts])
    scores = made.labels["score"]
    np.testing.assert_allclose(scores, 200 + counts @ COEFFICIENTS / 150)
    tenths = [part.mean() for part in np.array_split(np.sort(scores), 10)]
    middle = np.diff(tenths[1:-1]).mean()
    assert tenths[1] - tenths[0] > 2 * middle
    assert tenths[-1] - tenths[-2] > 2 * middle
    assert scores.min() > 0


def test_followers_are_log_normal_from_one_to_a_million() -> None:
    made = draw("followers", 20_000 // 10)
    found = made.labels["followers"]
    assert found.min() >= 1
    assert found.max() <= 1_000_000
    assert np.log10(found).mean() == pytest.approx(3, abs=0.1)
    assert np.log10(found).std() == pytest.approx(1, abs=0.1)
    # Of the logarithm the trait tells 0.9 ** 2.
    assert made.reachable["followers"]["skill"] == pytest.approx(0.81, abs=0.01)


def test_best_scores_of_a_few_authors_are_those_computed_by_hand() -> None:
    # Cross-entropy: mean of 0.50040 and 0.67301; of the mean shares, 0.6 and 0.4, 0.67301.
    assert class_scores(np.array([[0.8, 0.2], [0.4, 0.6]])) == pytest.approx(
        {"accuracy": 0.7, "cross_entropy": 0.58671, "skill": 0.12824}, abs=1e-4
    )
    # Differences 2 and 0: half of their mean square is 1; the variance of 1, 3, 3, 3 is 0.75.
    assert number_scores(np.array([1.0, 3.0]), np.array([3.0, 3.0])) == pytest.approx(
        {"rmse": 1.0, "skill": -1 / 3}
    )


def test_best_scores_of_mixed_heads_follow_from_topics_order_and_numbers() -> None:
    # Numbers 0, and all four combinations of together and crossed: the logit of gender is
    # 2.4, 0, 0 or -2.4, the likelier gender's probability 0.91683, 0.5, 0.5, 0.91683.
    topics = np.array([[True] * 4, [True, True, False, False]])
    traits = Traits(np.zeros((3, 4)), topics, np.array([True, False, True, False]))
    gender = mixed_scores(np.random.default_rng(1), traits)["gender"]
    assert gender["accuracy"] == pytest.approx((0.91683 * 2 + 0.5 * 2) / 4, abs=1e-4)
    assert gender["skill"] == pytest.approx(1 - (0.28624 + 0.69315) / 2 / 0.69315, abs=1e-3)


def test_mixed_heads_leave_room_above_what_adds_up_from_word_to_word() -> None:
    random = np.random.default_rng(2)
    traits = Traits.draw(random, 50_000)
    best = mixed_scores(random, traits)
    # Age: 49 of 115 parts of its variance are of words alone, 25 of topics together, 16 of order.
    assert best["age"]["skill"] == pytest.approx((49 + 25 + 16) / 115, abs=0.01)
    for name, alone in (("age", 49 / 115), ("income", 0.2), ("gender", 0.13)):
        assert best[name]["skill"] > alone + 0.1


@pytest.mark.parametrize("kind", list(KINDS))
def test_command_writes_files_that_a_run_takes(kind: str, tmp_path: Path) -> None:
    assert main(["--kind", kind, "--authors", "12", "--out", str(tmp_path)]) == 0
    config = load_config(tmp_path / "config.yaml")
    rows = list(csv.DictReader((tmp_path / "labels.csv").read_text().splitlines()))
    assert list(rows[0]) == ["author_id", *(head.name for head in config.head_list)]
    assert [head.parse(rows[0][head.name]) for head in config.head_list]
    posts = defaultdict(list)
    for line in (tmp_path / "posts.jsonl").read_text(encoding="utf-8").splitlines():
        posts[json.loads(line)["author_id"]].append(json.loads(line)["text"])
    assert len(posts) == len(rows) == 12
    written = json.loads((tmp_path / "reachable.json").read_text())
    assert set(written["heads"]) == {head.name for head in config.head_list}

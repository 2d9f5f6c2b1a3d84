"""`PredictAuthors` on the toy model, whose answers are known by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.util import assert_that, equal_to

from components.ingest.audit_sources import LOCAL_BEAM_ARGUMENTS
from components.serving.answering import WINDOW_BYTES
from components.serving.assets import read_served_heads
from components.serving.bulk.transform import PredictAuthors, window_share

BOUNDARIES = [10.0, 20.0, 30.5]


def pipeline() -> beam.Pipeline:
    return beam.Pipeline(options=PipelineOptions(list(LOCAL_BEAM_ARGUMENTS)))


def answer(author: str, age: float, probabilities: list[float], female: float) -> dict[str, Any]:
    return {
        "author_id": author,
        "age": age,
        "income": {
            "group": probabilities.index(0.7),
            "probabilities": probabilities,
            "boundaries": BOUNDARIES,
        },
        "gender": {"female": female, "male": round(1 - female, 9)},
    }


def test_each_author_is_answered_once_by_all_posts_and_placed_by_the_first_read(
    toy_model: Path,
) -> None:
    posts = [
        ("b", (0, 3, None, None, "two")),
        ("a", (1, 1, None, None, "you")),
        ("b", (0, 2, None, None, "I went home, see")),
    ]
    with pipeline() as running:
        outcome = (
            running | beam.Create(posts) | PredictAuthors(toy_model, read_served_heads(toy_model))
        )
        # b: five words in 16 + 1 + 3 = 20 bytes, group 0; a: one word in 3 bytes, group 3.
        assert_that(
            outcome["answers"],
            equal_to(
                [
                    (0, 2, answer("b", 25.0, [0.7, 0.1, 0.1, 0.1], 0.8333333)),
                    (1, 1, answer("a", 21.0, [0.1, 0.1, 0.1, 0.7], 0.5)),
                ]
            ),
        )
        assert_that(outcome["used"], equal_to([(0, 2), (1, 1)]), label="used")
        assert_that(outcome["set_aside"], equal_to([]), label="set aside")


def test_a_repeated_post_is_set_aside_where_it_is_read_last(toy_model: Path) -> None:
    posts = [
        ("a", (1, 4, None, "p", "one two three")),
        ("a", (0, 9, None, "p", "you")),
    ]
    with pipeline() as running:
        outcome = (
            running | beam.Create(posts) | PredictAuthors(toy_model, read_served_heads(toy_model))
        )
        expected = (0, 9, answer("a", 21.0, [0.1, 0.1, 0.1, 0.7], 0.5))
        assert_that(outcome["answers"], equal_to([expected]))
        assert_that(outcome["set_aside"], equal_to([(1, 4, "duplicate post")]), label="set aside")
        assert_that(outcome["used"], equal_to([(0, 1)]), label="used")


def test_a_window_holds_256_short_authors_or_8_mib() -> None:
    assert window_share(("a", (0, 1), ("x",))) * 256 == WINDOW_BYTES
    assert window_share(("a", (0, 1), ("x" * 1_000_000, "y" * 24))) == 1_000_024
    assert window_share(("a", (0, 1), ("x" * 9_000_000,))) == WINDOW_BYTES

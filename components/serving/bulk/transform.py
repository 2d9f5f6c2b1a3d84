"""Answers for authors, as a Beam transform: posts in, one answer an author out.

Enters: posts keyed by author, as `ingest.join.post_row` gives them. Leaves: the answers, the posts
set aside and the tally of posts used. `PredictAuthors` is the unit under test and touches no file.
Imports Beam; TensorFlow comes with the model.

    ("a", (0, 1, None, None, "I went")), ("a", (0, 2, None, None, "home."))
    -> (0, 1, {"author_id": "a", "age": 31.2, "gender": {"female": 0.71, "male": 0.29}})
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.ml.inference.base import ModelHandler, RunInference
from apache_beam.pvalue import PCollection, TaggedOutput

from components.ingest.matching import PostRow, order_posts, split_repeated
from components.serving.answering import (
    WINDOW_AUTHORS,
    WINDOW_BYTES,
    Author,
    Model,
    answer_window,
    load_model_once,
)
from components.serving.assets import ServedHeads

ANSWERS = "answers"
SET_ASIDE = "set_aside"
USED = "used"
_AUTHORS = "authors"

AuthorRow = tuple[str, tuple[int, int], tuple[str, ...]]
"""Author, source and line of the first post read, posts in order."""

_log = logging.getLogger("authorprofile.predict")


class PredictAuthors(beam.PTransform):
    """Groups posts by author, in order, and asks the model about each author once.

    In: (author_id, PostRow). Out, by tag: "answers": (source, line, answer), the place being that
    of the author's first post read; "set_aside": (source, line, cause); "used": (source, posts).
    """

    def __init__(self, version: Path, served: ServedHeads) -> None:
        super().__init__()
        self._model = AuthorModel(version, served)

    def expand(self, posts: PCollection) -> dict[str, PCollection]:
        authors = (
            posts
            | "GroupByAuthor" >> beam.GroupByKey()
            | "OrderPosts" >> beam.FlatMap(order_author).with_outputs(_AUTHORS, SET_ASIDE, USED)
        )
        answers = authors[_AUTHORS] | "Infer" >> RunInference(self._model)
        return {ANSWERS: answers, SET_ASIDE: authors[SET_ASIDE], USED: authors[USED]}


def order_author(element: tuple[str, Iterable[PostRow]]) -> Iterator[TaggedOutput]:
    """One author's posts in order, what repeats a post_id set aside, and how many are used."""
    author_id, posts = element
    kept, repeated = split_repeated(list(posts))
    for post in repeated:
        yield TaggedOutput(SET_ASIDE, post)
    yield from (TaggedOutput(USED, used) for used in Counter(post[0] for post in kept).items())
    texts = tuple(post[4] for post in order_posts(kept))
    yield TaggedOutput(_AUTHORS, (author_id, kept[0][:2], texts))


class AuthorModel(ModelHandler[AuthorRow, tuple[int, int, dict[str, Any]], Model]):
    """The served model as RunInference takes it; a batch is a window of authors."""

    def __init__(self, version: Path, served: ServedHeads) -> None:
        super().__init__()
        self._version = version
        self._served = served

    def load_model(self) -> Model:
        return load_model_once(self._version)

    def run_inference(
        self,
        batch: Sequence[AuthorRow],
        model: Model,
        inference_args: dict[str, Any] | None = None,
    ) -> Iterator[tuple[int, int, dict[str, Any]]]:
        window = [Author(author_id, texts) for author_id, _, texts in batch]
        answers = answer_window(model, self._served, window)
        posts = sum(len(texts) for _, _, texts in batch)
        _log.debug("%d authors answered", len(batch), extra={"authors": len(batch), "posts": posts})
        for (author_id, place, _), answer in zip(batch, answers, strict=True):
            yield (*place, {"author_id": author_id, **answer})

    def batch_elements_kwargs(self) -> Mapping[str, Any]:
        return {
            "min_batch_size": WINDOW_BYTES,
            "max_batch_size": WINDOW_BYTES,
            "element_size_fn": window_share,
        }

    def get_num_bytes(self, batch: Sequence[AuthorRow]) -> int:
        return sum(len(text) for _, _, texts in batch for text in texts)

    def get_metrics_namespace(self) -> str:
        return "AuthorModel"


def window_share(author: AuthorRow) -> int:
    """The share of WINDOW_BYTES that an author takes, so that no window passes either bound."""
    size = sum(map(len, author[2]))
    return min(max(size, WINDOW_BYTES // WINDOW_AUTHORS), WINDOW_BYTES)

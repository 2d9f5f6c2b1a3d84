"""Authors with very many posts, whose texts nobody will read: the texts out, the counts kept.

Enters: posts keyed by author, as `JoinAuthors` takes them. Leaves: the same posts; where an author
has more than `most` of them, those that the join will set aside as beyond `most` are without text.
So no worker ever holds a million texts of one author; of one without text it holds some 200 bytes.
Imports Beam, not TFX.

    posts -> count of each author (added up before the shuffle) -> the crowded authors
    posts of crowded authors -> places alone, grouped by author -> which are read (`matching`)
                             -> grouped by post, not by author -> text kept, or not

Which posts are read follows from all places of an author, and is decided by the join's own rules;
the join's result is the same with this step and without it, which the tests hold it to.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import AsDict, PCollection, TaggedOutput

from components.ingest.matching import NO_TEXT, read_posts_of

_CROWDED = "crowded"
_OTHERS = "others"
_ROWS = "rows"
_READ = "read"

Keyed = tuple[str, Any]
"""An author's id and a `PostRow`."""
# Author, source, line: the key of one post.
Place = tuple[str, int, int]


class DropUnreadTexts(beam.PTransform):
    """Takes the text from posts that the join will not use.

    In and out: (author_id, PostRow).

    Args:
        most: posts of an author that are read, `ingest.maximum_posts`.
    """

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def expand(self, posts: PCollection) -> PCollection:
        crowded = (
            posts
            | "CountPosts" >> beam.combiners.Count.PerKey()
            | "Crowded" >> beam.Filter(lambda count, most: count[1] > most, most=self._most)
        )
        apart = posts | "SetApart" >> beam.ParDo(_set_apart, AsDict(crowded)).with_outputs(
            _CROWDED, _OTHERS
        )
        read = (
            apart[_CROWDED]
            | "Places" >> beam.Map(_without_text)
            | "GroupPlaces" >> beam.GroupByKey()
            | "ChooseRead" >> beam.FlatMap(_choose_read, most=self._most)
        )
        rows = apart[_CROWDED] | "KeyByPlace" >> beam.Map(_key_by_place)
        trimmed = (
            {_ROWS: rows, _READ: read}
            | "GroupByPlace" >> beam.CoGroupByKey()
            | "DropTexts" >> beam.FlatMap(_drop_text)
        )
        return (apart[_OTHERS], trimmed) | "AllPosts" >> beam.Flatten()


def _set_apart(post: tuple[str, Any], crowded: Mapping[str, int]) -> Iterator[TaggedOutput]:
    yield TaggedOutput(_CROWDED if post[0] in crowded else _OTHERS, post)


def _without_text(post: tuple[str, Any]) -> tuple[str, Any]:
    author_id, row = post
    return author_id, (*row[:4], NO_TEXT)


def _key_by_place(post: tuple[str, Any]) -> tuple[Place, Any]:
    author_id, row = post
    return (author_id, row[0], row[1]), row


def _choose_read(author: tuple[str, Iterable[Any]], most: int) -> Iterator[tuple[Place, None]]:
    author_id, rows = author
    for row in read_posts_of(list(rows), most):
        yield (author_id, row[0], row[1]), None


def _drop_text(element: tuple[Place, Mapping[str, Iterable[Any]]]) -> Iterator[tuple[str, Any]]:
    (author_id, _, _), found = element
    is_read = any(True for _ in found[_READ])
    for row in found[_ROWS]:
        yield author_id, row if is_read else (*row[:4], NO_TEXT)


def drop_unread(rows: Callable[[], Iterator[Keyed]], most: int) -> Iterator[Keyed]:
    """`DropUnreadTexts` of rows that can be read twice, as those on a disk can.

    Args:
        rows: (author_id, PostRow) of some authors, of each of them all.
        most: posts of an author that are read.
    """
    places: dict[str, list[Any]] = defaultdict(list)
    for post in rows():
        author_id, place = _without_text(post)
        places[author_id].append(place)
    crowded = [author_id for author_id, found in places.items() if len(found) > most]
    read = {
        author_id: {row[:2] for row in read_posts_of(places[author_id], most)}
        for author_id in crowded
    }
    places.clear()
    for post in rows():
        author_id, row = post
        yield _without_text(post) if row[:2] not in read.get(author_id, (row[:2],)) else post

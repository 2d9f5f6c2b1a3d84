"""What becomes of one author's records."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.ingest.matching import Outcome, match_author, order_posts


def post(line: int, time: int | None = None, post_id: str | None = None, source: int = 0):
    return (source, line, time, post_id, f"text {source}.{line}")


def label(line: int, *values, source: int = 9):
    return (source, line, values)


def test_an_author_is_used_with_the_posts_as_read():
    outcome = match_author([post(2), post(1), post(1, source=1)], [label(1, 41.0, None)])
    assert outcome == Outcome(
        texts=("text 0.1", "text 0.2", "text 1.1"),
        values=(41.0, None),
        used_sources=(9, 0, 0, 1),
        set_aside=(),
    )


def test_timestamps_order_posts():
    posts = [post(1, time=30), post(2, time=10), post(3, time=20)]
    assert match_author(posts, [label(1, 1.0)]).texts == ("text 0.2", "text 0.3", "text 0.1")


def test_a_post_without_timestamp_stays_behind_the_one_read_before_it():
    posts = [post(1), post(2, time=30), post(3), post(4, time=10), post(5)]
    assert [row[1] for row in order_posts(posts)] == [1, 4, 5, 2, 3]


def test_posts_of_one_time_stay_as_read():
    assert [row[1] for row in order_posts([post(1, time=5), post(2, time=5)])] == [1, 2]


def test_a_repeated_post_id_keeps_the_first_as_read():
    posts = [post(3, 1, "p"), post(1, 9, "p"), post(2, 5, "q"), post(4), post(5)]
    outcome = match_author(posts, [label(1, 1.0)])
    assert outcome.texts == ("text 0.2", "text 0.4", "text 0.5", "text 0.1")
    assert outcome.set_aside == ((0, 3, "duplicate post"),)


@pytest.mark.parametrize(
    ("posts", "labels", "set_aside"),
    [
        ([post(1), post(2)], [], {(0, 1, "no label record"), (0, 2, "no label record")}),
        ([], [label(1, 1.0)], {(9, 1, "no posts")}),
        (
            [],
            [label(2, 1.0), label(1, 1.0)],
            {(9, 1, "no posts"), (9, 2, "duplicate label")},
        ),
        ([post(1)], [label(1, None, None)], {(0, 1, "no known label"), (9, 1, "no known label")}),
        (
            [post(1)],
            [label(1, 1.0, "f"), label(2, 1.0, "m")],
            {
                (0, 1, "author's labels conflict"),
                (9, 1, "conflicting labels"),
                (9, 2, "conflicting labels"),
            },
        ),
        (
            [],
            [label(1, 1.0), label(2, None)],
            {(9, 1, "conflicting labels"), (9, 2, "conflicting labels")},
        ),
    ],
)
def test_an_author_who_is_not_used_has_every_record_set_aside(posts, labels, set_aside):
    outcome = match_author(posts, labels)
    assert set(outcome.set_aside) == set_aside
    assert len(outcome.set_aside) == len(set_aside)
    assert (outcome.texts, outcome.used_sources) == ((), ())


def test_an_equal_label_record_again_is_set_aside_alone():
    outcome = match_author([post(1)], [label(5, 30.0), label(2, 30)])
    assert outcome.texts == ("text 0.1",)
    assert outcome.set_aside == ((9, 5, "duplicate label"),)


POSTS = st.lists(
    st.tuples(st.none() | st.integers(0, 3), st.none() | st.sampled_from("pq")), max_size=6
)
LABELS = st.lists(st.tuples(st.sampled_from([None, 1.0, 2.0])), max_size=4)


@given(POSTS, LABELS)
@settings(deadline=None)
def test_each_record_is_used_or_set_aside_and_never_both(posts, labels):
    post_rows = [post(line, *fields) for line, fields in enumerate(posts)]
    label_rows = [label(line, *values) for line, values in enumerate(labels)]
    outcome = match_author(post_rows, label_rows)
    read = Counter(source for source, *_ in post_rows + label_rows)
    set_aside = Counter(source for source, *_ in outcome.set_aside)
    assert read == Counter(outcome.used_sources) + set_aside
    places = [place[:2] for place in outcome.set_aside]
    assert len(places) == len(set(places))
    assert len(outcome.texts) == Counter(outcome.used_sources)[0]

"""What becomes of one author's records."""

from collections import Counter

import pytest
from hypothesis import given
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
        label_place=(9, 1),
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


SPANS = (1, 2, 2, 3)
"""The span of each source."""


def test_a_newer_span_s_label_record_takes_the_place_of_older_ones():
    labels = [label(4, 41.0, "f", source=1), label(9, 40.0, "m", source=0)]
    outcome = match_author([post(1)], labels, SPANS)
    assert outcome.values == (41.0, "f")
    assert outcome.set_aside == ((0, 9, "superseded label"),)
    # Whole: what the newer one does not say is unknown.
    assert match_author([post(1)], [label(4, 41.0, None, source=1), labels[1]], SPANS).values == (
        41.0,
        None,
    )


def test_label_records_of_one_span_that_disagree_are_a_conflict_whatever_older_ones_say():
    labels = [label(1, 41.0, source=1), label(1, 42.0, source=2), label(1, 41.0, source=0)]
    outcome = match_author([post(1)], labels, SPANS)
    assert outcome.texts == ()
    assert set(outcome.set_aside) == {
        (0, 1, "author's labels conflict"),
        (1, 1, "conflicting labels"),
        (2, 1, "conflicting labels"),
        (0, 1, "superseded label"),
    }
    # A conflict of old is over once a newer span has spoken.
    newest = label(1, 43.0, source=3)
    assert match_author([post(1)], [*labels, newest], SPANS).values == (43.0,)


def test_posts_of_all_spans_are_joined_and_one_that_comes_again_is_no_fault():
    posts = [post(1, post_id="a"), post(2, post_id="b"), post(1, post_id="b", source=1)]
    posts += [post(2, post_id="c", source=1), post(3, post_id="c", source=2)]
    outcome = match_author(posts, [label(1, 1.0, source=3)], SPANS)
    assert outcome.texts == ("text 0.1", "text 0.2", "text 1.2")
    assert set(outcome.set_aside) == {(1, 1, "repeated post"), (2, 3, "duplicate post")}

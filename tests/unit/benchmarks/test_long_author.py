"""The very long author that the server is asked about."""

from __future__ import annotations

from benchmarks.long_author import describe, long_posts


def test_a_long_author_has_as_many_words_as_asked_for_and_no_post_more():
    posts = long_posts(5_000)
    words = [post.count(" ") + 1 for post in posts]
    assert sum(words) >= 5_000 > sum(words[:-1])


def test_what_is_told_is_the_median_and_the_first_request_and_the_most_memory():
    told = {
        "started": 1_000.0,
        "predict": {"seconds": [3.0, 0.5, 0.7], "megabytes": 1_100.0},
        "explain": {"seconds": [9.0], "megabytes": 1_900.0},
    }
    assert describe(told) == [
        "started: 1,000 MB at the most",
        "predict: 0.70 s, the first 3.00 s; 1,100 MB at the most so far",
        "explain: 9.00 s, the first 9.00 s; 1,900 MB at the most so far",
    ]

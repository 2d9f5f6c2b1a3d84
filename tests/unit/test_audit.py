"""What the audit promises of data that passes."""

import pytest

from pipeline.audit import describe_passing
from pipeline.config import load_config


@pytest.mark.parametrize(
    ("posts", "promise"),
    [
        ("posts.jsonl", "The data passes every check that a run makes before training."),
        (
            "posts-{SPAN}.jsonl",
            "The data passes every check that a run makes before training, but for drift since an "
            "earlier span, which the run itself measures.",
        ),
    ],
)
def test_the_audit_says_what_only_a_run_can_see(posts, promise):
    assert describe_passing(load_config(None, posts=[posts], labels=["labels.csv"])) == promise

"""Why no author has both posts and a known label: the counts of a join in, plain words out."""

from __future__ import annotations

from components.ingest.matching import NO_KNOWN_LABEL, NO_LABEL_RECORD
from components.ingest.sources import Kind
from components.ingest.summary import JoinSummary


def why_no_author(summary: JoinSummary) -> str:
    """What to look at, with what ids look like and never an id; "" where nothing was read."""
    causes = {total.cause for total in summary.causes("posts")}
    if NO_KNOWN_LABEL in causes:
        return _why_unknown(summary)
    return _why_unmatched(summary) if NO_LABEL_RECORD in causes else ""


def _why_unknown(summary: JoinSummary) -> str:
    values = "; ".join(summary.unknown_lines()) or "their fields are empty or absent"
    return (
        f"Posts and labels match by author_id, but no label is known: {values}. Check which field "
        "holds the labels (heads.<head>.field), and for a binary head its two values "
        "(heads.<head>.positive and negative)."
    )


def _why_unmatched(summary: JoinSummary) -> str:
    posts, labels = (_most_frequent(summary, kind) for kind in ("posts", "labels"))
    check = "Check that author_id is written alike in posts and labels"
    if not posts or not labels:
        return f"{check}."
    if posts == labels:
        return (
            f"{check}: both look like {posts}, yet no id stands in both. Are they of the same "
            "authors?"
        )
    return f"{check}: in posts most look like {posts}, in labels like {labels}."


def _most_frequent(summary: JoinSummary, kind: Kind) -> str:
    return next(iter(summary.id_shapes.get(kind, {})), "")

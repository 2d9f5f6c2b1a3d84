"""Loads every class of the kinds of heads that other packages add, before anything is done."""

from __future__ import annotations

from components.heads.declared import HEADS, Heads


def load_kinds(heads: Heads) -> None:
    """Loads the network's and the report's classes.

    Raises:
        KindError: one cannot be used.
    """
    if any(HEADS.package_of(head.kind) for head in heads):
        # TensorFlow and plotly, which kinds of this package need not be checked with.
        from components.report.heads import REPORTS
        from components.training.heads import NETWORKS

        for head in heads:
            NETWORKS[head.kind], REPORTS[head.kind]

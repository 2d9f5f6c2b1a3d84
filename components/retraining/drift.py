"""How far a head's labels are from those of another time, measured by TFDV.

Enters: statistics of two sets of examples, counts of two joins. Leaves: per head a distance and two
shares of known labels. The measures are those of the examples' validation: Jensen-Shannon
divergence for numbers and groups, the largest change of a value's share for text.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TypeAlias

import tensorflow_data_validation as tfdv
from pydantic import Field
from tensorflow_metadata.proto.v0 import statistics_pb2

from components.features.schema import build_schema
from components.features.settings import ValidationSettings
from components.features.validation import find_anomalies
from components.heads.declared import Heads
from components.ingest.audit_sources import load_summary
from components.ingest.summary import JoinSummary
from components.strict import Strict

STATISTICS_FILE = "FeatureStats.pb"
MEASURED_SPLIT = "train"
Statistics: TypeAlias = statistics_pb2.DatasetFeatureStatisticsList
Facts = tuple[Statistics, JoinSummary]
"""Statistics of a training split's labels, and the counts of its join."""


class HeadChange(Strict):
    """One head, now beside then."""

    distance: float | None = Field(description="of the labels; None where too few are known")
    labels_now: int
    labels_then: int
    coverage_now: float = Field(description="share of authors whose label is known")
    coverage_then: float


def compare(
    heads: Heads,
    now: Facts,
    then: Facts,
    minimum_labels: int,
) -> dict[str, HeadChange]:
    """Each head's change between two sets of examples.

    Args:
        heads: what is predicted.
        now: statistics and counts of the newer examples' training split.
        then: those of the older ones.
        minimum_labels: known labels on both sides, below which no distance is measured.
    """
    distances = label_distances(heads, now[0], then[0])
    changes = {}
    for head in heads:
        known = [summary.splits[MEASURED_SPLIT].heads.get(head.name) for _, summary in (now, then)]
        labels_now, labels_then = (counts.known if counts else 0 for counts in known)
        shares = (
            labels / max(summary.splits[MEASURED_SPLIT].authors, 1)
            for labels, (_, summary) in zip((labels_now, labels_then), (now, then), strict=True)
        )
        enough = min(labels_now, labels_then) >= minimum_labels
        changes[head.name] = HeadChange(
            distance=distances.get(head.name) if enough else None,
            labels_now=labels_now,
            labels_then=labels_then,
            coverage_now=next(shares),
            coverage_then=next(shares),
        )
    return changes


def label_distances(heads: Heads, now: Statistics, then: Statistics) -> Mapping[str, float]:
    """TFDV's distance of each head's labels, where both statistics hold any."""
    schema = build_schema(heads, ValidationSettings())
    found = find_anomalies(now, schema, [head.name for head in heads], then)
    return {
        info.path.step[0]: info.drift_measurements[0].value
        for info in found.drift_skew_info
        if info.drift_measurements
    }


def load_facts(statistics: str, audit: str) -> Facts:
    """Those in a folder of TFDV's file and in a folder of a join's audit."""
    return tfdv.load_stats_binary(os.path.join(statistics, STATISTICS_FILE)), load_summary(audit)

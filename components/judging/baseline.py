"""Finds the model in service, against which a candidate is judged: the other one blessed last.

TFX's own LatestBlessedModelStrategy takes the candidate itself once it is blessed, so that an
unchanged second run would judge a model against itself, and never find its work in the cache.
"""

from __future__ import annotations

import logging
from typing import Any

from ml_metadata.proto import metadata_store_pb2
from tfx.dsl.components.common import resolver
from tfx.types import artifact_utils

from components.digests import is_as_made

_LOG = logging.getLogger("authorprofile.judging")


class ModelBeforeStrategy(resolver.ResolverStrategy):
    """Resolves `model` to the one blessed last that is not `candidate`; to none where none was.

    A candidate from the cache may be older than the model in service: a run with an earlier
    configuration finds it again. So it is the latest run that blessed a model which counts, not
    the age of the model.

    Input keys: `candidate` (one Model), `model` (all of them), `model_blessing` (all of them).
    Filters in Python: the metadata store of this release has no query language.
    """

    def resolve_artifacts(
        self, store: Any, input_dict: dict[str, list[Any]]
    ) -> dict[str, list[Any]]:
        candidate = artifact_utils.get_single_instance(input_dict["candidate"])
        others = {model.id: model for model in input_dict["model"] if model.id != candidate.id}
        blessings = [
            blessing
            for blessing in input_dict["model_blessing"]
            if blessing.get_int_custom_property("blessed") == 1
            and blessing.get_int_custom_property("current_model_id") in others
        ]
        judged = last_judgements(store, [blessing.id for blessing in blessings])
        latest = next(
            (
                blessing
                for blessing in sorted(blessings, key=lambda one: judged[one.id], reverse=True)
                if _can_be_compared(others[blessing.get_int_custom_property("current_model_id")])
            ),
            None,
        )
        return {
            "candidate": [candidate],
            "model": [others[latest.get_int_custom_property("current_model_id")]] if latest else [],
            "model_blessing": [latest] if latest else [],
        }


def _can_be_compared(model: Any) -> bool:
    """Whether a model is still the one that was blessed; one that is damaged answers anything."""
    if is_as_made(model):
        return True
    _LOG.warning("not used for comparison, since its files are damaged: %s", model.uri)
    return False


def last_judgements(store: Any, blessing_ids: list[int]) -> dict[int, int]:
    """By blessing, the latest execution that made it, found it in the cache, or returned to it."""
    events = store.get_events_by_artifact_ids(blessing_ids) if blessing_ids else []
    judged = dict.fromkeys(blessing_ids, 0)
    for event in events:
        if event.type == metadata_store_pb2.Event.OUTPUT:
            judged[event.artifact_id] = max(judged[event.artifact_id], event.execution_id)
    return judged

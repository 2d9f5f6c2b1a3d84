"""What of the deployed model a candidate can be compared with.

Enters: both SavedModels and the declared heads. Leaves: the heads to compare, and a note for each
head that cannot be, or whose comparison has to be read with care. Nothing here raises for the sake
of the older model: what it cannot answer is left out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from components.heads.declared import Heads
from components.judging.blessing import Baseline
from components.judging.signatures import (
    UnfitModelError,
    declared_heads,
    mask_names,
    unanswered_heads,
)

ALONE = "judged against the constant baseline alone: "


@dataclass(frozen=True)
class InService:
    """The deployed model, as far as it can be compared."""

    record: Baseline
    path: str
    heads: tuple[str, ...]
    masks: dict[str, str]
    notes: dict[str, str]

    def left_out(self, reason: str) -> InService:
        """The same model, of which no head is compared."""
        return replace(
            self,
            record=self.record.model_copy(update={"left_out": reason}),
            heads=(),
            masks={},
            notes=dict.fromkeys(self.heads, ALONE + reason)
            | {name: note for name, note in self.notes.items() if name not in self.heads},
        )


def compare_with(
    uri: str, artifact_id: int, path: str, candidate_path: str, heads: Heads
) -> InService:
    """Finds out which heads of the deployed model can be compared.

    `uri` and `artifact_id` are of its artifact, both paths of SavedModels.
    """
    older = declared_heads(path)
    faults = _faults(path, older, heads)
    compared = tuple(head.name for head in heads if head.name not in faults)
    notes = {name: ALONE + why for name, why in faults.items()}
    newer = declared_heads(candidate_path)
    for head in heads:
        if head.name in compared:
            entries = older.get(head.name, {}), newer.get(head.name, {})
            if note := head.comparison_note(*entries):
                notes[head.name] = note
    left_out = "" if compared else next(iter(faults.values()))
    record = Baseline(uri=uri, artifact_id=artifact_id, left_out=left_out)
    masks = mask_names(path, heads) if compared else {}
    return InService(record=record, path=path, heads=compared, masks=masks, notes=notes)


def _faults(path: str, older: dict[str, dict[str, Any]], heads: Heads) -> dict[str, str]:
    """Why a head cannot be compared, by its name; only heads that cannot be are in it."""
    try:
        faults = unanswered_heads(path, heads)
    except UnfitModelError as fault:
        return {head.name: f"the deployed model does not answer; {fault}" for head in heads}
    for head in heads:
        kind = older.get(head.name, {}).get("kind", head.kind)
        if kind != head.kind:
            faults[head.name] = f"in the deployed model, {head.name} is of kind {kind}"
    return {name: f"the deployed model differs; {why}" for name, why in faults.items()}

"""What changed since the last run: scores, data, settings.

Enters: a `RunRecord` with what is known of the run before. Leaves: HTML.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from components.heads.metrics import format_estimate
from components.report.markup import Html, joined, missing, moment, paragraph, table
from components.report.record import Json, RunRecord


def changes(record: RunRecord) -> Html:
    """Two tables, before and now; the second holds only what differs."""
    before = record.previous
    if not before.get("verdict"):
        return missing("This is the first run of its name, or the store knows of no other.")
    skills = list(_skills(record.verdict, before["verdict"]))
    others = [
        row
        for row in (
            *_data(record.audit, before.get("audit", {})),
            *_settings(record.training, before.get("training", {})),
        )
        if row[1] != row[2]
    ]
    return joined(
        paragraph(f"The last run that judged a model: {moment(before.get('run', ''))}."),
        table(["", "then", "now"], skills, "Skill on test, then and now"),
        table(["", "then", "now"], others, "What else differs")
        if others
        else paragraph("Data counts and training settings are the same."),
    )


def _skills(now: Json, then: Json) -> Iterator[list[str]]:
    earlier = {head["name"]: head for head in then["heads"]}
    for head in now["heads"]:
        old = earlier.get(head["name"])
        yield [
            f"skill of {head['name']}",
            format_estimate(old["skill"]) if old else "not a head",
            format_estimate(head["skill"]),
        ]
    yield ["blessed", _blessed(then), _blessed(now)]


def _blessed(verdict: Json) -> str:
    return "yes" if verdict["blessed"] else f"no: {', '.join(verdict['falling_short'])}"


def _data(now: Json, then: Json) -> Iterator[list[str]]:
    for split, counts in now.get("splits", {}).items():
        old = then.get("splits", {}).get(split, {"authors": 0, "heads": {}})
        yield [f"authors in {split}", f"{old['authors']:,}", f"{counts['authors']:,}"]
        for name, head in counts["heads"].items():
            known = old["heads"].get(name, {"known": 0})["known"]
            yield [f"known {name} in {split}", f"{known:,}", f"{head['known']:,}"]


def _settings(now: Json, then: Json) -> Iterator[list[str]]:
    for key in ("parameters", "precision", "best_epoch"):
        yield [key.replace("_", " "), _text(then.get(key)), _text(now.get(key))]
    new, old = now.get("settings", {}), then.get("settings", {})
    for key in sorted(new.keys() | old.keys()):
        yield [f"training.{key}", _text(old.get(key)), _text(new.get(key))]


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(item)}" for name, item in sorted(value.items())) or "none"
    return f"{value:.4g}" if isinstance(value, float) else f"{value}"

r"""What a served model says of its own answers: its heads, the groups' boundaries, the separator.

Enters: a SavedModel's folder, whose `assets/heads.json`, written by `export`, is
`{"separator": "\\x1e", "heads": [...]}`: a head as it is declared in `components.heads`, with
`boundaries` where its groups were cut from an amount, `temperature` or `interval` where it was
calibrated. A pushed version also says how good it measured, in `assets.extra/quality.json`:
`{"age": {"metric": "mae", "value": 5.96, "lower": 5.4, "upper": 6.52}, ...}`; it becomes the head's
`quality`. Called by `check`, `pipeline.predict` and the server. Knows nothing of TFX or TensorFlow.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

HEADS_FILE = "assets/heads.json"
QUALITY_FILE = "assets.extra/quality.json"


class ServedHeads(NamedTuple):
    """The answers a model gives and how its input is joined."""

    heads: tuple[dict[str, Any], ...]
    separator: str


def read_served_heads(model: Path) -> ServedHeads:
    """Reads what the model says of its answers.

    Raises:
        ValueError: the asset is missing, or it or the quality is not what it should be.
    """
    rule = f"a served model must describe its answers in {HEADS_FILE}"
    try:
        asset = json.loads((model / HEADS_FILE).read_text(encoding="utf-8"))
        served = ServedHeads(tuple(asset["heads"]), asset["separator"])
        if not all(head["name"] and head["kind"] for head in served.heads) or not served.heads:
            raise ValueError("it names no head")
    except FileNotFoundError:
        raise ValueError(f"{rule}; the file is missing. Export the model again.") from None
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{rule}; it cannot be read ({type(error).__name__}: {error}). Export the model again."
        ) from None
    quality = _read_quality(model)
    measured = [
        {**head, "quality": quality[head["name"]]} if head["name"] in quality else head
        for head in served.heads
    ]
    return ServedHeads(tuple(measured), served.separator)


def _read_quality(model: Path) -> dict[str, dict[str, Any]]:
    """How good each head measured; empty where nobody said."""
    path = model / QUALITY_FILE
    if not path.is_file():
        return {}
    try:
        quality = json.loads(path.read_text(encoding="utf-8"))
        return {name: _measured(**told) for name, told in quality.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{QUALITY_FILE} must give each head's metric, value, lower and upper; it cannot be "
            f"read ({type(error).__name__}: {error}). Push the model again."
        ) from None


def _measured(metric: str, value: float, lower: float, upper: float, **_: Any) -> dict[str, Any]:
    return {
        "metric": str(metric),
        "value": float(value),
        "lower": float(lower),
        "upper": float(upper),
    }


def head_units(head: Mapping[str, Any]) -> int:
    """Numbers in one author's answer of this head."""
    return int(head["classes"]) if head["kind"] == "classes" else 1

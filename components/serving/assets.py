r"""What a served model says of its own answers: its heads, the groups' boundaries, the separator.

Enters: a SavedModel's folder, whose `assets/heads.json`, written by `export`, is
`{"separator": "\\x1e", "heads": [...]}`: a head as it is declared in `components.heads`, with
`boundaries` where its groups were cut from an amount. Called by `check` and by `pipeline.predict`.
Knows nothing of TFX or TensorFlow.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

HEADS_FILE = "assets/heads.json"


class ServedHeads(NamedTuple):
    """The answers a model gives and how its input is joined."""

    heads: tuple[dict[str, Any], ...]
    separator: str


def read_served_heads(model: Path) -> ServedHeads:
    """Reads what the model says of its answers.

    Raises:
        ValueError: the asset is missing or is not what it should be.
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
    return served


def head_units(head: Mapping[str, Any]) -> int:
    """Numbers in one author's answer of this head."""
    return int(head["classes"]) if head["kind"] == "classes" else 1

"""Pieces of HTML: escaped text, tables, figures with their data beside them, times for people.

Everything that is no `Html` is escaped, whatever it holds.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import plotly.graph_objects as go


class Html(str):
    """Text that is HTML already."""


def escape(value: object) -> Html:
    """Any value as HTML; `Html` stays what it is."""
    return value if isinstance(value, Html) else Html(html.escape(str(value)))


def joined(*parts: object) -> Html:
    """Pieces one after the other, each escaped unless it is HTML; None is no piece."""
    return Html("\n".join(escape(part) for part in parts if part is not None))


def element(tag: str, *content: object, **attributes: str) -> Html:
    """One element; an attribute `kind` is written `class`, `_` in a name as `-`."""
    written = "".join(
        f' {"class" if name == "kind" else name.replace("_", "-")}="{html.escape(value)}"'
        for name, value in attributes.items()
    )
    return Html(f"<{tag}{written}>{''.join(escape(part) for part in content)}</{tag}>")


def paragraph(text: object, kind: str = "") -> Html:
    """One paragraph."""
    return element("p", text, **({"kind": kind} if kind else {}))


def subsection(title: str, *content: object) -> Html:
    """A titled part of a section; it stays on one sheet of paper where it can."""
    return element("div", element("h3", title), joined(*content), kind="part")


def table(headings: Sequence[str], rows: Sequence[Sequence[object]], caption: str = "") -> Html:
    """A table; a column whose cells all look like numbers is set to the right."""
    kinds = [
        {"kind": "number"} if rows and all(_looks_like_number(row[place]) for row in rows) else {}
        for place in range(len(headings))
    ]
    head = [
        element("th", name, scope="col", **kind) for name, kind in zip(headings, kinds, strict=True)
    ]
    body = [
        element("tr", *(element("td", cell, **kind) for cell, kind in zip(row, kinds, strict=True)))
        for row in rows
    ]
    title = [element("caption", caption)] if caption else []
    content = element(
        "table", *title, element("thead", element("tr", *head)), element("tbody", *body)
    )
    named = {"role": "region", "aria_label": caption} if caption else {}
    return element("div", content, kind="scroll", tabindex="0", **named)


def _looks_like_number(cell: object) -> bool:
    return bool(re.match(r"^([-+−]?[\d.,]+|unknown|–)?(\s|%|$)", str(cell)))


def plot(name: str, drawn: go.Figure | None, caption: str) -> Html:
    """A figure and what it shows in words; nothing where there is no figure.

    Args:
        name: of the figure in the page, unique.
        drawn: by Plotly.
        caption: what is shown and how to read it, for those who do not see it too.
    """
    if drawn is None:
        return Html("")
    identifier = re.sub(r"[^a-z0-9]+", "-", name.lower())
    # Inside a script element only its end tag has a meaning.
    content = Html(drawn.to_json().replace("</", "<\\/"))
    return element(
        "figure",
        element(
            "div",
            kind="plot",
            id=f"plot-{identifier}",
            role="img",
            aria_label=caption,
            style=f"min-height:{drawn.layout.height}px",
        ),
        element("script", content, type="application/json", data_for=f"plot-{identifier}"),
        element("figcaption", caption),
    )


def script_json(identifier: str, content: Any) -> Html:
    """Data for the page's script."""
    return element(
        "script",
        Html(json.dumps(content).replace("</", "<\\/")),
        type="application/json",
        id=identifier,
    )


def moment(text: str) -> str:
    """A time of ISO 8601 for people.

    >>> moment("2026-11-24T05:17:50.636918+01:00")
    '2026-11-24 04:17 UTC'
    """
    try:
        return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    except ValueError:
        return text or "an unknown time"


def missing(what: str) -> Html:
    """Says that a part of the report has nothing to show, and why."""
    return paragraph(what, kind="missing")

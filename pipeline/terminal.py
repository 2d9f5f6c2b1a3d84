"""The one place that prints with rich: what it is given is text, of which nothing is markup.

A path such as `posts[old].jsonl` or `a:x:b` shows as it is. Styles are arguments (`style=`, `Text`)
and never part of a text. Imports neither TensorFlow nor TFX.
"""

from __future__ import annotations

import os
from typing import Any

from rich.console import Console, RenderableType
from rich.status import Status
from rich.table import Table
from rich.text import Text

USUAL_COLUMNS, FEWEST_COLUMNS, MOST_COLUMNS = 80, 20, 10_000


class Terminal(Console):
    """rich's Console for text of people; options as there."""

    def __init__(self, **options: Any) -> None:
        options = {"width": _columns(), **options}
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def say(self, *parts: str | Text, style: str = "") -> None:
        """One line, however long: the terminal wraps it, so that a path can be copied whole."""
        self.print(Text.assemble(*parts, style=style), soft_wrap=True)

    def status(self, status: RenderableType, **options: Any) -> Status:
        """What is under way; a bare string would be read as markup."""
        return super().status(Text(status) if isinstance(status, str) else status, **options)


def plain_table(*columns: str, right: tuple[str, ...] = (), **options: Any) -> Table:
    """A table whose cells are folded where they are too wide, never cut.

    Args:
        columns: their titles.
        right: those of numbers, which stand to the right.
        options: as rich's Table takes them.
    """
    table = Table(**options)
    for title in columns:
        table.add_column(title, overflow="fold", justify="right" if title in right else "left")
    return table


def _columns() -> int | None:
    """A usual width where COLUMNS names one in which nothing can be shown; None: rich finds out."""
    text = os.environ.get("COLUMNS", "")
    if text.isdecimal() and not FEWEST_COLUMNS <= int(text) <= MOST_COLUMNS:
        return USUAL_COLUMNS
    return None

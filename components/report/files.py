"""A run's record as the files that people read.

Enters: a `RunRecord`. Leaves: the text of each file by its name. Called by `run_report` at the end
of a run, and by `pipeline.report` to draw it anew.
"""

from __future__ import annotations

from components.report.card import card_markdown
from components.report.page import render_page
from components.report.record import CARD_FILE, PAGE_FILE, RECORD_FILE, RunRecord


def render_files(record: RunRecord) -> dict[str, str]:
    """The report's files by name; no card where no model was judged."""
    files = {RECORD_FILE: record.model_dump_json(indent=1), PAGE_FILE: render_page(record)}
    if record.verdict:
        files[CARD_FILE] = card_markdown(record)
    return files

"""The report as one HTML file that needs nothing else: no network, no other file.

Enters: a `RunRecord`. Leaves: the page, and with it the other files of a report. Plotly's script is
in the page once; the page's own style and script lie beside this module.
"""

from __future__ import annotations

from importlib import resources

from plotly.offline import get_plotlyjs

from components.report.card import card_markdown, card_section
from components.report.markup import Html, element, joined, missing, moment
from components.report.record import CARD_FILE, PAGE_FILE, RECORD_FILE, RunRecord
from components.report.sections_data import data
from components.report.sections_outcome import outcome, worth
from components.report.sections_quality import quality
from components.report.sections_search import search
from components.report.sections_training import training

# Identifier, title, what draws it, and the part of the record without which it has nothing to show
# of a run that failed.
SECTIONS = (
    ("outcome", "Outcome", outcome, "failure"),
    ("worth", "Was one network for all heads worth it?", worth, "comparison"),
    ("search", "The search", search, "trials"),
    ("data", "The data", data, "audit"),
    ("training", "Training", training, "training"),
    ("quality", "Quality", quality, "answers"),
    ("card", "Model card", card_section, "verdict"),
)
# Nothing may be fetched, whatever the page holds.
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
)


def render_files(record: RunRecord) -> dict[str, str]:
    """The report's files by name; no card where no model was judged."""
    files = {RECORD_FILE: record.model_dump_json(indent=1), PAGE_FILE: render_page(record)}
    if record.verdict:
        files[CARD_FILE] = card_markdown(record)
    return files


def render_page(record: RunRecord) -> str:
    """The whole page."""
    title = f"{record.card.title}: report of a run"
    links = [
        element("li", element("a", name, href=f"#{identifier}"))
        for identifier, name, _, _ in SECTIONS
    ]
    theme = element("button", "Dark or light", type="button", id="theme")
    header = element(
        "header",
        element("h1", title),
        element("p", moment(record.created), kind="subtitle"),
        element("nav", element("ul", *links), theme, aria_label="Sections"),
    )
    body = [
        element(
            "section",
            element("h2", name, id=f"{identifier}-title"),
            missing("Not reached.")
            if record.failure and not getattr(record, needed)
            else draw(record),
            id=identifier,
            aria_labelledby=f"{identifier}-title",
        )
        for identifier, name, draw, needed in SECTIONS
    ]
    return "".join(
        [
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
            element("title", title),
            element("style", _asset("page.css")),
            "</head><body>",
            element("a", "To the report", href="#outcome", kind="skip"),
            header,
            element("main", joined(*body)),
            element("script", Html(get_plotlyjs())),
            element("script", _asset("page.js")),
            "</body></html>\n",
        ]
    )


def _asset(name: str) -> Html:
    return Html(resources.files(__package__).joinpath(name).read_text(encoding="utf-8"))

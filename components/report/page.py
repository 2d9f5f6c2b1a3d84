"""The report as one HTML file that needs nothing else: no network, no other file.

Enters: a `RunRecord`. Leaves: the page. Called by `run_report` at the end of a run, and by
`pipeline.report` to draw it anew. Plotly's script is in the page once; the page's own style and
script lie beside this module.
"""

from __future__ import annotations

from importlib import resources

from plotly.offline import get_plotlyjs

from components.report.card import card_section
from components.report.markup import Html, element, joined, missing, moment
from components.report.record import RunRecord
from components.report.sections_data import data
from components.report.sections_outcome import outcome, worth
from components.report.sections_quality import quality
from components.report.sections_search import search
from components.report.sections_training import training

SECTIONS = (
    ("outcome", "Outcome", outcome),
    ("worth", "Was one network for all heads worth it?", worth),
    ("search", "The search", search),
    ("data", "The data", data),
    ("training", "Training", training),
    ("quality", "Quality", quality),
    ("card", "Model card", card_section),
)
# Without it, a section of a run that failed has nothing to show.
NEEDED = {
    "worth": "comparison",
    "search": "trials",
    "data": "audit",
    "training": "training",
    "quality": "answers",
    "card": "verdict",
}
# Nothing may be fetched, whatever the page holds.
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
)


def render_page(record: RunRecord) -> str:
    """The whole page."""
    title = f"{record.card.title}: report of a run"
    links = [
        element("li", element("a", name, href=f"#{identifier}")) for identifier, name, _ in SECTIONS
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
            draw(record) if is_reached(record, identifier) else missing("Not reached."),
            id=identifier,
            aria_labelledby=f"{identifier}-title",
        )
        for identifier, name, draw in SECTIONS
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
            element("main", joined(body)),
            element("script", Html(get_plotlyjs())),
            element("script", _asset("page.js")),
            "</body></html>\n",
        ]
    )


def is_reached(record: RunRecord, section: str) -> bool:
    """Whether the run came so far that a section is about something."""
    return not record.failure or section not in NEEDED or bool(getattr(record, NEEDED[section]))


def _asset(name: str) -> Html:
    return Html(resources.files(__package__).joinpath(name).read_text(encoding="utf-8"))
